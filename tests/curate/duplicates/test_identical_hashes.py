from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from support.curate import Adopt, Classes, recoded, rows_of, run, sha

from curate.duplicates.search import LEADER_DETAIL, LEADER_LUMA, identical_hash_groups
from curate.features.alignment import same_whole
from curate.features.cache import Features
from sceneset.manifest.rows import OverrideRow
from sceneset.manifest.store import Manifest, now


def features_of(thumbs: dict[str, np.ndarray], hashes: dict[str, int]) -> Features:
    return Features(hashes, {}, {}, thumbs, {}, {})


@given(seed=st.integers(0, 10**6), noise=st.floats(0, 40), size=st.integers(2, 12))
def test_twins_are_copies_of_each_other_not_only_of_their_leader(
    seed: int, noise: float, size: int
) -> None:
    rng = np.random.default_rng(seed)
    base = rng.integers(60, 200, (32, 32))
    thumbs = {
        f"{k:02}": np.clip(base + rng.normal(0, noise, base.shape), 0, 255).astype(np.uint8)
        for k in range(size)
    }
    for group in identical_hash_groups(thumbs, features_of(thumbs, dict.fromkeys(thumbs, 7)), {}):
        for first in group:
            assert all(same_whole(thumbs[first], thumbs[other]) for other in group)


def test_pictures_of_one_hash_that_look_different_are_no_twins() -> None:
    rng = np.random.default_rng(0)
    thumbs = {name: rng.integers(0, 256, (32, 32), dtype=np.uint8) for name in "abcd"}
    thumbs["b"], thumbs["d"] = thumbs["a"], thumbs["c"]
    known = features_of(thumbs, dict.fromkeys("abcd", 7))
    assert identical_hash_groups("dcba", known, {}) == [["a", "b"], ["c", "d"]]
    assert identical_hash_groups("abcd", features_of(thumbs, dict(zip("abcd", range(1, 5), strict=True))), {}) == []  # fmt: skip
    assert min(LEADER_LUMA, LEADER_DETAIL) > 0.9


def test_flat_pictures_are_twins_when_their_pixels_are_equal() -> None:
    thumbs = {name: np.full((32, 32), 9, np.uint8) for name in "abc"}
    known = features_of(thumbs, dict.fromkeys("abc", 0))
    assert identical_hash_groups("abc", known, {"a": b"1", "b": b"2", "c": b"1"}) == [["a", "c"]]


def padded(data: bytes, number: int) -> list[bytes]:
    """Return files of the same pixels in other bytes: a picture's end may be followed by junk."""
    return [data + f"{k:06}".encode() for k in range(number)]


def test_many_copies_of_one_picture_leave_one(adopt: Adopt, two_classes: Classes) -> None:
    first, *rest = two_classes["A"]
    copies = padded(first, 600)
    dataset = adopt(two_classes | {"A": [*rest, *copies]})
    summary = run(dataset).summary
    assert summary["dropped"] == {"exact_duplicate": 599}
    assert summary["kept"] == 20
    kept = {row["sha256"] for row in rows_of(dataset)} & {sha(c) for c in copies}
    assert kept == {min(sha(c) for c in copies)}
    with Manifest(dataset.manifest_path) as manifest:
        of = "SELECT DISTINCT of_sha256, distance FROM decisions WHERE verdict = 'drop'"
        assert manifest.query(of) == [(*kept, 0)]


@pytest.mark.parametrize("policy", ["quarantine", "best-rank", "train-only"])
def test_copies_under_two_classes_are_settled_as_one(
    adopt: Adopt, two_classes: Classes, policy: str
) -> None:
    shared = two_classes["A"][0]
    classes = {name: [*pictures[1:], *padded(shared, 3)] for name, pictures in two_classes.items()}
    classes["B"] = [c + b"B" if c.startswith(shared) else c for c in classes["B"]]
    dataset = adopt(classes)
    summary = run(dataset, conflicts=policy).summary
    assert summary["conflicts"] == 1
    dropped = {"quarantine": {"conflict": 6}, "best-rank": {"conflict": 3, "exact_duplicate": 2}}
    expected = dropped.get(policy, {"exact_duplicate": 4})
    assert summary["dropped"] == expected
    assert summary["leaks"] == 0


def test_a_copy_of_the_twins_takes_all_of_them_along(
    adopt: Adopt, two_classes: Classes, scene: Callable[..., Image.Image]
) -> None:
    better = two_classes["A"][0]
    worse = padded(recoded(better, 30), 3)
    dataset = adopt(two_classes | {"A": [*two_classes["A"], *worse]})
    assert run(dataset).summary["dropped"] == {"near_duplicate": 3}
    with Manifest(dataset.manifest_path) as manifest:
        of = manifest.query("SELECT DISTINCT of_sha256 FROM decisions WHERE verdict = 'drop'")
    assert of == [(sha(better),)]


def test_twins_kept_by_hand_stay(adopt: Adopt, two_classes: Classes) -> None:
    copies = padded(two_classes["A"][0], 4)
    dataset = adopt(two_classes | {"A": [*two_classes["A"][1:], *copies]})
    chosen = set(sorted(map(sha, copies))[-2:])
    with Manifest(dataset.manifest_path) as manifest:
        ids = {row.name: row.id for row in manifest.classes()}
        manifest.insert([OverrideRow(s, ids["A"], "keep", None, "", now()) for s in chosen])
    run(dataset)
    assert {row["sha256"] for row in rows_of(dataset)} & {sha(c) for c in copies} == chosen
