from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.data.version import Example, Version
from training.evaluation.predict import Answers
from training.report.examples import (
    CELL_MOST,
    SIDE,
    Album,
    confusion_cells,
    explain_answers,
    samples,
    worst_and_unsure,
)

NAMES = ("a", "b", "c")
PROBABILITIES = np.array(
    [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.3, 0.7, 0], [0.8, 0.1, 0.1], [1.0, 0, 0]]
)
LABELS = (0, 0, 0, 1, 1)


@pytest.fixture
def files(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / f"{n}.png" for n in range(5)]
    for n, path in enumerate(paths):
        Image.new("RGB", (40, 30), (50 * n, 0, 0)).save(path)
    return paths


def answers_of(files: list[Path]) -> Answers:
    examples = (Example(f, label) for f, label in zip(files, LABELS, strict=True))
    return Answers(PROBABILITIES, tuple(examples), {})


def test_the_surest_mistakes_and_the_least_sure_hits_are_chosen(files: list[Path]) -> None:
    assert worst_and_unsure(answers_of(files)) == ([4, 3, 2], [1, 0])


def test_no_test_picture_gives_no_shot_and_no_cell(tmp_path: Path) -> None:
    none = Answers(np.empty((0, 3)), (), {})
    assert worst_and_unsure(none) == ([], [])
    assert confusion_cells(none, NAMES, Album(tmp_path, "crop")) == []


def explain_evenly(pictures: np.ndarray) -> list[np.ndarray]:
    return [np.ones((4, 4), np.float32) for _ in pictures]


def test_a_picture_that_was_lost_has_no_shot(files: list[Path], tmp_path: Path) -> None:
    version = Version("", tmp_path, NAMES, 32, "crop", {})
    answers, album = answers_of(files), Album(tmp_path / "page", "crop")
    files[3].unlink()
    shots = explain_answers([4, 3, 2], answers, version, album, explain_evenly)
    assert [(shot["truth"], shot["probability"]) for shot in shots] == [("b", 1.0), ("a", 0.7)]


def test_every_test_picture_stands_in_the_cell_of_its_classes(
    files: list[Path], tmp_path: Path
) -> None:
    found = confusion_cells(answers_of(files), NAMES, Album(tmp_path / "page", "crop"))
    assert [(c["truth"], c["guess"], c["count"]) for c in found] == [
        (0, 0, 2),
        (0, 1, 1),
        (1, 0, 2),
    ]
    assert [shot["probability"] for shot in found[2]["shown"]] == [1.0, 0.8]
    for cell in found:
        for shot in cell["shown"]:
            assert (tmp_path / "page" / shot["source"]).is_file()


def test_a_cell_shows_its_surest_pictures_and_counts_all(files: list[Path], tmp_path: Path) -> None:
    count = CELL_MOST + 5
    sure = np.linspace(0.5, 1, count)
    many = Answers(np.stack([sure, 1 - sure], axis=1), (Example(files[0], 0),) * count, {})
    (cell,) = confusion_cells(many, NAMES, Album(tmp_path / "page", "crop"))
    assert (cell["count"], len(cell["shown"])) == (count, CELL_MOST)
    assert cell["shown"][0]["probability"] == 1.0
    assert len(list((tmp_path / "page" / "pictures").iterdir())) == 1


def test_samples_are_spread_over_a_class_and_a_class_without_pictures_has_none(
    files: list[Path], tmp_path: Path
) -> None:
    train = tuple(Example(file, 0) for file in files)
    version = Version(
        "v", tmp_path, ("a", "b"), 32, "crop", {"train": train, "val": (), "test": ()}
    )
    (_, some), (_, none) = samples(version, Album(tmp_path / "page", "crop"))
    assert len(some) == 5
    assert none == []


def test_a_file_that_cannot_be_read_has_no_thumbnail_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"\xff\xd8\xff")
    album = Album(tmp_path / "page", "crop")
    assert album.thumbnail(tmp_path / "broken.jpg") is None
    assert album.thumbnail(tmp_path / "gone.jpg") is None
    source = album.add(np.zeros((20, 20, 3), np.uint8))
    with Image.open(tmp_path / "page" / source) as image:
        assert image.size == (SIDE, SIDE)
