import shutil
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sceneset.dataset import Dataset, run_lock
from sceneset.errors import LockedError
from sceneset.progress import Bars
from training.data.augment import Chances
from training.data.embeddings import FeatureKind, FeatureSource, Runtimes, View, embed
from training.data.memmap import FILE, NAMES, Rows
from training.data.version import picture_batches, read_version

CHANCES = Chances(flip=0.5, crop=1.0)
VIEWS = [View(number, CHANCES) for number in range(3)]
POOLED: list[tuple[View, FeatureKind]] = [(view, "pooled") for view in VIEWS]


def mean_colour(pictures: np.ndarray) -> Sequence[np.ndarray]:
    """Stand in for a network: mean colours, and the left column as a feature map."""
    return [pictures.mean(axis=(1, 2)).astype(np.float32), pictures[:, :, :1].astype(np.float32)]


class Counting:
    """Count pictures; be killed before the batch that would pass a number."""

    def __init__(self, most: int = 10**9) -> None:
        self.most, self.seen = most, 0

    def __call__(self, pictures: np.ndarray) -> Sequence[np.ndarray]:
        if self.seen + len(pictures) > self.most:
            raise KeyboardInterrupt
        self.seen += len(pictures)
        return mean_colour(pictures)


def source(drawn: Path, cache: Path) -> FeatureSource:
    shapes: dict[FeatureKind, tuple[int, ...]] = {"pooled": (3,), "map": (32, 1, 3)}
    return FeatureSource(read_version(Dataset(drawn)), cache, "net", shapes)


def run(
    made: FeatureSource, wanted: list[tuple[View, FeatureKind]], train: object, exact: object
) -> list[Rows]:
    runtimes = Runtimes(train, exact)  # type: ignore[arg-type]
    versions = frozenset({made.version.id[:16]})
    return embed(
        made,
        wanted,
        lambda: runtimes,
        lambda: versions,
        lambda n: Bars(None).add("embedding", total=n),
    )


def test_each_view_of_each_picture_is_embedded_once_and_then_read(
    drawn: Path, tmp_path: Path
) -> None:
    made, train, exact = source(drawn, tmp_path / "e"), Counting(), Counting()
    for _ in range(2):
        centre, mirrored, drawn_view = run(made, POOLED, train, exact)
    assert (train.seen, exact.seen) == (3 * 180, 36)
    version = made.version
    pictures = np.concatenate(
        list(picture_batches(version.paths("train") + version.paths("val"), 32))
    )
    assert np.allclose(centre.take(np.arange(216)), mean_colour(pictures)[0])
    assert np.allclose(mirrored.take([5, 3]), centre.take([5, 3]), atol=1e-3)
    assert not np.allclose(drawn_view.take([5, 3]), centre.take([5, 3]), atol=1)


def test_feature_maps_are_kept_beside_as_halves(drawn: Path, tmp_path: Path) -> None:
    made = source(drawn, tmp_path / "e")
    (maps,) = run(made, [(VIEWS[1], "map")], mean_colour, mean_colour)
    assert (maps.dtype, maps.shape) == (np.float16, (180, 32, 1, 3))
    (picture,) = np.concatenate(list(picture_batches(made.version.paths("train")[7:8], 32)))
    assert np.array_equal(maps.take([7])[0], picture[:, -1:].astype(np.float16))


def test_the_names_of_the_rows_stand_beside_the_centre_view_alone(
    drawn: Path, tmp_path: Path
) -> None:
    made = source(drawn, tmp_path / "e")
    run(made, POOLED, mean_colour, mean_colour)
    (names,) = (tmp_path / "e").glob(f"*/{NAMES}")
    version = made.version
    rows = (*version.splits["train"], *version.splits["val"])
    assert names.read_text().split() == [one.sha256 for one in rows]


