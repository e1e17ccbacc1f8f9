"""Declare the settings of `train`, `evaluate`, `convert` and `places365`, with their defaults."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from sceneset.dataset import DEFAULT_ROOT
from sceneset.errors import MissingExtraError, SettingsError
from sceneset.images import Fit
from sceneset.manifest.rows import Split
from training.models.backbones.table import check_name
from training.models.inference import RuntimeName

FILES = {
    "keras": "model.keras",
    "saved_model": "saved_model",
    "litert": "model.tflite",
    "fp16": "model_fp16.tflite",
    "int8": "model_int8.tflite",
    "onnx": "model.onnx",
}
EXPLAIN_FILE, HEAD_FILE = "explain.tflite", "head.npz"
# `evaluate` measures the first, `classify` runs the second.
ALWAYS = ("keras", "litert")
DEFAULT_EXPORTS = "keras,saved_model,litert,fp16,int8"
IMPORTED_KINDS = ("keras", "saved_model", "litert", "onnx")
IMPORTED_EXPORTS = "keras,saved_model,litert"
ScalingName = Literal["0..255", "0..1", "-1..1", "none", "tf", "torch", "caffe"]
OutputName = Literal["probabilities", "logits"]
Channels = Literal["last", "first"]
ONNX_PACKAGES = ("tf2onnx", "onnxruntime")


def parse_exports(text: str, kinds: Sequence[str] = (*FILES, "all")) -> tuple[str, ...]:
    """Return the kinds that a list of words names, in their fixed order; `all` names every one.

    `keras` and `litert` are always among them.

    Raises SettingsError for an unknown word, MissingExtraError when onnx is requested by name and
    a package for it is missing.
    """
    words = {word.strip() for word in text.split(",") if word.strip()}
    unknown = sorted(words.difference(kinds))
    if unknown:
        raise SettingsError(
            f"--export {unknown[0]!r} is no kind of export",
            cure=f"name any of {', '.join(kinds).replace(', all', ', or all')}",
        )
    lacking = missing_packages()
    if "onnx" in words and lacking:
        raise MissingExtraError(
            f"--export onnx needs the package {lacking[0]}, which is not installed",
            cure="pip install -e '.[onnx]'",
        )
    wanted = words | set(ALWAYS) | (set(FILES) if "all" in words else set())
    return tuple(kind for kind in FILES if kind in wanted)


def flag(name: str) -> str:
    """Return a setting's name as it is typed."""
    return "--" + name.replace("_", "-")


def missing_packages() -> list[str]:
    """Return what an ONNX export needs and is not installed."""
    return [name for name in ONNX_PACKAGES if find_spec(name) is None]


DEFAULT_MODEL = Path("models/scenes")
RecipeName = Literal["fast", "best", "original"]
ClassWeights = Literal["none", "root", "balanced"]

