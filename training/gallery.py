"""Choose the pictures that a report shows: cells of the confusion matrix, mistakes, samples."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.pictures import Fit, PictureError, load_square
from training.album import Album
from training.answers import Answers
from training.explain import Explainer, square_overlay
from training.metrics import Metrics
from training.pictures import Version
from training.review import Doubt

SHOWN_WRONG, SHOWN_RIGHT = 24, 12
CELL_MOST = 40
SAMPLES = 6
SHOWN_DOUBTS = {"label": 60, "outlier": 24}


@dataclass(frozen=True)
class Shot:
    """One test picture with what the model says of it; `heat` is the same with its Grad-CAM."""

    source: str
    truth: str
    guess: str
    probability: float
    heat: str = ""


@dataclass(frozen=True)
class Cell:
    """The pictures of one cell of the confusion matrix: `shots` are the surest of `count`."""

    truth: int
    guess: int
    count: int
    shots: tuple[Shot, ...]


def worst_and_unsure(answers: Answers) -> tuple[list[int], list[int]]:
    """Return places of wrong answers, the surest first, and of right ones, the least sure first."""
    sure = answers.probabilities.max(axis=1, initial=0)
    right = answers.probabilities.argmax(axis=1) == answers.labels
    wrong = [int(i) for i in np.argsort(-sure, kind="stable") if not right[i]]
    unsure = [int(i) for i in np.argsort(sure, kind="stable") if right[i]]
    return wrong[:SHOWN_WRONG], unsure[:SHOWN_RIGHT]


def explained_shots(
    places: Sequence[int],
    answers: Answers,
    version: Version,
    album: Album,
    explainer: Explainer,
) -> list[Shot]:
    """Return these test pictures, each also with the map of the class that was answered.

    Those that were lost since they were measured are left out.
    """
    found = {i: _square(answers, i, version.size, version.fit) for i in places}
    squares = {i: square for i, square in found.items() if square is not None}
    if not squares:
        return []
    explained = explainer.explain(np.stack(list(squares.values())))
    return [
        _shot(answers, i, version.class_names, album, album.add(square_overlay(square, one)))
        for (i, square), one in zip(squares.items(), explained, strict=True)
    ]


def cells(answers: Answers, names: Sequence[str], album: Album) -> list[Cell]:
    """Return every cell of the confusion matrix that holds pictures, row by row."""
    found: dict[tuple[int, int], list[int]] = {}
    sure = answers.probabilities.max(axis=1, initial=0)
    for place in np.argsort(-sure, kind="stable"):
        guess = int(answers.probabilities[place].argmax())
        found.setdefault((int(answers.labels[place]), guess), []).append(int(place))
    return [
        Cell(
            truth,
            guess,
            len(places),
            tuple(_shot(answers, i, names, album) for i in places[:CELL_MOST]),
        )
        for (truth, guess), places in sorted(found.items())
    ]


def samples(version: Version, album: Album) -> list[tuple[str, list[str]]]:
    """Return some training pictures of each class, evenly from its list."""
    found = []
    for label, name in enumerate(version.class_names):
        paths = [e.path for e in version.splits["train"] if e.label == label]
        step = max(1, len(paths) // SAMPLES)
        sources = [album.thumbnail(path) for path in paths[::step][:SAMPLES]]
        found.append((name, [source for source in sources if source is not None]))
    return found


def doubted(doubts: Sequence[Doubt], album: Album) -> dict[str, list[tuple[Doubt, str]]]:
    """Return the first doubted labels and outliers with their small pictures."""
    return {
        kind: [
            (one, album.thumbnail(one.path) or "")
            for one in [one for one in doubts if one.kind == kind][:most]
        ]
        for kind, most in SHOWN_DOUBTS.items()
    }


def confusions(metrics: Metrics, most: int = 12) -> list[tuple[str, str, int]]:
    """Return the most frequent mistakes: (true class, predicted class, pictures)."""
    names = list(metrics.per_class)
    found = [
        (names[true], names[guess], count)
        for true, row in enumerate(metrics.confusion)
        for guess, count in enumerate(row)
        if true != guess and count
    ]
    return sorted(found, key=lambda one: (-one[2], one[0], one[1]))[:most]


def _square(answers: Answers, place: int, size: int, fit: Fit) -> NDArray[np.uint8] | None:
    try:
        return load_square(answers.examples[place].path.read_bytes(), size, fit)
    except (OSError, PictureError):
        return None


def _shot(answers: Answers, place: int, names: Sequence[str], album: Album, heat: str = "") -> Shot:
    example, row = answers.examples[place], answers.probabilities[place]
    guess = int(row.argmax())
    source = album.thumbnail(example.path) or ""
    return Shot(source, names[example.label], names[guess], float(row[guess]), heat)
