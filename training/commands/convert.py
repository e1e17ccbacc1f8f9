"""Make a bundle of a model that was trained elsewhere."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sceneset.class_names import read_class_names
from sceneset.errors import SettingsError
from sceneset.images import Fit
from sceneset.progress import Outcome, Output, Stopwatch
from training.imported.bundling import Made, Wish, check_out, make_bundle
from training.imported.opening import check_kind, open_foreign
from training.imported.reading import OutputName, ScalingName
from training.imported.writing import DEFAULT_EXPORTS, KINDS
from training.settings import parse_exports


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
    export: str = DEFAULT_EXPORTS
    """Formats of the bundle: keras and litert (always written, the latter with what explains an
    answer where the model allows it), saved_model, onnx."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.size is not None and not 1 <= self.size <= 4096:  # noqa: PLR2004  px
            raise SettingsError(f"--size is {self.size}", cure="give --size from 1 to 4096")


def convert(
    file: Annotated[
        Path,
        Parameter(
            help="A .keras file, a whole .h5 model, or a SavedModel's folder. A SavedModel is a"
            " program, which can read and write files: convert only those that you trust."
        ),
    ],
    /,
    *,
    settings: ConvertSettings,
    output: Output = Output(),
) -> Outcome:
    """Make a bundle of FILE, a Keras model or a SavedModel from elsewhere, and prove it."""
    watch = Stopwatch()
    check_kind(file)
    check_out(settings.out)
    exports = parse_exports(settings.export, KINDS)
    names = read_class_names(settings.class_names)
    wish = Wish(
        settings.out,
        names,
        settings.class_names,
        settings.fit,
        exports,
        settings.size,
        settings.scaling,
        settings.outputs,
    )
    foreign = open_foreign(file)
    made = make_bundle(foreign, wish, {"made_from": file.resolve().name}, output.say)
    return told(settings.out, names, made, watch.total)


def told(
    out: Path, names: tuple[str, ...], made: Made, seconds: float, *, more: Sequence[str] = ()
) -> Outcome:
    """Return the outcome of a bundle that was made; `more` lines say what else was read."""
    reading = made.reading
    left_out = {one.name: one.left_out for one in made.exports if one.left_out}
    summary = {
        "bundle": str(out),
        "classes": len(names),
        "size": reading.size,
        "scaling": reading.scaling,
        "outputs": reading.output,
        "found_by": dict(made.why),
        "exports": {one.name: one.as_json() for one in made.exports},
        "seconds": {"total": seconds},
    }
    lines = (
        f"bundle: {out}",
        f"{len(names)} classes, {reading.size} px",
        f"takes {reading.scaling}: {made.why['scaling']}",
        f"gives {reading.output}: {made.why['outputs']}",
        *more,
        *(f"left out {name}: {why}" for name, why in left_out.items()),
        f"serve it: sceneset serve --model {out}",
    )
    return Outcome(summary, lines)
