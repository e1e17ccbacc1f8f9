"""List the backbones, find their pretrained weights, and build them."""

from collections.abc import Mapping
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

from sceneset.errors import DamagedDataError, MissingInputError, SettingsError, first_line
from training.models.backbones.hub import PREFIXES, PRESET_WEIGHTS, find_preset, preset_backbone
from training.models.backbones.networks import (
    Backbone,
    Pretrained,
    build_application,
    build_basic_resnet,
    build_small,
)
from training.models.backbones.weight_files import download, is_intact, keras_home, unreachable

_KERAS = "https://storage.googleapis.com/tensorflow/keras-applications/"
_MOBILENETS = "https://github.com/tensorflow/models/tree/master/research/slim/nets/mobilenet"
_RESNETS = "https://github.com/KaimingHe/deep-residual-networks"
_PLACES = "https://github.com/GKalliatakis/Keras-VGG16-places365"
_CURE = "--weights PATH (a Keras .h5 without top), or --weights none"
# What `--weights` downloads, and how it is spoken of.
DOWNLOADED = {"imagenet": "ImageNet", "places": "Places"}
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
        partial(build_application, name.replace("resnet", "ResNet")),
        "caffe",
        smallest=32,
        parameters=parameters,
        taps=(third, fourth, "conv5_block3_out"),
        pretrained=_imagenet(
            f"resnet/{name}_weights_tf_dim_ordering_tf_kernels_notop.h5", "MIT", _RESNETS, digest
        ),
    )


def _basic_resnet(name: str, parameters: int, blocks: tuple[int, ...]) -> Backbone:
    taps = tuple(tap.format(block) for tap, block in zip(_BASIC_TAPS, blocks, strict=True))
    page = f"https://huggingface.co/timm/{name}.a1_in1k"
    return Backbone(
        name,
        partial(build_basic_resnet, name, blocks),
        "torch",
        smallest=32,
        parameters=parameters,
        taps=taps,
        pretrained=Pretrained(
            "imagenet", f"{page}/resolve/main/model.safetensors", "Apache-2.0", page
        ),
    )


def _vgg16(name: str, pretrained: Pretrained) -> Backbone:
    return Backbone(
        name,
        partial(build_application, "VGG16"),
        "caffe",
        smallest=32,
        parameters=14_714_688,
        taps=_VGG_TAPS,
        pretrained=pretrained,
    )


def _places(name: str) -> Backbone:
    file = f"{name.replace('_', '-')}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    url = f"{_PLACES}/releases/download/v1.0/{file}"
    return _vgg16(name, Pretrained("places", url, "GPL-3.0", _PLACES))


