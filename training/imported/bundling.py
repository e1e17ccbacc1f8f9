"""Make a bundle of an imported model: inspect it, adapt it, write it, prove it."""

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from glob import escape
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.atomic import PART_PREFIX, new_folder
from sceneset.bundle.gradcam import softmax
from sceneset.class_names import check_count
from sceneset.errors import (
    CannotWriteError,
    SettingsError,
    UsageError,
    library_errors,
    memory_errors,
)
from sceneset.images import Fit, encode_png
from sceneset.manifest.store import now
from sceneset.progress import Bars
from training.data.version import Example, Version
from training.exports.explain import Anatomy
from training.exports.exporter import (
    KERAS_NAME,
    ExportJob,
    export_all,
    write_interface,
    write_keras,
    write_record,
)
from training.exports.parity import Export, compare, require_exact, size_of
from training.exports.saved_model import PIXELS
from training.imported.adapting import (
    GraphModel,
    adapt,
    in_batches,
    own_answers,
    read_output,
    read_scaling,
    read_size,
)
from training.imported.opening import ImportedModel, describe_error
from training.models.backend import versions
from training.settings import FILES, ConvertSettings

# Pictures that prove the exports.
PICTURES = 16
# Weights from which a conversion spares memory rather than time.
LARGE = 30_000_000
_COARSE = (1, 2, 5, 16)


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
    folder = next(place for place in parents if place.is_dir())
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotWriteError(
            f"nothing can be written to {folder}, where --out {out} goes ({error.strerror})",
            cure="name another folder: --out DIR",
        ) from error


def bundle_name(out: Path) -> str:
    """Return the name of a bundle as it is served: that of the model, of models/NAME/1 too."""
    place = out.absolute()
    return place.parent.name if place.name.isdecimal() else place.name


@contextmanager
def bundle_folder(out: Path) -> Iterator[Path]:
    """Give a temporary folder that becomes `out`; first remove what killed runs left of it."""
    for part in out.absolute().parent.glob(f"{PART_PREFIX}{escape(out.name)}-{'?' * 8}"):
        with suppress(OSError), _locked(part):  # a run that lives holds its own
            shutil.rmtree(part, ignore_errors=True)
    with new_folder(out) as part, _locked(part):
        yield part


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Lock a folder, as long as this process lives at most. Raises OSError when it is held."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


@memory_errors("end other programs, name fewer formats with --export, or use a larger machine")
def make_bundle(
    model: ImportedModel,
    settings: ConvertSettings,
    class_names: tuple[str, ...],
    facts: Mapping[str, object],
    say: Callable[[str], None],
) -> dict[str, Any]:
    """Write a bundle of a model, and return what its command prints about it.

    `facts` go into its record. OUT appears whole or not at all. Raises SettingsError for a model
    that is no classifier of square RGB pictures or whose class names do not fit, DamagedDataError
    when an export answers otherwise than the model.
    """
    size = read_size(model, settings.size)
    scaling, scaling_why = read_scaling(model, settings.scaling)
    say(f"pictures of {size} px in {scaling}: {scaling_why}")
    pictures = draw_pictures(size)
    answers = own_answers(model, scaling, pictures)
    check_count(class_names, _count_classes(model, answers), settings.class_names)
    output, output_why = read_output(model, settings.outputs, answers)
    say(f"answers are {output}: {output_why}")
    adapted = adapt(model, size, scaling, output)
    reading = {"scaling": scaling, "outputs": output}
    with bundle_folder(settings.out) as part:
        exports = write_files(
            part, adapted, settings, class_names, pictures=pictures,
            reference=softmax(answers) if output == "logits" else answers,
        )  # fmt: skip
        record = {
            "name": bundle_name(settings.out),
            "created_at": now(),
            "classes": len(class_names),
            "exports": exports,
            "versions": versions(),
            "read": reading,
        }
        write_record(part, {**record, **facts})
    return {
        "bundle": str(settings.out),
        "classes": len(class_names),
        "size": size,
        **reading,
        "found_by": {"scaling": scaling_why, "outputs": output_why},
        "exports": exports,
    }


