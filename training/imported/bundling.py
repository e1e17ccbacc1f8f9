"""Make a bundle of a model from elsewhere: read how it works, write it, prove it."""

import fcntl
import os
import re
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from sceneset.atomic import PART_PREFIX, new_folder
from sceneset.bundle.gradcam import softmax
from sceneset.class_names import check_count
from sceneset.errors import CannotWriteError, SettingsError, UsageError, memory_errors
from sceneset.images import Fit
from sceneset.manifest.store import now
from training.exports.exporter import write_class_names, write_preprocess, write_record
from training.exports.formats import Export
from training.imported.adopting import Reading, adopt, own_answers
from training.imported.opening import Foreign
from training.imported.reading import OutputName, ScalingName, read_output, read_scaling, read_size
from training.imported.writing import Proof, Target, draw_pictures, write_all
from training.models.backend import versions


def check_out(out: Path) -> None:
    """Raise unless a folder can appear at `out`: nothing or an empty folder, where files can be made.

    UsageError for what is in the way, CannotWriteError where nothing can be written.
    """
    parents = out.absolute().parents
    for place in parents:
        if place.exists() and not place.is_dir():
            raise UsageError(
                f"--out {out} cannot be a folder: {place} is a file", cure="name another folder"
            )
    if out.is_symlink() or (out.exists() and not (out.is_dir() and not any(out.iterdir()))):
        raise UsageError(
            f"--out {out} is there already, and is not an empty folder",
            cure="name a new folder, or remove that one yourself",
        )
    _try(next(place for place in parents if place.is_dir()), out)


def bundle_name(out: Path) -> str:
    """Return the name of a bundle as it is served: that of the model, of models/NAME/1 too."""
    place = out.absolute()
    return place.parent.name if place.name.isdecimal() else place.name


@contextmanager
def bundle_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `out`; first remove what killed runs left of it."""
    for part in _leftovers(out):
        shutil.rmtree(part, ignore_errors=True)
    with new_folder(out) as part, _held(part):
        yield part


def _leftovers(out: Path) -> list[Path]:
    """Return the temporary folders of this very bundle that no living run holds."""
    wanted = re.compile(re.escape(f"{PART_PREFIX}{out.name}-") + r"[a-z0-9_]{8}")
    parts = out.absolute().parent.glob(f"{PART_PREFIX}*")
    return [one for one in parts if wanted.fullmatch(one.name) and one.is_dir() and _is_free(one)]


def _is_free(folder: Path) -> bool:
    try:
        with _held(folder):
            return not folder.is_symlink()
    except OSError:
        return False


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Lock a folder, as long as this process lives at most. Raises OSError when it is held."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _try(folder: Path, out: Path) -> None:
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotWriteError(
            f"nothing can be written to {folder}, where --out {out} goes ({error.strerror})",
            cure="name another folder: --out DIR",
        ) from error


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


@memory_errors("end other programs, name fewer formats with --export, or use a larger machine")
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
