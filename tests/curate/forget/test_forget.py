import json
from pathlib import Path

import pytest
from support import forget as forget_support
from support.curate import rows_of, run, sha
from support.forget import (
    COPY,
    GONE,
    PAGE,
    PICTURES,
    SITE,
    forgotten,
    is_nowhere,
    is_sound,
    version_of,
)

from sceneset.dataset import Dataset, run_lock
from sceneset.errors import MissingInputError
from sceneset.manifest.store import Manifest
from sceneset.versions.published import numbers, read_pictures, read_record, version_id

whole, place, dataset = forget_support.whole, forget_support.place, forget_support.dataset


@pytest.mark.parametrize(
    "by", [{"site": SITE}, {"site": "example.org"}, {"page": PAGE}, {"sha256": GONE.upper()}]
)
def test_a_picture_is_gone_everywhere(dataset: Dataset, by: dict[str, str]) -> None:
    ids = {n: version_of(dataset, n) for n in (1, 2)}
    summary = forgotten(dataset, reason="asked to", **by).summary
    assert summary["pictures"] == summary["raw_files"] == 1
    assert is_nowhere(dataset)
    assert is_sound(dataset)
    assert list((dataset.root / "cache").rglob("*.npy")) == []
    assert [v["removed"] for v in summary["versions"]] == [1, 1]  # type: ignore[attr-defined]
    for version in summary["versions"]:  # type: ignore[attr-defined]
        assert version["before"] == ids[version["number"]]
        assert version["after"] == version_of(dataset, version["number"])
    with Manifest(dataset.manifest_path) as manifest:
        for table in ("images", "features", "decisions", "splits", "overrides", "sightings"):
            rows = manifest.query(f"SELECT sha256 FROM {table}")  # noqa: S608  named above
            assert (GONE,) not in rows
        assert GONE in {row[0] for row in manifest.tombstones()}
        assert manifest.query("SELECT DISTINCT reason FROM tombstones") == [("asked to",)]
        assert manifest.runs("forget")[-1].outcome == "forgotten"


def test_versions_are_described_anew(dataset: Dataset) -> None:
    before = read_record(dataset.current) or {}
    forgotten(dataset, sha256=GONE)
    record = read_record(dataset.current) or {}
    pictures = read_pictures(dataset.current)
    assert record["version"] == version_id(pictures)
    assert record["kept"] == len(pictures) == before["kept"] - 1
    assert record["images"] == before["images"] - 1
    assert sum(n for by in record["counts"].values() for n in by.values()) == len(pictures)
    assert record["forgotten"] == {"pictures": 1, "versions_before": [before["version"]]}
    assert [record[k] for k in ("number", "settings", "size")] == [
        before[k] for k in ("number", "settings", "size")
    ]


def test_every_sighting_of_the_content_is_rejected_and_counts_still_add_up(
    dataset: Dataset,
) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        before = manifest.sighting_counts()[1]
    summary = forgotten(dataset, site=SITE).summary
    assert summary["sightings"] == 3  # kept, its duplicate on another site, one that had failed
    assert summary["matched"] == 2
    with Manifest(dataset.manifest_path) as manifest:
        after = manifest.sighting_counts()[1]
        rows = manifest.query("SELECT status, title FROM sightings WHERE reason = 'forgotten'")
    assert rows == [("rejected", "")] * 3
    assert sum(after.values()) == sum(before.values())
    assert after == {"kept": before["kept"] - 1, "rejected": 3}


def test_the_manifest_file_keeps_no_trace_of_titles(dataset: Dataset) -> None:
    """Deleted text stays in a SQLite file unless it is overwritten."""
    with Manifest(dataset.manifest_path) as manifest:
        manifest._db.execute(
            "UPDATE sightings SET title = 'unmistakable ' || title WHERE site = ?", [SITE]
        )
    forgotten(dataset, site=SITE)
    for path in dataset.root.glob("manifest.db*"):
        assert b"unmistakable" not in path.read_bytes()


def test_bundles_exports_and_look_alikes_are_listed(dataset: Dataset, place: Path) -> None:
    text = (dataset.root.parent / "exported" / "export.json").read_text()
    with Manifest(dataset.manifest_path) as manifest:  # the export moved with the copied folder
        out = str(place / "exported")
        manifest._db.execute("UPDATE runs SET counts = json_set(counts, '$.out', ?)"
                             " WHERE stage = 'export'", [out])  # fmt: skip
    for _ in range(2):
        outcome = forgotten(dataset, sha256=GONE)
        assert outcome.summary["bundles"] == [str(place / "models" / "m" / "1")]
        assert outcome.summary["exports"] == [{"out": out, "format": "webdataset"}]
        assert any("train again" in line for line in outcome.lines)
        assert outcome.summary["copies"] == [sha(COPY)]
    assert (place / "exported" / "export.json").read_text() == text


