"""Name what picture files show: those that paths, folders and globs name."""

import csv
import glob
import io
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sceneset.atomic import own_stream, write_file
from sceneset.errors import PARTIAL, MissingInputError, UsageError
from sceneset.images import EXTENSIONS, PictureError, encode_jpeg
from sceneset.progress import STDOUT, Outcome, Output, progress_bars
from sceneset.workers import Result, map_items
from serving.inference.engine import top_classes
from serving.inference.explainer import Explainer
from serving.inference.model import Loaded, find_label, find_served, load_engine
from serving.inference.queue import available_cores
from serving.settings import ClassifySettings

LONGEST_NAME = 255
_LONGEST_STEM = 200
STDIN = "/dev/stdin"
# The end of the names that --explain writes; a folder's are no pictures to classify.
EXPLAINED = ".explained.jpg"
SUFFIXES = {f".{extension}" for extension in EXTENSIONS.values()} | {".jpeg", ".jpe", ".tif"}


@dataclass(frozen=True, slots=True)
class Source:
    """One file to classify, or a word that names none and why."""

    name: str
    path: Path | None = None
    problem: str = ""


def find_sources(words: Iterable[str]) -> list[Source]:
    """Return the files in the order of the words; those of a folder or glob sorted.

    A folder is searched to its bottom for picture files by their extension; a glob is tried only
    when no file has that very name. Neither gives what --explain wrote, unless a glob asks for it.
    A file named twice is taken twice.
    """
    return [source for word in words for source in _sources(word)]


def printable_name(name: str) -> str:
    """Return a file's name as text that can be printed, whatever its bytes."""
    return os.fsencode(name).decode("utf-8", "replace")


def _sources(word: str) -> Iterator[Source]:
    path = Path(word)
    if not word:  # a variable of the shell that was not set; Path takes it for this folder
        yield Source(word, problem="the name is empty")
    elif any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        yield Source(printable_name(word), problem="the name is too long")
    elif path.is_dir():
        yield from _pictures_in(path) or [
            Source(printable_name(word), problem="no picture files in this folder")
        ]
    elif path.exists() and not path.is_file() and word != STDIN:
        yield Source(printable_name(word), problem="is a pipe or a device, no picture file")
    elif path.exists() or not glob.has_magic(word):
        yield Source(printable_name(word), path)
    else:
        yield from _matches(word) or [Source(printable_name(word), problem="matches no file")]


def _matches(pattern: str) -> list[Source]:
    names = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207  the pattern may be absolute
    return [
        Source(printable_name(name), Path(name))
        for name in names
        if Path(name).is_file() and (EXPLAINED in pattern or not name.endswith(EXPLAINED))
    ]


def _pictures_in(folder: Path) -> list[Source]:
    files = (p for p in folder.rglob("*") if p.suffix.lower() in SUFFIXES and p.is_file())
    return [
        Source(printable_name(str(path)), path)
        for path in sorted(files)
        if not path.name.endswith(EXPLAINED)
    ]


def overlay_paths(sources: Sequence[Source], folder: Path) -> list[Path]:
    """Return a file in the folder for each source: its name with .explained.jpg, numbered if taken.

    Never the path of a source. Raises UsageError when the folder is a file.
    """
    for path in (folder, *folder.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"--explain {folder} cannot be a folder: {path} is a file",
                cure="name a folder: --explain DIR",
            )
    taken = {real(source.path) for source in sources if source.path}
    paths = []
    for source in sources:
        stem = _shortened(Path(source.name).stem)
        number, path = 1, real(folder) / f"{stem}{EXPLAINED}"
        while path in taken:
            number += 1
            path = real(folder) / f"{stem}-{number}{EXPLAINED}"
        taken.add(path)
        paths.append(folder / path.name)
    return paths


def make_folder(folder: Path) -> None:
    """Make the folder before any picture is read. Raises UsageError when that cannot be done."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--explain {folder} cannot be made: {error.strerror}",
            cure="name a folder that you may write to: --explain DIR",
        ) from error


def check_table(table: Path, sources: Sequence[Source], overlays: Sequence[Path]) -> None:
    """Refuse a table that would be written over a picture or a folder. Raises UsageError."""
    cure = "name another file: --csv FILE"
    if table.is_dir():
        raise UsageError(f"--csv {table} is a folder", cure=cure)
    pictures = [source.path for source in sources if source.path]
    if real(table) in {real(path) for path in (*pictures, *overlays)}:
        raise UsageError(f"--csv {table} would be written over a picture", cure=cure)


def real(path: Path) -> Path:
    """Return where a path's links lead; those that lead in a circle stay as they are."""
    return Path(os.path.realpath(path))


def _shortened(stem: str) -> str:
    """Return a stem of at most 200 bytes, not cut inside a character."""
    data = os.fsencode(stem)
    if len(data) <= _LONGEST_STEM:
        return stem
    return data[:_LONGEST_STEM].decode("utf-8", "ignore")


def label_of(name: str, class_names: Sequence[str]) -> int | None:
    """Return the label of a class whatever its case, None for no name. Raises UsageError."""
    if not name:
        return None
    label = find_label(name, class_names)
    if label is None:
        raise UsageError(
            f"--explain-class {name!r} is no class of this model",
            cure=f"name one of {', '.join(class_names)}",
        )
    return label


WORKERS = available_cores()
OVERLAY_QUALITY = 90
_DEFAULTS = ClassifySettings()
Label = tuple[str, float]