def draw_pictures(size: int, count: int = PICTURES) -> NDArray[np.uint8]:
    """Draw uint8[count, size, size, 3]: colour fields from one shade to fine noise, always the same."""
    rng = np.random.default_rng(0)
    drawn = []
    for place in range(count):
        side = _COARSE[place % len(_COARSE)]
        field = rng.integers(0, 256, (side, side, 3), dtype=np.uint8)
        image = Image.fromarray(field).resize((size, size), Image.Resampling.BICUBIC)
        drawn.append(np.asarray(image))
    return np.stack(drawn)


def drawn_version(
    folder: Path, pictures: NDArray[np.uint8], class_names: tuple[str, ...], fit: Fit
) -> Version:
    """Write pictures uint8[N, size, size, 3] to a folder; return them as the test split of a version."""
    examples = [Example(folder / f"{number}.png", 0) for number in range(len(pictures))]
    for example, picture in zip(examples, pictures, strict=True):
        example.path.write_bytes(encode_png(Image.fromarray(picture)))
    return Version(
        id="drawn",
        folder=folder,
        class_names=class_names,
        size=pictures.shape[1],
        fit=fit,
        splits={"train": (), "val": (), "test": tuple(examples)},
    )


def write_files(
    folder: Path,
    adapted: tuple[Any, Anatomy | None],
    settings: ConvertSettings,
    class_names: tuple[str, ...],
    *,
    pictures: NDArray[np.uint8],
    reference: NDArray[Any],
) -> dict[str, dict[str, object]]:
    """Write every file but the record; exports, once the adapted model answers as the imported one.

    Returns what bundle.json says of each. `reference` are the imported model's probabilities
    float[N, classes] of the drawn `pictures` uint8[N, size, size, 3]. Raises DamagedDataError when
    an export answers otherwise, SettingsError for a model that a format cannot hold.
    """
    model, anatomy = adapted
    answers = in_batches(partial(model, training=False), pictures.astype(np.float32))
    require_exact(f"{KERAS_NAME} ({PIXELS})", compare(reference, answers), imported=True)
    keras, kinds = Export(KERAS_NAME, "keras"), list(settings.exports)
    others: list[Export] = []
    if not isinstance(model, GraphModel):
        with keras.timed():
            keras.bytes = size_of(write_keras(folder, model))
    else:
        keras.left_out = "a SavedModel is a graph, which Keras cannot load as layers"
        if "onnx" in kinds:
            kinds.remove("onnx")
            why = "a SavedModel cannot be written as ONNX here: convert its .keras file"
            others.append(Export(FILES["onnx"], "onnx", left_out=why))
    with TemporaryDirectory(dir=folder) as drawn:
        version = drawn_version(Path(drawn), pictures, class_names, settings.fit)
        job = ExportJob(
            folder, model, anatomy, version, Bars(None), bundle_name(settings.out),
            version.splits["test"], reference,
            imported=True, converting=_library_errors, large=LARGE,
        )  # fmt: skip
        exports = [keras, *export_all(job, kinds), *others]
    write_interface(folder, class_names, pictures.shape[1], settings.fit)
    return {one.name: one.as_json() for one in exports}


def _count_classes(model: ImportedModel, rows: NDArray[Any]) -> int:
    """Return the number of outputs of answers that are to be float32[N, classes]."""
    if rows.ndim != 2 or rows.shape[1] < 2:  # noqa: PLR2004  pictures, classes
        raise SettingsError(
            f"{model.path} gives {list(rows.shape[1:])} for a picture, not a value for each class",
            cure="convert a classifier: one row of two outputs or more for each picture",
        )
    return int(rows.shape[1])


def _library_errors(name: str) -> AbstractContextManager[None]:
    """Turn what a converter cannot do into an error with a cure."""
    return library_errors(
        f"the model cannot be written as {name}",
        cure="use layers that every runtime has, and float32: half precision often is the cause",
        describe=describe_error,
    )