def test_a_bundle_of_a_version_that_was_rewritten_before_is_found(
    dataset: Dataset, place: Path
) -> None:
    forgotten(dataset, sha256=sha(PICTURES["B"][1]))
    record = {"dataset_version": version_of(dataset, 2)}
    (place / "models" / "m" / "2" / "bundle.json").write_text(json.dumps(record))
    run(dataset, size=64)
    run(dataset, size=80)
    run(dataset, size=96)
    assert 2 not in numbers(dataset.versions)
    names = [Path(b).name for b in forgotten(dataset, sha256=GONE).summary["bundles"]]  # type: ignore[attr-defined]
    assert names == ["1", "2"]


def test_a_bundle_is_found_where_training_recorded_it(dataset: Dataset, place: Path) -> None:
    bundle, odd = place / "elsewhere" / "1", place / "models" / "odd"
    bundle.parent.mkdir()
    (place / "models" / "m" / "1").rename(bundle)
    odd.mkdir()
    (odd / "bundle.json").write_text('{"dataset_version": ["no id"]}')
    with Manifest(dataset.manifest_path) as manifest:
        for counts in ({}, {"bundle": str(bundle)}, {"bundle": str(place / "gone")}):
            manifest.finish_run(manifest.start_run("train", {}, {}), "trained", counts)
    assert forgotten(dataset, sha256=GONE).summary["bundles"] == [str(bundle)]


def test_a_picture_that_was_left_out_is_gone_from_quarantine(dataset: Dataset) -> None:
    assert forgotten(dataset, sha256=sha(COPY)).summary["quarantine"] == 1
    assert list(dataset.quarantine.rglob("*")) == []
    assert is_sound(dataset)
    assert (read_record(dataset.current) or {})["kept"] == 16


def test_a_dry_run_lists_the_same_and_changes_nothing(dataset: Dataset) -> None:
    before = {p: p.read_bytes() for p in dataset.root.rglob("*") if p.is_file()}
    with run_lock(dataset.root, "scrape"):
        dry = forgotten(dataset, site=SITE, dry_run=True)
    files = {p for p in dataset.root.rglob("*") if p.is_file() and ".db-" not in p.name}
    assert files <= before.keys() | {dataset.root / ".lock"}
    assert all(p.read_bytes() == before[p] for p in files - {dataset.root / ".lock"})
    wet = forgotten(dataset, site=SITE).summary
    same = ("pictures", "sightings", "raw_files", "quarantine", "reports", "caches", "bundles")
    assert {k: dry.summary[k] for k in same} == {k: wet[k] for k in same}
    assert "would forget 1 pictures" in dry.lines[0]


def test_curate_goes_on_and_publishes_no_forgotten_picture(dataset: Dataset) -> None:
    forgotten(dataset, sha256=GONE)
    forgotten(dataset, sha256=sha(COPY))
    assert run(dataset, size=48).summary["kept"] == 15
    assert not {GONE, sha(COPY)} & {row["sha256"] for row in rows_of(dataset)}
    assert is_sound(dataset)


def test_what_is_not_held_is_refused_in_advance_only_where_told_so(dataset: Dataset) -> None:
    ids = version_of(dataset, 2)
    for target in (
        {"site": "nowhere.example"},
        {"sha256": "0" * 64},
        {"page": "https://no.where/"},
    ):
        for dry_run in (True, False):
            with pytest.raises(MissingInputError, match=r"nothing in .* matches") as caught:
                forgotten(dataset, dry_run=dry_run, **target)
            assert "manifest.csv" in caught.value.cure
            assert "--in-advance" in caught.value.cure
        for in_advance in (True, False):  # what was forgotten once may be forgotten again
            summary = forgotten(dataset, in_advance=in_advance, **target).summary
            assert summary["pictures"] == summary["matched"] == 0
    assert version_of(dataset, 2) == ids
    assert (dataset.root / "cache" / "embeddings").is_dir()
    with Manifest(dataset.manifest_path) as manifest:
        assert sorted(map(str, manifest.tombstones())) == [
            "('0000000000000000000000000000000000000000000000000000000000000000', None, None)",
            "(None, 'nowhere.example', None)",
            "(None, None, 'https://no.where')",
        ]
        assert {run.outcome for run in manifest.runs("forget")} == {"forgotten"}


def test_a_version_of_which_nothing_is_left_goes(dataset: Dataset) -> None:
    for site in ("example.org", "other.example", *(f"b{n}.example" for n in range(9))):
        forgotten(dataset, site=site)
    assert numbers(dataset.versions) == []
    assert not dataset.current.is_symlink()
    assert is_sound(dataset)


def test_a_class_of_which_nothing_is_left_is_no_class_any_more(dataset: Dataset) -> None:
    for data in (*PICTURES["A"], COPY):
        forgotten(dataset, sha256=sha(data))
    record = read_record(dataset.current) or {}
    assert record["class_names"] == ["B"]
    assert record["folders"] == {"B": "B"}
    assert (dataset.current / "class_names.txt").read_text() == "B\n"
    assert {p.label for p in read_pictures(dataset.current)} == {0}
    assert is_sound(dataset)
