"""Find a backbone's pretrained weights, and build it with them."""

from pathlib import Path
from typing import Any

from sceneset.errors import DamagedDataError, MissingInputError, SettingsError, first_line
from training.models.backbones.backbone import Backbone, Pretrained
from training.models.backbones.hub import PREFIXES, find_preset
from training.models.backbones.table import BACKBONES
from training.models.backbones.weight_files import download, is_intact, keras_home, unreachable

_CURE = "--weights PATH (a Keras .h5 without top), or --weights none"
_KINDS = {"imagenet": "ImageNet", "places": "Places"}


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
    if weights not in _KINDS:
        if not Path(weights).is_file():
            raise SettingsError(f"--weights {weights} is no file", cure=_CURE)
        return Path(weights)
    if backbone.startswith(PREFIXES):
        return find_preset(backbone).weights
    pretrained = BACKBONES[backbone].pretrained
    if pretrained is None or pretrained.kind != weights:
        raise _no_such(BACKBONES[backbone], weights)
    return _downloaded(backbone, pretrained, size)


def imagenet_available(
    size: int, *, home: Path | None = None, backbone: str = "mobilenet_v2"
) -> str | None:
    """Return None when the ImageNet weights for a picture size can be had, else why not.

    Cheap: looks for the file below `home` (Keras' own folder), then asks the download address,
    for 5 s at most.
    """
    pretrained = BACKBONES[backbone].pretrained
    if pretrained is None or pretrained.kind != "imagenet":
        return f"{backbone} has none"
    address = pretrained.file_address(size)
    if is_intact(_place(backbone, address, home or keras_home()), pretrained.digest):
        return None
    return unreachable(address)


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
            raise _do_not_fit(backbone, weights, error) from error
    return base


def _downloaded(backbone: str, pretrained: Pretrained, size: int) -> Path:
    address = pretrained.file_address(size)
    path = _place(backbone, address, keras_home())
    if is_intact(path, pretrained.digest):
        return path
    why = unreachable(address) or download(address, path, pretrained.digest)
    if why is not None:
        name = _KINDS[pretrained.kind]
        raise MissingInputError(
            f"{name} weights for {backbone} could not be downloaded: {why}", cure=_CURE
        )
    return path


def _place(backbone: str, address: str, home: Path) -> Path:
    """Return where Keras itself would keep the file; other publishers' names say too little."""
    name = address.rpartition("/")[2]
    return home / "models" / (name if name.endswith(".h5") else f"{backbone}-{name}")


def _no_such(row: Backbone, weights: str) -> SettingsError:
    has = row.pretrained.kind if row.pretrained else "none"
    others = [name for name, other in BACKBONES.items() if _has(other, weights)]
    cure = f"--weights {has}" + (f", or --backbone {others[0]}" if weights == "places" else "")
    return SettingsError(
        f"--weights {weights}: {row.name} has no {_KINDS[weights]} weights", cure=cure
    )


def _has(row: Backbone, kind: str) -> bool:
    return row.pretrained is not None and row.pretrained.kind == kind


def _do_not_fit(backbone: str, weights: Path, error: Exception) -> DamagedDataError:
    return DamagedDataError(
        f"the weights {weights} do not fit {backbone}: {first_line(error)}",
        cure=f"remove the file if it is a broken download; else {_CURE}",
    )
