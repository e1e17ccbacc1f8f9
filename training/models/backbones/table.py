"""List the networks that can stand below the head."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from sceneset.errors import SettingsError
from training.models.backbones import networks
from training.models.backbones.backbone import Backbone, Pretrained
from training.models.backbones.hub import PREFIXES, preset_backbone
from training.models.backbones.networks import build_small

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_MOBILENETS = "https://github.com/tensorflow/models/tree/master/research/slim/nets/mobilenet"
_RESNETS = "https://github.com/KaimingHe/deep-residual-networks"
_PLACES = "https://github.com/GKalliatakis/Keras-VGG16-places365"
_VGG_TAPS = ("block3_pool", "block4_pool", "block5_pool")
_BASIC_TAPS = ("conv2_block{}_out", "conv3_block{}_out", "conv4_block{}_out", "conv5_block{}_out")


def _imagenet(
    path: str,
    licence: str,
    source: str,
    digest: str | None = None,
    *,
    sizes: tuple[int, ...] = (224,),
) -> Pretrained:
    return Pretrained("imagenet", _KERAS + path, licence, source, digest, sizes)


def _resnet(name: str, parameters: int, last: tuple[int, int], digest: str) -> Backbone:
    """Describe ResNet-50 and deeper; `last` are the last blocks of the two middle stages."""
    third, fourth = (
        f"conv{stage}_block{block}_out" for stage, block in zip((3, 4), last, strict=True)
    )
    return Backbone(
        name,
        getattr(networks, name),
        "caffe",
        smallest=32,
        parameters=parameters,
        taps=(third, fourth, "conv5_block3_out"),
        cut=fourth,
        pretrained=_imagenet(
            f"resnet/{name}_weights_tf_dim_ordering_tf_kernels_notop.h5", "MIT", _RESNETS, digest
        ),
    )


def _basic_resnet(name: str, parameters: int, blocks: tuple[int, ...]) -> Backbone:
    taps = tuple(tap.format(block) for tap, block in zip(_BASIC_TAPS, blocks, strict=True))
    page = f"https://huggingface.co/timm/{name}.a1_in1k"
    return Backbone(
        name,
        getattr(networks, name),
        "torch",
        smallest=32,
        parameters=parameters,
        taps=taps,
        cut=taps[2],
        pretrained=Pretrained(
            "imagenet", f"{page}/resolve/main/model.safetensors", "Apache-2.0", page
        ),
    )


def _vgg16(name: str, pretrained: Pretrained) -> Backbone:
    return Backbone(
        name,
        networks.vgg16,
        "caffe",
        smallest=32,
        parameters=14_714_688,
        taps=_VGG_TAPS,
        cut="block4_pool",
        pretrained=pretrained,
    )


def _places(name: str) -> Backbone:
    file = f"{name.replace('_', '-')}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    address = f"{_PLACES}/releases/download/v1.0/{file}"
    return _vgg16(name, Pretrained("places", address, "GPL-3.0", _PLACES))


_ROWS = (
    Backbone(
        "mobilenet_v2",
        networks.mobilenet_v2,
        "minus_one_to_one",
        smallest=32,
        parameters=2_257_984,
        taps=(
            "block_6_expand_relu",
            "block_13_expand_relu",
            "block_15_add",
            "block_16_project_BN",
            "out_relu",
        ),
        cut="block_5_add",
        pretrained=_imagenet(
            "mobilenet_v2/mobilenet_v2_weights_tf_dim_ordering_tf_kernels_1.0_{size}_no_top.h5",
            "Apache-2.0",
            _MOBILENETS,
            sizes=(96, 128, 160, 192, 224),
        ),
    ),
    Backbone("small", build_small, "minus_one_to_one", smallest=16, parameters=186_464),
    Backbone(
        "mobilenet_v3_large",
        networks.mobilenet_v3_large,
        "none",
        smallest=32,
        parameters=2_996_352,
        taps=(
            "expanded_conv_5_squeeze_excite_mul",
            "expanded_conv_11_squeeze_excite_mul",
            "expanded_conv_14_squeeze_excite_mul",
            "expanded_conv_14_add",
            "out",
        ),
        cut="expanded_conv_5_add",
        pretrained=_imagenet(
            "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            "Apache-2.0",
            _MOBILENETS,
            "07fb09a5933dd0c8eaafa16978110389",
        ),
    ),
    Backbone(
        "efficientnet_v2_b0",
        networks.efficientnet_v2_b0,
        "none",
        smallest=32,
        parameters=5_919_312,
        taps=(
            "block4a_expand_activation",
            "block6a_expand_activation",
            "block6h_add",
            "top_activation",
        ),
        cut="block3b_add",
        pretrained=_imagenet(
            "efficientnet_v2/efficientnetv2-b0_notop.h5",
            "Apache-2.0",
            "https://github.com/google/automl/tree/master/efficientnetv2",
            "893217f2bb855e2983157299931e43ff",
        ),
    ),
    _resnet("resnet50", 23_587_712, (4, 6), "4d473c1dd8becc155b73f8504c6f6626"),
    _resnet("resnet101", 42_658_176, (4, 23), "88cf7a10940856eca736dc7b7e228a21"),
    _resnet("resnet152", 58_370_944, (8, 36), "ee4c566cf9a93f14d82f913c2dc6dd0c"),
    _basic_resnet("resnet18", 11_186_112, (2, 2, 2, 2)),
    _basic_resnet("resnet34", 21_301_696, (3, 4, 6, 3)),
    Backbone(
        "convnext_tiny",
        networks.convnext_tiny,
        "none",
        smallest=32,
        parameters=27_820_128,
        taps=(
            "convnext_tiny_downsampling_block_0",
            "convnext_tiny_downsampling_block_1",
            "convnext_tiny_downsampling_block_2",
            "out",
        ),
        cut="convnext_tiny_downsampling_block_1",
        pretrained=_imagenet(
            "convnext/convnext_tiny_notop.h5",
            "MIT",
            "https://github.com/facebookresearch/ConvNeXt",
            "d547c096cabd03329d7be5562c5e14798aa39ed24b474157cef5e85ab9e49ef1",
        ),
    ),
    _vgg16(
        "vgg16",
        _imagenet(
            "vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5",
            "CC BY",
            "https://www.robots.ox.ac.uk/~vgg/research/very_deep/",
            "6d6bbae143d832006294945121d1f1fc",
        ),
    ),
    _places("vgg16_places365"),
    _places("vgg16_hybrid1365"),
)


class _Table(Mapping[str, Backbone]):
    """The backbones by name; `hf:` and `hub:` name any image preset of KerasHub beside them."""

    def __init__(self, rows: tuple[Backbone, ...]) -> None:
        self._rows = {row.name: row for row in rows}

    def __getitem__(self, name: str) -> Backbone:
        return preset_backbone(name) if name.startswith(PREFIXES) else self._rows[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)


BACKBONES: Mapping[str, Backbone] = _Table(_ROWS)


def check_name(name: str) -> None:
    """Raise SettingsError for a backbone that there is not."""
    if name in BACKBONES:
        return
    close = get_close_matches(name, BACKBONES, n=1)
    raise SettingsError(
        f"there is no backbone {name!r}; there are {', '.join(BACKBONES)},"
        " hf:USER/NAME and hub:PRESET",
        cure=f"--backbone {close[0]}" if close else "--backbone mobilenet_v2",
    )