def test_a_killed_run_goes_on_after_the_batches_it_noted(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.data.embeddings.NOTE_SECONDS", -1.0)
    undisturbed = run(source(drawn, tmp_path / "u"), POOLED, mean_colour, mean_colour)
    made, killed, second = source(drawn, tmp_path / "e"), Counting(250), Counting()
    with pytest.raises(KeyboardInterrupt):
        run(made, POOLED, killed, mean_colour)
    again = run(made, POOLED, second, mean_colour)
    assert 0 < second.seen <= 3 * 180 - 3 * 64
    for a, b in zip(undisturbed, again, strict=True):
        assert np.array_equal(a.take(np.arange(len(a))), b.take(np.arange(len(b))))


@pytest.mark.parametrize("damage", ["cut", "garbage", "other shape", "other type"])
def test_embeddings_that_do_not_fit_are_made_again(
    drawn: Path, tmp_path: Path, damage: str
) -> None:
    made, counting = source(drawn, tmp_path / "e"), Counting()
    run(made, POOLED[:1], mean_colour, mean_colour)
    path = made.folder(*POOLED[0]) / FILE
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    elif damage == "garbage":
        path.write_bytes(b"garbage")
    else:
        shape = (216, 3) if damage == "other type" else (215, 3)
        np.save(path, np.zeros(shape, np.float64 if damage == "other type" else np.float32))
    run(made, POOLED[:1], counting, mean_colour)
    assert counting.seen == 180


def test_embeddings_of_versions_that_are_no_more_are_removed(drawn: Path, tmp_path: Path) -> None:
    made = source(drawn, tmp_path / "e")
    for name in ("0123456789abcdef-0", "mobilenet_v2-160-00", ".part-0123456789abcdef-1"):
        (tmp_path / "e" / name).mkdir(parents=True)
    run(made, POOLED[:1], mean_colour, mean_colour)
    left = {p.name for p in (tmp_path / "e").iterdir()}
    assert left == {".lock", made.folder(*POOLED[0]).name}


def test_what_is_kept_already_is_read_without_the_lock_and_removes_nothing(
    drawn: Path, tmp_path: Path
) -> None:
    made = source(drawn, tmp_path / "e")
    run(made, POOLED[:1], mean_colour, mean_colour)
    (tmp_path / "e" / "0123456789abcdef-0").mkdir()
    with run_lock(tmp_path / "e", "another"):
        run(made, POOLED[:1], mean_colour, mean_colour)
        with pytest.raises(LockedError):
            run(made, POOLED[1:2], mean_colour, mean_colour)
    assert (tmp_path / "e" / "0123456789abcdef-0").is_dir()


class Contended(FeatureSource):
    """Another run removes the features as often as the lock lets it."""

    def stored(self, view: View, kind: FeatureKind) -> Rows | None:
        with suppress(LockedError), run_lock(self.cache, "another"):
            shutil.rmtree(self.folder(view, kind), ignore_errors=True)
        return super().stored(view, kind)


def test_features_that_another_run_removes_right_after_stay_readable(
    drawn: Path, tmp_path: Path
) -> None:
    made = Contended(**vars(source(drawn, tmp_path / "e")))
    (maps,) = run(made, [(VIEWS[1], "map")], mean_colour, mean_colour)
    assert made.stored(VIEWS[1], "map") is None
    assert maps.take([7]).any()


def test_the_versions_that_are_there_are_asked_for_with_the_lock_held(
    drawn: Path, tmp_path: Path
) -> None:
    made, asked = source(drawn, tmp_path / "e"), []

    def versions() -> frozenset[str]:
        with pytest.raises(LockedError), run_lock(tmp_path / "e", "another"):
            pass
        asked.append(True)
        return frozenset({made.version.id[:16]})

    runtimes = Runtimes(mean_colour, mean_colour)
    embed(made, POOLED[:1], lambda: runtimes, versions, lambda n: Bars(None).add("x", total=n))
    assert asked == [True]


def test_anything_that_changes_the_features_changes_the_folder(drawn: Path, tmp_path: Path) -> None:
    made = source(drawn, tmp_path)
    version = made.version
    sources = [
        made,
        replace(made, key="other"),
        replace(made, version=replace(version, id="f" * 64)),
        replace(made, version=replace(version, size=64)),
        replace(made, version=replace(version, pixels="e" * 64)),
        replace(made, version=replace(version, fit="pad")),
    ]
    views = [*VIEWS, View(3, CHANCES), View(2, Chances(flip=0.4, crop=1.0))]
    folders = [one.folder(VIEWS[0], "pooled") for one in sources]
    folders += [made.folder(view, "pooled") for view in views[1:]]
    folders.append(made.folder(VIEWS[0], "map"))
    assert len(set(folders)) == len(folders)
    assert made.folder(View(1, Chances()), "pooled") == made.folder(VIEWS[1], "pooled")
