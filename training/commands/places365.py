"""Make a bundle of VGG-16 as it was trained on Places365, alone or with ImageNet."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

from cyclopts import Parameter

from sceneset.errors import DamagedDataError, MissingInputError, SettingsError, UsageError
from sceneset.progress import Outcome, Output, Stopwatch
from training.commands.convert import told
from training.imported.bundling import Wish, check_out, make_bundle
from training.imported.vgg16 import Channels, open_vgg16, read_categories
from training.imported.writing import DEFAULT_EXPORTS, KINDS
from training.models.backbones.weight_files import download, is_intact, keras_home, unreachable
from training.settings import parse_exports

Fetch = Callable[[str, Path], str | None]
_WEIGHTS = "https://github.com/GKalliatakis/Keras-VGG16-places365/releases/download/v1.0"
_LISTS = "https://raw.githubusercontent.com/CSAILVision/places365/master"


class Published(NamedTuple):
    """Where the weights of one network and its categories are published."""

    weights: str
    categories: str


_PUBLISHED = {
    "places": Published(
        f"{_WEIGHTS}/vgg16-places365_weights_tf_dim_ordering_tf_kernels.h5",
        f"{_LISTS}/categories_places365.txt",
    ),
    "hybrid": Published(
        f"{_WEIGHTS}/vgg16-hybrid1365_weights_tf_dim_ordering_tf_kernels.h5",
        f"{_LISTS}/categories_hybrid1365.txt",
    ),
}
_BY_CLASSES = {365: "places", 1365: "hybrid"}


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class PlacesSettings:
    """Which network to take, and where its bundle goes."""

    weights: str = "places"
    """`places` (365 categories) or `hybrid` (1,365: those of ImageNet too), downloaded once, which are
    published under the GPL 3.0; or the path of such a file, .h5 with its top."""
    out: Path
    """The bundle's folder; it must not be there yet. As models/NAME/1 it is version 1 of a model."""
    class_names: Path | None = None
    """The category list, or any file of class names in the order of the outputs; by default the
    published list, downloaded once."""
    channels: Channels | None = None
    """In which order the first dense layer reads the feature map: channels `last` as TensorFlow, or
    `first`; by default last for the downloads, and of other files first where the layers have
    Caffe's names (fc6)."""
    export: str = DEFAULT_EXPORTS
    """Formats of the bundle: keras and litert (always written), saved_model, onnx."""


def places365(*, settings: PlacesSettings, output: Output = Output()) -> Outcome:
    """Make a bundle of VGG16-Places365 or VGG16-Hybrid1365 from its published weights."""
    watch = Stopwatch()
    check_out(settings.out)
    exports = parse_exports(settings.export, KINDS)
    names = None if settings.class_names is None else read_categories(settings.class_names)
    path = find_file(settings.weights, fetched)
    opened = open_vgg16(path, settings.channels, published=is_published(path))
    listed = settings.class_names
    if names is None or listed is None:
        classes = int(opened.foreign.gives[1] or 0)
        listed = find_list(classes, fetched)
        names = read_list(listed, classes)
    # The published network saw whole pictures, stretched to a square.
    wish = Wish(
        settings.out, names, listed, "stretch", exports, scaling="caffe", outputs="probabilities"
    )
    order = f"channels {opened.channels}: {opened.why}"
    output.say(order)
    facts = {"made_from": path.name, "channels": opened.channels}
    made = make_bundle(opened.foreign, wish, facts, output.say)
    made = replace(made, why={**made.why, "channels": order})
    return told(settings.out, names, made, watch.total, more=[order])


def is_published(path: Path) -> bool:
    """Say whether a file has the name of a published one, downloaded here or elsewhere."""
    return any(path.name == one.weights.rpartition("/")[2] for one in _PUBLISHED.values())


def find_file(weights: str, fetch: Fetch) -> Path:
    """Return the file of weights, downloaded when needed.

    Raises SettingsError for what is no file, MissingInputError when it cannot be downloaded.
    """
    if weights in _PUBLISHED:
        return _downloaded(_PUBLISHED[weights].weights, fetch, "weights", "--weights PATH")
    path = Path(weights)
    if not path.is_file():
        raise SettingsError(
            f"--weights {weights} is no file", cure="--weights places, hybrid, or the path of a .h5"
        )
    return path


def find_list(classes: int, fetch: Fetch) -> Path:
    """Return the published category list of a network with so many classes, downloaded if needed.

    Raises SettingsError when there is none of that length, MissingInputError as `find_file`.
    """
    if classes not in _BY_CLASSES:
        raise SettingsError(
            f"the weights have {classes} classes, and the published lists have 365 and 1365",
            cure="--class-names FILE: one name per class, in the order of the outputs",
        )
    address = _PUBLISHED[_BY_CLASSES[classes]].categories
    return _downloaded(address, fetch, "category list", "--class-names FILE")


def read_list(path: Path, classes: int) -> tuple[str, ...]:
    """Return the names of a downloaded list.

    Raises DamagedDataError, which says to remove it, when it is not a list of so many.
    """
    try:
        names = read_categories(path)
    except UsageError as error:
        raise _stale(path, str(error)) from error
    if len(names) != classes:
        raise _stale(path, f"it holds {len(names)} names, the weights have {classes} classes")
    return names


def fetched(address: str, path: Path) -> str | None:
    """Download a file to its place; return why that failed, or None."""
    return unreachable(address) or download(address, path, None)


def _stale(path: Path, why: str) -> DamagedDataError:
    return DamagedDataError(
        f"the downloaded category list {path} is not the published one: {why}",
        cure="remove that file, and it is downloaded anew; or give --class-names FILE",
    )


def _downloaded(address: str, fetch: Fetch, what: str, instead: str) -> Path:
    path = keras_home() / "models" / address.rpartition("/")[2]
    if is_intact(path, None):
        return path
    why = fetch(address, path)
    if why is not None:
        raise MissingInputError(
            f"the {what} {address} could not be downloaded: {why}",
            cure=f"download it elsewhere and give {instead}",
        )
    return path
