"""Choose the pictures that a report shows, and where the model saw their classes."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.bundle.gradcam import blend, over_picture
from sceneset.images import Fit, PictureError, encode_jpeg, load_square, to_array
from training.data.version import Version
from training.evaluation.label_issues import LabelIssue
from training.evaluation.metrics import Metrics
from training.evaluation.predict import Answers
from training.models.inference import Pictures

FOLDER = "pictures"
SIDE = 112
QUALITY = 78
SHOWN_WRONG, SHOWN_RIGHT = 24, 12
CELL_MOST = 40
SAMPLES = 6
SHOWN_ISSUES = {"label": 60, "outlier": 24}


def square_overlay(picture: NDArray[np.uint8], heat: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Return uint8[size, size, 3]: a fitted picture with its map laid over it."""
    height, width = picture.shape[:2]
    return blend(picture, over_picture(heat, width, height, "stretch"))


class Album:
    """The folder of a page's pictures; each file is written once, whoever shows it."""

    def __init__(self, page: Path, fit: Fit) -> None:
        """Write below the folder of the page; pictures are made square as the model sees them."""
        self._folder, self._fit = page / FOLDER, fit
        self._sources: dict[Path, str | None] = {}
        self._written = 0

    def thumbnail(self, path: Path) -> str | None:
        """Return the URL of a small copy, or None of a file that cannot be read."""
        if path not in self._sources:
            square = _read_square(path, SIDE, self._fit)
            self._sources[path] = None if square is None else self._write(square)
        return self._sources[path]

    def add(self, picture: NDArray[np.uint8]) -> str:
        """Write a picture uint8[size, size, 3] made smaller; return its URL."""
        image = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return self._write(to_array(image))

    def _write(self, square: NDArray[np.uint8]) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._written += 1
        name = f"{self._written:05}.jpg"
        (self._folder / name).write_bytes(encode_jpeg(Image.fromarray(square), QUALITY))
        return f"{FOLDER}/{name}"


def worst_and_unsure(answers: Answers) -> tuple[list[int], list[int]]:
    """Return places of wrong answers, the surest first, and of right ones, the least sure first."""
    sure = answers.probabilities.max(axis=1, initial=0)
    right = answers.probabilities.argmax(axis=1) == answers.labels
    wrong = [int(i) for i in np.argsort(-sure, kind="stable") if not right[i]]
    unsure = [int(i) for i in np.argsort(sure, kind="stable") if right[i]]
    return wrong[:SHOWN_WRONG], unsure[:SHOWN_RIGHT]


def explain_answers(
    places: Sequence[int],
    answers: Answers,
    version: Version,
    album: Album,
    explain: Callable[[Pictures], list[NDArray[np.float32]]],
) -> list[dict[str, Any]]:
    """Return these test pictures, each also with the map of the class that was answered.

    Those that were lost since they were measured are left out.
    """
    files = {place: answers.examples[place].path for place in places}
    read = {place: _read_square(path, version.size, version.fit) for place, path in files.items()}
    squares = {place: square for place, square in read.items() if square is not None}
    if not squares:
        return []
    heats = explain(np.stack(list(squares.values())))
    return [
        _show(answers, place, version.class_names, album, album.add(square_overlay(square, heat)))
        for (place, square), heat in zip(squares.items(), heats, strict=True)
    ]


def confusion_cells(answers: Answers, names: Sequence[str], album: Album) -> list[dict[str, Any]]:
    """Return every cell of the confusion matrix that holds pictures, row by row, the surest shown."""
    cells: dict[tuple[int, int], list[int]] = {}
    sure = answers.probabilities.max(axis=1, initial=0)
    for place in np.argsort(-sure, kind="stable"):
        guess = int(answers.probabilities[place].argmax())
        cells.setdefault((int(answers.labels[place]), guess), []).append(int(place))
    return [
        {
            "truth": truth,
            "guess": guess,
            "count": len(places),
            "shown": [_show(answers, place, names, album) for place in places[:CELL_MOST]],
        }
        for (truth, guess), places in sorted(cells.items())
    ]


def samples(version: Version, album: Album) -> list[tuple[str, list[str]]]:
    """Return some training pictures of each class, evenly from its list."""
    rows = []
    for label, name in enumerate(version.class_names):
        paths = [e.path for e in version.splits["train"] if e.label == label]
        step = max(1, len(paths) // SAMPLES)
        sources = [album.thumbnail(path) for path in paths[::step][:SAMPLES]]
        rows.append((name, [source for source in sources if source is not None]))
    return rows


def show_label_issues(
    issues: Sequence[LabelIssue], album: Album
) -> dict[str, list[tuple[LabelIssue, str]]]:
    """Return the first labels that may be wrong and outliers with their small pictures."""
    return {
        kind: [
            (one, album.thumbnail(one.path) or "")
            for one in [one for one in issues if one.kind == kind][:most]
        ]
        for kind, most in SHOWN_ISSUES.items()
    }


def confusions(metrics: Metrics, most: int = 12) -> list[tuple[str, str, int]]:
    """Return the most frequent mistakes: (true class, predicted class, pictures)."""
    names = list(metrics.per_class)
    mistakes = [
        (names[true], names[guess], count)
        for true, row in enumerate(metrics.confusion)
        for guess, count in enumerate(row)
        if true != guess and count
    ]
    return sorted(mistakes, key=lambda one: (-one[2], one[0], one[1]))[:most]


def _read_square(path: Path, size: int, fit: Fit) -> NDArray[np.uint8] | None:
    try:
        return load_square(path.read_bytes(), size, fit)
    except (OSError, PictureError):
        return None


def _show(
    answers: Answers, place: int, names: Sequence[str], album: Album, heat: str = ""
) -> dict[str, Any]:
    """Return one test picture with the model's answer; `heat` is the picture with its Grad-CAM."""
    example, row = answers.examples[place], answers.probabilities[place]
    return {
        "source": album.thumbnail(example.path) or "",
        "truth": names[example.label],
        "guess": names[int(row.argmax())],
        "probability": float(row.max()),
        "heat": heat,
    }