_ROWS = (
    Backbone(
        "mobilenet_v2",
        partial(build_application, "MobileNetV2"),
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
        fine_tune_from="block_5_add",
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
        partial(build_application, "MobileNetV3Large", named_output=True),
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
        pretrained=_imagenet(
            "mobilenet_v3/weights_mobilenet_v3_large_224_1.0_float_no_top_v2.h5",
            "Apache-2.0",
            _MOBILENETS,
            "07fb09a5933dd0c8eaafa16978110389",
        ),
    ),
    Backbone(
        "efficientnet_v2_b0",
        partial(build_application, "EfficientNetV2B0"),
        "none",
        smallest=32,
        parameters=5_919_312,
        taps=(
            "block4a_expand_activation",
            "block6a_expand_activation",
            "block6h_add",
            "top_activation",
        ),
        fine_tune_from="block3b_add",
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
        partial(build_application, "ConvNeXtTiny", named_output=True),
        "none",
        smallest=32,
        parameters=27_820_128,
        taps=(
            "convnext_tiny_downsampling_block_0",
            "convnext_tiny_downsampling_block_1",
            "convnext_tiny_downsampling_block_2",
            "out",
        ),
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


class _Table(dict[str, Backbone]):
    """The backbones by name; `hf:` and `hub:` name any image preset of KerasHub too."""

    def __missing__(self, name: str) -> Backbone:
        if name.startswith(PREFIXES):
            return preset_backbone(name)
        raise KeyError(name)


BACKBONES: Mapping[str, Backbone] = _Table({row.name: row for row in _ROWS})


def check_name(name: str) -> None:
    """Raise SettingsError for a backbone that there is not."""
    if name in BACKBONES or name.startswith(PREFIXES):
        return
    close = get_close_matches(name, BACKBONES, n=1)
    raise SettingsError(
        f"there is no backbone {name!r}; there are {', '.join(BACKBONES)},"
        " hf:USER/NAME and hub:PRESET",
        cure=f"--backbone {close[0]}" if close else "--backbone mobilenet_v2",
    )


def find_weights(backbone: str, weights: str, size: int) -> Path | None:
    """Return the file of pretrained weights, downloaded when needed; None means from scratch.

    Raises SettingsError for a path that is no file or a backbone that has no such weights,
    MissingInputError when the download cannot be had (known after 5 s).
    """
    if weights == "none" or (backbone == "small" and weights == "imagenet"):
        return None
    if backbone == "small":
        raise SettingsError(
            f"--weights {weights}: the backbone small has no pretrained weights",
            cure="--backbone mobilenet_v2, or leave --weights out",
        )
    if weights not in DOWNLOADED:
        if not Path(weights).is_file():
            raise SettingsError(f"--weights {weights} is no file", cure=_CURE)
        return Path(weights)
    if backbone.startswith(PREFIXES):
        return find_preset(backbone) / PRESET_WEIGHTS
    pretrained = BACKBONES[backbone].pretrained
    if pretrained is None or pretrained.kind != weights:
        raise _no_such(backbone, weights)
    return _downloaded(backbone, pretrained, size)


def imagenet_available(
    size: int, *, home: Path | None = None, backbone: str = "mobilenet_v2"
) -> str | None:
    """Return None when the ImageNet weights for a picture size can be had, else why not.

    Cheap: looks for the file below `home` (Keras' own folder), then asks for its URL,
    for 5 s at most.
    """
    pretrained = BACKBONES[backbone].pretrained
    if pretrained is None or pretrained.kind != "imagenet":
        return f"{backbone} has none"
    url = pretrained.file_url(size)
    if is_intact(_place(backbone, url, home or keras_home()), pretrained.digest):
        return None
    return unreachable(url)


def build_base(backbone: str, size: int, weights: Path | None) -> Any:  # noqa: ANN401  Keras has no types
    """Build the network from scaled float32[N, size, size, 3] to a feature map.

    Raises SettingsError when the pictures are too small for it, DamagedDataError when the weights
    do not fit.
    """
    row = BACKBONES[backbone]
    if size < row.smallest:
        raise SettingsError(
            f"the pictures are {size} px, {backbone} needs {row.smallest}",
            cure=f"sceneset curate --size {row.smallest} or more",
        )
    base = row.build(size)
    if weights is not None:
        try:
            row.load(base, weights)
        except (OSError, ValueError) as error:
            raise DamagedDataError(
                f"the weights {weights} do not fit {backbone}: {first_line(error)}",
                cure=f"remove the file if it is a broken download; else {_CURE}",
            ) from error
    return base


def _downloaded(backbone: str, pretrained: Pretrained, size: int) -> Path:
    url = pretrained.file_url(size)
    path = _place(backbone, url, keras_home())
    if is_intact(path, pretrained.digest):
        return path
    why = unreachable(url) or download(url, path, pretrained.digest)
    if why is not None:
        name = DOWNLOADED[pretrained.kind]
        raise MissingInputError(
            f"{name} weights for {backbone} could not be downloaded: {why}", cure=_CURE
        )
    return path


def _place(backbone: str, url: str, home: Path) -> Path:
    """Return where Keras itself would keep the file; other publishers' names say too little."""
    name = url.rpartition("/")[2]
    return home / "models" / (name if name.endswith(".h5") else f"{backbone}-{name}")


def _no_such(backbone: str, weights: str) -> SettingsError:
    kinds = {row.name: row.pretrained.kind for row in _ROWS if row.pretrained}
    others = [name for name, kind in kinds.items() if kind == weights]
    cure = f"--weights {kinds.get(backbone, 'none')}"
    return SettingsError(
        f"--weights {weights}: {backbone} has no {DOWNLOADED[weights]} weights",
        cure=cure + (f", or --backbone {others[0]}" if weights == "places" else ""),
    )
