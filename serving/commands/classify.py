"""Name what picture files show: those that paths, folders and globs name."""

import csv
import glob
import io
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter

from sceneset.atomic import own_stream, write_file
from sceneset.errors import PARTIAL, MissingInputError, UsageError
from sceneset.files.folders import files_below, passed_over_line
from sceneset.images import (
    EXTENSIONS,
    Limits,
    PictureError,
    encode_jpeg,
    read_header,
    reason_words,
)
from sceneset.progress import STDOUT, Outcome, Output, progress_bars
from sceneset.workers import map_items
from serving.inference.engine import Engine, top_classes
from serving.inference.explainer import Explainer
from serving.inference.model import find_served, known_label, load_engine
from serving.inference.queue import available_cores
from serving.settings import ClassifySettings

LONGEST_NAME = 255
_LONGEST_STEM = 200
STDIN = "/dev/stdin"
# The end of the names that --explain writes; a folder's are no pictures to classify.
EXPLAINED = ".explained.jpg"
WRITTEN = "written by --explain"
OTHER_ENDING = "without a picture's ending"
SUFFIXES = {f".{extension}" for extension in EXTENSIONS.values()} | {
    ".jpeg",
    ".jpe",
    ".tif",
    ".heif",
    ".hif",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file to classify, or a word that names none and why."""

    name: str
    path: Path | None = None
    problem: str = ""


def find_sources(words: Iterable[str]) -> tuple[list[Source], Counter[str]]:
    """Return the files in the order of the words, and what folders and globs hold beside, by why.

    Those of a folder or glob are sorted.

    A folder is searched to its bottom for picture files by their extension; a glob is tried only
    when no file has that very name. Neither gives what --explain wrote, unless a glob asks for it.
    A file named twice is taken twice.
    """
    passed: Counter[str] = Counter()
    return [source for word in words for source in _sources(word, passed)], passed


def printable_name(name: str) -> str:
    """Return a file's name as text that can be printed, whatever its bytes."""
    return os.fsencode(name).decode("utf-8", "replace")


def _sources(word: str, passed: Counter[str]) -> Iterator[Source]:
    path, name = Path(word), printable_name(word)
    if not word:  # a variable of the shell that was not set; Path takes it for this folder
        yield Source(name, problem="the name is empty")
    elif any(len(os.fsencode(part)) > LONGEST_NAME for part in path.parts):
        yield Source(name, problem="the name is too long")
    elif path.is_dir():
        files, no_files = files_below(path)
        pictures = [str(p) for p in files if p.suffix.lower() in SUFFIXES]
        passed.update(no_files + Counter({OTHER_ENDING: len(files) - len(pictures)}))
        found = _files(pictures, passed)
        yield from found or [Source(name, problem="no picture files in this folder")]
    elif path.exists() and not path.is_file() and word != STDIN:
        yield Source(name, problem="is a pipe or a device, no picture file")
    elif path.exists() or not glob.has_magic(word):
        yield Source(name, path)
    else:
        matches = sorted(glob.glob(word, recursive=True))  # noqa: PTH207  the pattern may be absolute
        found = _files(matches, passed, explained=EXPLAINED in word)
        yield from found or [Source(name, problem="matches no file")]


def _files(names: Iterable[str], passed: Counter[str], *, explained: bool = False) -> list[Source]:
    """Return the files among what these names name; what --explain wrote only when asked for."""
    files = [name for name in names if Path(name).is_file()]
    taken = [name for name in files if explained or not name.endswith(EXPLAINED)]
    passed[WRITTEN] += len(files) - len(taken)
    return [Source(printable_name(name), Path(name)) for name in taken]


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
        # At most 200 bytes, not cut inside a character.
        stem = Path(source.name).stem.encode()[:_LONGEST_STEM].decode("utf-8", "ignore")
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


WORKERS = available_cores()
OVERLAY_QUALITY = 90
_DEFAULTS = ClassifySettings()
# What --json prints of a file: `file` with `labels` and perhaps `explained`, or with `error`.
Prediction = dict[str, Any]


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
    sources, passed = find_sources(images)
    if not any(source.path for source in sources):
        told = "; ".join([f"{sources[0].name}: {sources[0].problem}", *passed_over_line(passed)])
        raise MissingInputError(f"nothing to classify: {told}", cure="name a picture file")
    engine = load_engine(settings, find_served(settings.model), WORKERS)
    top = min(settings.top, len(engine.bundle.class_names))
    paths = [] if settings.explain is None else overlay_paths(sources, settings.explain)
    if settings.csv is not None:
        check_table(settings.csv, sources, paths)
    answer = _answering(engine, settings, top)
    if settings.explain is not None:
        make_folder(settings.explain)
    predictions = _predict(answer, sources, paths, output)
    if settings.csv is not None:
        write_file(settings.csv, table(predictions, top).encode())
    outcome = _outcome(predictions, +passed)
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
        labels = one.get("labels", [])
        names = [label["label"] for label in labels] or [""] * top
        shares = [f"{label['probability']:.6f}" for label in labels] or [""] * top
        writer.writerow([one["file"], *names, *shares])
    return rows.getvalue()


def _answering(
    engine: Engine, settings: ClassifySettings, top: int
) -> Callable[[Source], tuple[Prediction, bytes]]:
    """Return what answers for a file, with a JPEG of where a class was seen when that was asked for."""
    names = engine.bundle.class_names
    limits = Limits(settings.max_bytes, settings.max_pixels)
    chosen = settings.explain_class
    label = known_label(chosen, names, "--explain-class ") if chosen else None
    explainer = None if settings.explain is None else Explainer(engine.bundle, WORKERS)
    if explainer is not None:
        explainer.load()

    def answer(source: Source) -> tuple[Prediction, bytes]:
        if source.path is None:
            raise OSError(source.problem)
        data = _read(source.path, limits)
        pixels = engine.prepare(data)
        probabilities = engine.infer(pixels)
        best = top_classes(probabilities, names, top)
        labels = [{"label": name, "probability": share} for name, share in best]
        prediction = {"file": source.name, "labels": labels}
        if explainer is None:
            return prediction, b""
        explained = int(probabilities.argmax()) if label is None else label
        drawn = explainer.overlay(data, pixels, explained)
        return prediction, encode_jpeg(drawn, OVERLAY_QUALITY)

    return answer


def _predict(
    answer: Callable[[Source], tuple[Prediction, bytes]],
    sources: Sequence[Source],
    paths: Sequence[Path],
    output: Output,
) -> list[Prediction]:
    predictions: list[Prediction] = []
    with progress_bars(output) as bars:
        bar = bars.add("classifying", total=len(sources))
        for result in map_items(answer, sources, f"threads:{WORKERS}"):
            try:
                prediction, overlay = result.get()
            except (PictureError, OSError) as error:
                prediction, overlay = {"file": result.item.name, "error": _reason(error)}, b""
            if overlay:
                path = paths[len(predictions)]
                write_file(path, overlay)
                prediction["explained"] = str(path)
            predictions.append(prediction)
            bar.advance()
    return predictions


def _read(path: Path, limits: Limits) -> bytes:
    """Return a file's bytes when it is not too large. Raises PictureError, OSError."""
    with path.open("rb") as file:
        limits.check_bytes(os.fstat(file.fileno()).st_size)
        data = file.read(limits.bytes + 1)  # what comes from a pipe has no size
    read_header(data, limits)
    return data


def _reason(error: PictureError | OSError) -> str:
    if isinstance(error, OSError):
        return error.strerror or str(error)
    if error.reason in {"not_a_picture", "needs_heic"}:
        return reason_words(error.reason, error.cure)
    words = f"{reason_words(error.reason)}: {error}"
    return f"{words}: {error.cure}" if error.cure else words


def _outcome(predictions: Sequence[Prediction], passed: Counter[str]) -> Outcome:
    summary = {"predictions": predictions, "passed_over": dict(passed)}
    lines = tuple(line for one in predictions for line in _format_block(one))
    lines += tuple(passed_over_line(passed))
    failed = [one for one in predictions if "error" in one]
    if not failed:
        return Outcome(summary, lines)
    return Outcome(
        summary,
        lines,
        exit_code=PARTIAL,
        problem=f"{len(failed)} of {len(predictions)} could not be classified,"
        f" the first: {failed[0]['file']}: {failed[0]['error']}",
        cure="name files that exist and hold a whole picture",
    )


def _format_block(one: Prediction) -> list[str]:
    """Return the lines of a file for people."""
    lines = [one["file"]]
    lines += [f"  {one['error']}"] if "error" in one else []
    lines += [f"  {100 * x['probability']:5.1f} %  {x['label']}" for x in one.get("labels", [])]
    return lines + ([f"  seen where: {one['explained']}"] if "explained" in one else [])