@dataclass(frozen=True, slots=True)
class Prediction:
    """What one file shows, the most probable class first; or why that cannot be said.

    `explained` is the picture that shows where, when that was asked for.
    """

    file: str
    labels: tuple[Label, ...] = ()
    error: str = ""
    explained: str = ""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the models say of a picture: the classes, and a JPEG of where, when asked for."""

    labels: tuple[Label, ...]
    overlay: bytes = b""


Answering = Callable[[Source], Answer]


def classify(
    *images: Annotated[
        str, Parameter(help="Picture files, folders (searched to the bottom) or quoted globs.")
    ],
    settings: ClassifySettings = _DEFAULTS,
    output: Output = Output(),
) -> Outcome:
    """Name what pictures show: IMAGES are files, folders (searched to the bottom) or quoted globs."""
    if not images:
        raise UsageError("no picture is named", cure="sceneset classify FILE, FOLDER or 'GLOB'")
    sources = find_sources(images)
    if not any(source.path for source in sources):
        first = sources[0]
        raise MissingInputError(
            f"nothing to classify: {first.name}: {first.problem}", cure="name a picture file"
        )
    loaded = load_engine(settings, find_served(settings.model), WORKERS)
    top = min(settings.top, len(loaded.bundle.class_names))
    paths = [] if settings.explain is None else overlay_paths(sources, settings.explain)
    if settings.csv is not None:
        check_table(settings.csv, sources, paths)
    answering = _answering(loaded, settings, top)
    if settings.explain is not None:
        make_folder(settings.explain)
    predictions = _predict(answering, sources, paths, output)
    if settings.csv is not None:
        write_file(settings.csv, table(predictions, top).encode())
    outcome = _outcome(predictions)
    # Lines for people would end up in the table.
    alone = settings.csv is not None and own_stream(settings.csv) == STDOUT
    return replace(outcome, lines=()) if alone else outcome


def table(predictions: Sequence[Prediction], top: int) -> str:
    """Return the predictions as CSV; a file that failed has empty cells."""
    rows = io.StringIO()
    writer = csv.writer(rows, lineterminator="\n")
    places = range(top)
    header = [*(f"Prediction_{k}" for k in places), *(f"Probability_{k}" for k in places)]
    writer.writerow(["Name", *header])
    for one in predictions:
        names = [label for label, _ in one.labels] or [""] * top
        shares = [f"{share:.6f}" for _, share in one.labels] or [""] * top
        writer.writerow([one.file, *names, *shares])
    return rows.getvalue()


def _answering(loaded: Loaded, settings: ClassifySettings, top: int) -> Answering:
    """Return what answers for one file, and explains it when that was asked for."""
    engine, bundle = loaded.engine, loaded.bundle
    label = label_of(settings.explain_class, bundle.class_names)
    explainer = None if settings.explain is None else Explainer(bundle, WORKERS)
    if explainer is not None:
        explainer.load()

    def answer(source: Source) -> Answer:
        if source.path is None:
            raise OSError(source.problem)
        data = source.path.read_bytes()
        pixels = engine.prepare(data)
        probabilities = engine.infer(pixels)
        labels = tuple(top_classes(probabilities, engine.class_names, top))
        if explainer is None:
            return Answer(labels)
        explained = int(probabilities.argmax()) if label is None else label
        drawn = explainer.overlay(data, pixels, explained)
        return Answer(labels, encode_jpeg(drawn, OVERLAY_QUALITY))

    return answer


def _predict(
    answering: Answering, sources: Sequence[Source], paths: Sequence[Path], output: Output
) -> list[Prediction]:
    with progress_bars(output) as bars:
        bar = bars.add("classifying", total=len(sources))
        predictions: list[Prediction] = []
        for result in map_items(answering, sources, f"threads:{WORKERS}"):
            prediction = _prediction(result)
            if result.value is not None and result.value.overlay:
                path = paths[len(predictions)]
                write_file(path, result.value.overlay)
                prediction = replace(prediction, explained=str(path))
            predictions.append(prediction)
            bar.advance()
    return predictions


def _prediction(result: Result[Source, Answer]) -> Prediction:
    if result.value is not None:
        return Prediction(result.item.name, result.value.labels)
    if isinstance(result.error, PictureError):
        return Prediction(result.item.name, error=_format_error(result.error))
    if isinstance(result.error, OSError):
        return Prediction(result.item.name, error=result.error.strerror or str(result.error))
    raise result.error or RuntimeError(f"no answer for {result.item.name}")


def _format_error(error: PictureError) -> str:
    reason = error.reason.replace("_", " ")
    # What the decoder says of bytes it does not know is its own object's address.
    return reason if error.reason == "not_a_picture" else f"{reason}: {error}"


def _outcome(predictions: Sequence[Prediction]) -> Outcome:
    summary = {"predictions": [_as_json(one) for one in predictions]}
    lines = tuple(line for one in predictions for line in _format_block(one))
    failed = [one for one in predictions if one.error]
    if not failed:
        return Outcome(summary, lines)
    return Outcome(
        summary,
        lines,
        exit_code=PARTIAL,
        problem=f"{len(failed)} of {len(predictions)} could not be classified,"
        f" the first: {failed[0].file}: {failed[0].error}",
        cure="name files that exist and hold a whole picture",
    )


def _as_json(one: Prediction) -> dict[str, object]:
    if one.error:
        return {"file": one.file, "error": one.error}
    labels = [{"label": label, "probability": share} for label, share in one.labels]
    explained = {"explained": one.explained} if one.explained else {}
    return {"file": one.file, "labels": labels, **explained}


def _format_block(one: Prediction) -> list[str]:
    if one.error:
        return [one.file, f"  {one.error}"]
    lines = [one.file, *(f"  {100 * share:5.1f} %  {label}" for label, share in one.labels)]
    return [*lines, f"  seen where: {one.explained}"] if one.explained else lines
