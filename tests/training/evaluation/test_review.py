"""What a training finds odd is put up for review, and taken out again when it is forgotten."""

import sqlite3
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from curate.forget.manifest import Target, erase, find_matches
from sceneset.class_list import SceneClass
from sceneset.manifest.rows import ImageRow, SightingRow, SuspectRow
from sceneset.manifest.store import Manifest, now
from sceneset.progress import Stopwatch
from training.bundle import look_for_label_issues
from training.data.version import Example, Version, count_sources
from training.evaluation.label_issues import LabelIssue, format_label_issues, store_label_issues
from training.settings import TrainSettings

ISSUE = LabelIssue(Path("x.jpg"), "aa", "Beach", "label", 0.9, "Coast")


@pytest.fixture
def manifest_path(tmp_path: Path) -> Path:
    path = tmp_path / "manifest.db"
    with Manifest(path) as manifest:
        ids = manifest.adopt_classes([SceneClass("Beach", ("b",)), SceneClass("Coast", ("c",))])
        run = manifest.start_run("scrape", {}, {})
        for name, site, licence in (("aa", "a.example", "CC0"), ("bb", "b.example", "unknown")):
            manifest.insert([ImageRow(name, name, "JPEG", 9, 9, 9, now())])
            manifest.insert([
                SightingRow(
                    engine="google", class_id=ids["Beach"], query="b", rank=1, result_id=name,
                    site=site, licence=licence, sha256=name, status="kept", run_id=run,
                    seen_at=now(),
                )
            ])  # fmt: skip
    return path


def stored(path: Path) -> list[SuspectRow]:
    with Manifest(path) as manifest:
        return manifest.suspects()


def test_label_issues_replace_those_of_the_training_before(manifest_path: Path) -> None:
    outlier = replace(ISSUE, sha256="bb", kind="outlier", score=0.8, other=None)
    store_label_issues(manifest_path, 1, [outlier, ISSUE])
    assert stored(manifest_path) == [
        SuspectRow(1, 1, "aa", "label", 0.9, 2),
        SuspectRow(1, 1, "bb", "outlier", 0.8, None),
    ]
    store_label_issues(manifest_path, 1, [ISSUE])
    assert [row.sha256 for row in stored(manifest_path)] == ["aa"]


def test_a_picture_or_a_class_that_is_gone_is_not_put_up(manifest_path: Path) -> None:
    gone = [replace(ISSUE, sha256="cc"), replace(ISSUE, class_name="Lake")]
    store_label_issues(manifest_path, 1, [*gone, replace(ISSUE, other="Lake")])
    assert stored(manifest_path) == [SuspectRow(1, 1, "aa", "label", 0.9, None)]


def test_what_is_forgotten_is_no_longer_up_for_review(manifest_path: Path) -> None:
    store_label_issues(manifest_path, 1, [ISSUE, replace(ISSUE, sha256="bb")])
    target = Target(None, None, "aa" * 32)
    with Manifest(manifest_path) as manifest:
        matches = replace(find_matches(manifest, target), sha256s=frozenset({"aa"}))
        manifest.query("UPDATE sightings SET sha256 = NULL WHERE sha256 = 'aa'")
        erase(manifest, target, matches, "requested", version_ids=[])
    assert [row.sha256 for row in stored(manifest_path)] == ["bb"]


def test_a_manifest_from_before_gets_the_table_and_keeps_its_rows(manifest_path: Path) -> None:
    with sqlite3.connect(manifest_path) as db:
        db.execute("DROP TABLE suspects")
        db.execute("PRAGMA user_version = 3")
    db.close()
    store_label_issues(manifest_path, 1, [ISSUE])
    assert len(stored(manifest_path)) == 1
    with Manifest(manifest_path) as manifest:
        assert len(manifest.images()) == 2


def test_sites_engines_and_licences_are_counted(manifest_path: Path) -> None:
    examples = tuple(Example(Path(name), 0, name) for name in ("aa", "bb"))
    version = Version(
        "v", Path(), ("Beach",), 32, "crop", {"train": examples, "val": (), "test": ()}
    )
    found = count_sources(manifest_path, version)
    assert found == {"pictures": 2, "sites": 2, "ways": ["found through google"], "licensed": 1}


def a_training(*, suspects: bool = True) -> tuple[Any, Any]:
    """Return what a recipe starts from and ends with, of 60 pictures; one label is wrong."""
    labels = np.repeat([0, 1], 30)
    vectors = np.random.default_rng(0).normal(0, 0.3, (60, 8)) + 3 * np.eye(8)[labels]
    labels[4] = 1
    examples = tuple(
        Example(Path(f"{n}.jpg"), int(label), f"{n:064x}") for n, label in enumerate(labels)
    )
    splits = {"train": examples[:50], "val": examples[50:], "test": ()}
    setup = SimpleNamespace(
        settings=TrainSettings(suspects=suspects),
        version=Version("v", Path(), ("Beach", "Coast"), 32, "crop", splits),  # type: ignore[arg-type]
        watch=Stopwatch(),
    )
    held = SimpleNamespace(take=lambda places: vectors[places].astype(np.float32))
    return setup, SimpleNamespace(features=held)


def test_a_wrong_label_is_found_by_name_and_its_time_is_told() -> None:
    setup, trained = a_training()
    (found,) = look_for_label_issues(setup, trained) or ()
    assert (found.sha256, found.class_name, found.other) == (f"{4:064x}", "Coast", "Beach")
    assert found.kind == "label"
    assert found.score > 0.5
    assert setup.watch.seconds["suspects"] >= 0
    assert format_label_issues([found]) == [
        "worth a second look: 1 labels, 0 outliers (see the report)"
    ]
    assert format_label_issues([]) == []


def test_nothing_is_looked_for_when_not_asked_or_without_embeddings() -> None:
    setup, trained = a_training(suspects=False)
    assert look_for_label_issues(setup, trained) is None
    setup, _ = a_training()
    assert look_for_label_issues(setup, SimpleNamespace(features=None)) is None  # type: ignore[arg-type]
    assert "suspects" not in setup.watch.seconds
