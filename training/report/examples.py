"""Choose the pictures that a report shows, and where the model saw their classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from sceneset.bundle.gradcam import Dense, blend, heat_map, over_picture, read_head
from sceneset.images import Fit, PictureError, decode, encode_jpeg, load_square, to_array
from training.data.version import Version
from training.evaluation.label_issues import LabelIssue
from training.evaluation.metrics import Metrics
from training.evaluation.predict import Answers
from training.exports.explain import anatomy
from training.models.backend import load_backend
from training.models.inference import forward_all

BATCH = 32


@dataclass(frozen=True)
class Explanation:
    """A class, its probability and where it was seen: heat float32[h, w] in 0..1."""

    label: int
    probability: float
    heat: NDArray[np.float32]


class Explainer:
    """An exported model with its last feature map and its head laid open."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401  Keras has no types
        """Take a model in the layout of the exports. Raises TypeError for another layout."""
        parts = anatomy(model)
        inside = load_backend().keras.Model(model.input, [parts.feature_map, parts.pooled])
        self._run = forward_all(inside)
        last = len(parts.head) - 1
        self._head = [
            Dense(kernel.astype(np.float64), bias.astype(np.float64), relu=place < last)
            for place, (kernel, bias) in enumerate(parts.head)
        ]

    def explain(
        self, pictures: NDArray[np.uint8], labels: Sequence[int | None] | None = None
    ) -> list[Explanation]:
        """Explain uint8[N, size, size, 3]: the class asked for, or the top one where it is None.

        The maps have the size of the model's last feature map, 5 x 5 for 160 px.
        """
        wanted = [None] * len(pictures) if labels is None else labels
        found = []
        for start in range(0, len(pictures), BATCH):
            part = slice(start, start + BATCH)
            maps, pooled = self._run(pictures[part])
            for one, values, label in zip(maps, pooled, wanted[part], strict=True):
                reading = read_head(values, self._head, label)
                heat = heat_map(one, reading.weights)
                found.append(Explanation(reading.label, reading.probability, heat))
        return found

    def explain_file(
        self, data: bytes, size: int, fit: Fit, label: int | None = None
    ) -> tuple[Explanation, NDArray[np.uint8]]:
        """Explain a picture file at its own size; return heat and overlay uint8[height, width, 3].

        Raises PictureError when the bytes are no picture.
        """
        whole = to_array(decode(data))
        (found,) = self.explain(load_square(data, size, fit)[None], [label])
        height, width = whole.shape[:2]
        heat = over_picture(found.heat, width, height, fit)
        return Explanation(found.label, found.probability, heat), blend(whole, heat)


def square_overlay(picture: NDArray[np.uint8], explanation: Explanation) -> NDArray[np.uint8]:
    """Return uint8[size, size, 3]: a fitted picture with its map laid over it."""
    height, width = picture.shape[:2]
    return blend(picture, over_picture(explanation.heat, width, height, "stretch"))


FOLDER = "pictures"
SIDE = 112
QUALITY = 78


class Album:
    """The folder of a page's pictures; each file is written once, whoever shows it."""

    def __init__(self, page: Path, fit: Fit) -> None:
        """Write below the folder of the page; pictures are made square as the model sees them."""
        self._folder, self._fit = page / FOLDER, fit
        self._sources: dict[Path, str | None] = {}
        self._written = 0

    def thumbnail(self, path: Path) -> str | None:
        """Return the address of a small copy, or None of a file that cannot be read."""
        if path not in self._sources:
            try:
                square = load_square(path.read_bytes(), SIDE, self._fit)
            except (OSError, PictureError):
                self._sources[path] = None
            else:
                self._sources[path] = self._write(square)
        return self._sources[path]

    def add(self, picture: NDArray[np.uint8]) -> str:
        """Write a picture uint8[size, size, 3] made smaller; return its address."""
        image = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return self._write(to_array(image))

    def _write(self, square: NDArray[np.uint8]) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._written += 1
        name = f"{self._written:05}.jpg"
        (self._folder / name).write_bytes(encode_jpeg(Image.fromarray(square), QUALITY))
        return f"{FOLDER}/{name}"


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


def doubted(doubts: Sequence[LabelIssue], album: Album) -> dict[str, list[tuple[LabelIssue, str]]]:
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
