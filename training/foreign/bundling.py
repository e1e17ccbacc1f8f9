"""Make a bundle of a model from elsewhere: read how it works, write it, prove it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipeline.class_names import check_count
from pipeline.errors import SettingsError
from pipeline.manifest import now
from pipeline.pictures import Fit
from training.backend import versions
from training.export import write_class_names, write_preprocess, write_record
from training.exports.written import Export
from training.foreign.adopting import Reading, adopt, own_answers, softmax
from training.foreign.opening import Foreign, first_line
from training.foreign.place import bundle_folder, bundle_name
from training.foreign.reading import OutputName, ScalingName, read_output, read_scaling, read_size
from training.foreign.writing import Proof, Target, draw_pictures, write_all
from training.trouble import is_exhausted


@dataclass(frozen=True)
class Wish:
    """What is stated of a model and of its bundle; None is found out.

    `names_from` is the file of the class names, for the words of an error.
    """

    out: Path
    class_names: tuple[str, ...]
    names_from: Path
    fit: Fit
    exports: tuple[str, ...]
    size: int | None = None
    scaling: ScalingName | None = None
    outputs: OutputName | None = None


@dataclass(frozen=True)
class Made:
    """A bundle that was made: how the model was read, why so, and what became of each export."""

    reading: Reading
    why: Mapping[str, str]
    exports: tuple[Export, ...]


@contextmanager
def memory_told() -> Iterator[None]:
    """Raise SettingsError when the block runs out of memory."""
    try:
        yield
    except Exception as error:
        if not is_exhausted(error):
            raise
        raise SettingsError(
            f"memory ran out: {first_line(error)}",
            cure="end other programs, name fewer formats with --export, or use a larger machine",
        ) from error


@memory_told()
def make_bundle(
    foreign: Foreign, wish: Wish, facts: dict[str, Any], say: Callable[[str], None]
) -> Made:
    """Write a bundle of a model; `facts` go into its record. OUT appears whole or not at all.

    Raises SettingsError for a model that is no classifier of square RGB pictures or whose class
    names do not fit, DamagedDataError when an export answers otherwise than the model.
    """
    size = read_size(foreign, wish.size)
    scaling, scaling_why = read_scaling(foreign, wish.scaling)
    say(f"pictures of {size} px in {scaling}: {scaling_why}")
    pictures = draw_pictures(size)
    reading = Reading(size, scaling, "logits")
    rows = own_answers(foreign, reading, pictures)
    check_count(wish.class_names, _classes(foreign, rows), wish.names_from)
    output, output_why = read_output(foreign, wish.outputs, rows)
    say(f"answers are {output}: {output_why}")
    reading = replace(reading, output=output)
    proof = Proof(pictures, softmax(rows) if output == "logits" else rows)
    name = bundle_name(wish.out)
    with bundle_folder(wish.out) as part:
        target = Target(part, name, wish.class_names, wish.fit, proof)
        exports = write_all(target, adopt(foreign, reading), wish.exports)
        write_class_names(part, wish.class_names)
        write_preprocess(part, size, wish.fit)
        write_record(part, {**_facts(name, wish, reading, exports), **facts})
    return Made(reading, {"scaling": scaling_why, "outputs": output_why}, tuple(exports))


def _classes(foreign: Foreign, rows: Any) -> int:  # noqa: ANN401  an array of any shape
    """Return the number of outputs of answers that are to be float32[N, classes]."""
    if rows.ndim != 2 or rows.shape[1] < 2:  # noqa: PLR2004  pictures, classes
        raise SettingsError(
            f"{foreign.path} gives {list(rows.shape[1:])} for a picture, not a value for each class",
            cure="convert a classifier: one row of two outputs or more for each picture",
        )
    return int(rows.shape[1])


def _facts(name: str, wish: Wish, reading: Reading, exports: Sequence[Export]) -> dict[str, object]:
    return {
        "name": name,
        "created_at": now(),
        "classes": len(wish.class_names),
        "exports": {one.name: one.as_json() for one in exports},
        "versions": versions(),
        "read": {"scaling": reading.scaling, "outputs": reading.output},
    }