# Names of settings, what their values must be, and the words for it
_LIMITS: tuple[tuple[tuple[str, ...], Callable[[float], bool], str], ...] = (
    (
        ("epochs", "batch_size", "hidden", "views", "fine_tune_epochs", "fine_tune_batch"),
        lambda value: value >= 1,
        "1 or more",
    ),
    (
        ("flip", "crop", "colour", "rotation", "erase", "mixup"),
        lambda value: 0 <= value <= 1,
        "a value from 0 to 1",
    ),
    (
        (
            "dropout",
            "input_dropout",
            "label_smoothing",
            "fine_tune_smoothing",
            "fine_tune_dropout",
            "fine_tune_input_dropout",
            "average",
            "warmup",
            "fine_tune_warmup",
        ),
        lambda value: 0 <= value < 1,
        "a value from 0 to below 1",
    ),
    (
        ("weight_decay", "fine_tune_decay", "fewest_per_class", "patience"),
        lambda value: 0 <= value < float("inf"),
        "0 or more",
    ),
    (
        ("learning_rate", "fine_tune_rate"),
        lambda value: 0 < value < 1,
        "a value between 0 and 1, such as 0.001",
    ),
    (("seed",), lambda value: 0 <= value < 2**32, "a value from 0 to 4294967295"),
)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class TrainSettings:
    """What to train on which pictures, and how. What is left out is the recipe's own."""

    dataset: Path = DEFAULT_ROOT
    """The data set's folder; its newest published version is used, at the size it was published."""
    out: Path = DEFAULT_MODEL
    """The model's folder; each run publishes a numbered bundle in it."""
    backbone: str = "mobilenet_v2"
    """The network below the head: mobilenet_v2, small (has no pretrained weights: it trains from
    scratch), mobilenet_v3_large, efficientnet_v2_b0, resnet50, resnet101, resnet152, resnet18,
    resnet34, convnext_tiny, vgg16, vgg16_places365, vgg16_hybrid1365; hf:USER/NAME from Hugging
    Face and hub:PRESET or hub:FOLDER of KerasHub, with the extra `hub`."""
    weights: str = "imagenet"
    """Where the backbone starts: `imagenet` or `places` (downloaded once), the path of a Keras .h5
    with or without its top, or `none`: the whole network then trains from scratch whatever the
    recipe."""
    from_bundle: Annotated[Path | None, Parameter(name="--from")] = None
    """Start from the backbone and the head of this model instead. Classes are matched by name: new
    ones start at random, those that are gone are left out."""
    recipe: RecipeName = "fast"
    """`fast` embeds each picture once, trains the head on that and keeps the best validation epoch;
    `best` then trains the upper half of the backbone too, and keeps whichever is better;
    `original` passes every picture through the frozen backbone in every epoch and keeps the last.
    Without pretrained weights all mean: from scratch, mirrored at random, stopped early."""
    resume: Annotated[bool, Parameter(negative="")] = False
    """Go on with the run that was interrupted in the model's folder, from its last whole epoch."""
    epochs: int | None = None
    """Passes over the training pictures; by default 30 of the head, 8 with more than 5,000
    pictures; `original` 25; from scratch 30 or fewer."""
    batch_size: int | None = None
    """Pictures in one training step; by default 64, 128 with more than 5,000 pictures and in
    `original`, from scratch 16."""
    learning_rate: float | None = None
    """Largest step size of Adam, 0.001; along a cosine but in `original`."""
    weight_decay: float | None = None
    """Decay of the kernels beside Adam: 0.3 in a head, 0 from scratch."""
    warmup: float | None = None
    """Share of the steps in which a head's step size rises, 0.05."""
    hidden: int | None = None
    """Width of the head's hidden layer, 512."""
    dropout: float | None = None
    """Share of hidden values left out in a training step, 0.7; 0.5 with more than 5,000 pictures."""
    input_dropout: float | None = None
    """Share of the head's inputs left out in a training step, 0.4; 0.2 with more than 5,000
    pictures."""
    label_smoothing: float | None = None
    """Share of each label that is spread over all classes, 0."""
    class_weights: ClassWeights | None = None
    """Weigh pictures by how rare their class is: `none` (the default), `balanced` (every class
    counts the same), `root` (half way)."""
    average: float | None = None
    """Decay of a running average of the weights that is measured and kept in their place, such as
    0.99; 0 for none, the default."""
    mixup: float | None = None
    """Chance of a batch to be mixed with itself in another order, 0."""
    patience: int | None = None
    """Stop after so many epochs without a better one; 0 for never, the default but from scratch: 8."""
    views: int | None = None
    """Views of each picture: 1 the centre, 2 its mirror image (the default), more are drawn at
    random; `best` uses 6 while it trains the backbone."""
    flip: float | None = None
    """Chance of a random view to be mirrored, 0.5."""
    crop: float | None = None
    """Chance of a random view to be a crop of 35 to 100 % of the area: 1, from scratch 0."""
    colour: float | None = None
    """Chance of a random view to be brighter or darker, harder or softer, more or less colourful by
    up to 20 %: 0.5, from scratch 0."""
    rotation: float | None = None
    """Chance of a random view to be turned by up to 15 degrees, 0."""
    erase: float | None = None
    """Chance of a random view to lose a rectangle of 2 to 20 % of its area, 0."""
    fine_tune_epochs: int | None = None
    """Passes over the pictures with the backbone's upper half (`best`), 12; 6 with more than 5,000
    pictures."""
    fine_tune_batch: int | None = None
    """Pictures in one step of these, 64."""
    fine_tune_rate: float | None = None
    """Largest step size of these, 0.0003."""
    fine_tune_decay: float | None = None
    """Decay of the kernels in these, 0.01."""
    fine_tune_warmup: float | None = None
    """Share of these steps in which the step size rises, 0.1."""
    fine_tune_smoothing: float | None = None
    """Label smoothing of these, 0.1."""
    fine_tune_dropout: float | None = None
    """Share of the head's values left out in these, 0.5."""
    fine_tune_input_dropout: float | None = None
    """Share of the features left out in these, 0.2."""
    fewest_per_class: int | None = None
    """`best` trains the backbone only with so many training pictures per class, 150; 0: always."""
    engine: RuntimeName = "auto"
    """What embeds the pictures: `openvino` (bfloat16, the extra of that name), `tensorflow`, or the
    faster one that is installed. Validation and test always go through TensorFlow in float32."""
    export: str = DEFAULT_EXPORTS
    """Formats of the bundle: keras and litert (always written, the latter with what explains an
    answer), saved_model, fp16, int8 (kept only when it loses half a point at most), onnx; or all."""
    mirrored_test: bool = True
    """Measure the average over a picture and its mirror image too; metrics.json shows it beside
    the figures of the exported model."""
    fit_tags: Annotated[bool, Parameter(negative="")] = False
    """Fit the thresholds of the tag rule on the validation pictures: one tag is to be right in 95 of
    100, two tags in 90. By default 0.9 alone and 0.5 together."""
    suspects: bool = True
    """Look for labels and pictures worth a second look (`fast` and `best`, which have embeddings);
    they stand in the report and in the manifest, and nothing is dropped."""
    tensorboard: Path | None = None
    """Write the curves and the test figures as TensorBoard logs to a folder of the run in here."""
    seed: int = 0
    """Seed of initial weights, dropout and order."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        check_name(self.backbone)
        for names, is_valid, wanted in _LIMITS:
            for name in names:
                value = getattr(self, name)
                if value is not None and not is_valid(value):
                    raise SettingsError(
                        f"{flag(name)} is {value}", cure=f"give {flag(name)} {wanted}"
                    )
        parse_exports(self.export)
        if self.from_bundle is not None and self.weights != "imagenet":
            raise SettingsError(
                f"--from {self.from_bundle} and --weights {self.weights} name two starts",
                cure="leave one of them out",
            )

    @property
    def exports(self) -> tuple[str, ...]:
        """Return the kinds of exports to write, in their fixed order."""
        return parse_exports(self.export)

    @property
    def recipe_name(self) -> str:
        """Return the recipe that runs: without pretrained weights always `scratch`.

        Known before weights are looked for: only `--weights none` and the backbone small have none.
        """
        bare = self.weights == "none" or self.backbone == "small"
        return "scratch" if bare else self.recipe


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class EvaluateSettings:
    """Which bundle to measure, and on which pictures."""

    model: Path = DEFAULT_MODEL
    """The model's folder, or one of the numbered bundles in it."""
    dataset: Path = DEFAULT_ROOT
    """The data set's folder."""
    split: Split = "test"
    """Which split of the newest published version."""
    folder: Path | None = None
    """Measure on this folder instead: one subfolder per class, by display name or folder name."""


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """Which bundle to make, and what its model does not say of itself."""

    class_names: Path
    """Class names in the order of the model's outputs: .txt of lines, .json list, or .csv with the
    header `keys` or `category,label`."""
    out: Path
    """The bundle's folder; it must not be there yet. As models/NAME/1 it is version 1 of a model."""
    size: int | None = None
    """Side of the square that the model takes, in px; needed only where the model takes any."""
    scaling: ScalingName | None = None
    """What the model takes for the values 0 to 255: `none` or `0..255` as they are, `0..1`, `tf` or
    `-1..1`, `torch` (0..1 minus ImageNet's means, over deviations), `caffe` (blue, green, red minus
    means). By default what the Rescaling and Normalization layers before the first other weights
    say; where they leave it open it is asked for."""
    outputs: OutputName | None = None
    """What the model gives: `probabilities`, or `logits`, which get a softmax. By default whether its
    answers to drawn pictures sum to 1."""
    fit: Fit = "crop"
    """How a picture becomes square before the model sees it."""
    export: str = IMPORTED_EXPORTS
    """Formats of the bundle: keras and litert (always written, the latter with what explains an
    answer where the model allows it), saved_model, onnx."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.size is not None and not 1 <= self.size <= 4096:  # noqa: PLR2004  px
            raise SettingsError(f"--size is {self.size}", cure="give --size from 1 to 4096")
        parse_exports(self.export, IMPORTED_KINDS)

    @property
    def exports(self) -> tuple[str, ...]:
        """Return the kinds of exports to write, in their fixed order."""
        return parse_exports(self.export, IMPORTED_KINDS)


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
    export: str = IMPORTED_EXPORTS
    """Formats of the bundle: keras and litert (always written), saved_model, onnx."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        parse_exports(self.export, IMPORTED_KINDS)
