import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from curate_support import rows_of, run, sha
from forget_support import COPY, GONE, PAGE, PICTURES, SITE, WANTED, fill, version_of
from hypothesis import given
from hypothesis import strategies as st

from curate.export_folder import put_in_place
from curate.forget import ForgetSettings, forget
from curate.forget_rows import ForgettingManifest, Sighting, matches, select
from curate.forget_target import Target, host_name
from pipeline.checksums import altered_files, write_checksums
from pipeline.dataset import Dataset, run_lock
from pipeline.errors import DamagedDataError, LockedError, SettingsError, UsageError
from pipeline.manifest import Manifest
from pipeline.progress import Outcome, Output
from pipeline.published import numbers, read_pictures, read_record, record_json, version_id
from pipeline.settings import DatasetSettings
from pipeline.verify import verify

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("forget"))


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "place", symlinks=True))


@pytest.fixture
def dataset(place: Path) -> Dataset:
    return Dataset(place / "set")


def forgotten(dataset: Dataset, **options: object) -> Outcome:
    settings = ForgetSettings(
        dataset=dataset.root,
        models=dataset.root.parent / "models",
        **options,  # type: ignore[arg-type]
    )
    return forget(settings=settings, output=Output(quiet=True))


def is_sound(dataset: Dataset) -> bool:
    outcome = verify(settings=DatasetSettings(dataset=dataset.root), output=Output(quiet=True))
    assert outcome.summary["problems"] == []
    assert outcome.summary["orphans"] == 0
    return all(altered_files(dataset.versions / str(n)) == [] for n in numbers(dataset.versions))


def is_nowhere(dataset: Dataset) -> bool:
    """Say whether no file but the manifest's tombstone names the picture or holds its bytes."""
    for path in dataset.root.rglob("*"):
        assert GONE[:16] not in path.name
        if path.is_file() and "manifest.db" not in path.name:
            data = path.read_bytes()
            assert GONE[:16].encode() not in data
            assert data != WANTED
    return True


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


def test_what_is_not_held_is_refused_from_now_on(dataset: Dataset) -> None:
    ids = version_of(dataset, 2)
    for _ in range(2):
        assert forgotten(dataset, site="nowhere.example").summary["pictures"] == 0
        assert forgotten(dataset, sha256="0" * 64).summary["pictures"] == 0
    assert version_of(dataset, 2) == ids
    assert (dataset.root / "cache" / "embeddings").is_dir()
    with Manifest(dataset.manifest_path) as manifest:
        assert sorted(map(str, manifest.tombstones())) == [
            "('0000000000000000000000000000000000000000000000000000000000000000', None, None)",
            "(None, 'nowhere.example', None)",
        ]


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


def test_damage_elsewhere_in_a_version_stays_visible(dataset: Dataset) -> None:
    other = next(p for p in read_pictures(dataset.current) if p.sha256 != GONE)
    path = dataset.current / other.path
    path.write_bytes(b"junk")
    forgotten(dataset, sha256=GONE)
    assert altered_files(dataset.current.resolve()) == [
        f"{other.path} is not the file that was published"
    ]


def test_a_version_that_cannot_be_read_loses_the_picture_all_the_same(dataset: Dataset) -> None:
    (dataset.versions / "1" / "manifest.csv").write_bytes(b"broken")
    forgotten(dataset, sha256=GONE)
    assert not list((dataset.versions / "1").rglob(f"{GONE[:16]}*"))
    assert altered_files(dataset.versions / "2") == []


def test_a_busy_data_set_is_refused_and_untouched(dataset: Dataset) -> None:
    with run_lock(dataset.root, "scrape"), pytest.raises(LockedError):
        forgotten(dataset, sha256=GONE)
    with (
        run_lock(dataset.root / "cache" / "embeddings", "embedding"),
        pytest.raises(LockedError),
    ):
        forgotten(dataset, sha256=GONE)
    assert is_sound(dataset)
    assert (dataset.root / dataset.raw_name(GONE, "jpg")).is_file()


NO_HOSTS = (
    "",
    " ",
    ".",
    ".example.org",
    "*.example.org",
    "user@host.org",
    "a..b",
    "a.b\n",
    "a.\0b",
)


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({}, "0 of --site"),
        ({"site": "a.b", "page": "https://a.b/"}, "2 of --site"),
        ({"site": "https://a.b"}, "is not a host name"),
        *(({"site": site}, "is not a host name") for site in NO_HOSTS),
        ({"site": "com"}, "has no dot"),
        ({"site": "example"}, "has no dot"),
        ({"page": "a.b"}, "is not an address"),
        ({"page": "http://[bad/x"}, "is not an address"),
        ({"sha256": "abc"}, "64 hexadecimal digits"),
        ({"sha256": "g" * 64}, "64 hexadecimal digits"),
    ],
)
def test_wrong_settings_are_refused(dataset: Dataset, options: dict[str, str], word: str) -> None:
    with pytest.raises(SettingsError, match=word):
        forgotten(dataset, **options)


HOSTS = st.sampled_from(["a.org", "b.a.org", "xa.org", "A.org", ""])
SIGHTINGS = st.lists(st.tuples(st.sampled_from(["s1", "s2", None]), HOSTS, HOSTS)).map(
    lambda rows: [
        Sighting(i, sha256, f"https://{host}/p" if host else "", site, "C")
        for i, (sha256, host, site) in enumerate(rows)
    ]
)


@given(SIGHTINGS)
def test_what_stays_shares_no_content_and_no_host_with_what_goes(rows: list[Sighting]) -> None:
    target = Target(site="a.org")
    gone = select(target, rows)
    stays = [row for row in rows if row not in gone]
    contents = {row.sha256 for row in gone} - {None}
    assert not any(row.sha256 in contents or matches(target, row) for row in stays)
    assert all(row.sha256 in contents or matches(target, row) for row in gone)


def test_a_site_is_its_host_and_those_below() -> None:
    target = Target(site="a.org")
    assert target.hosts("A.org", "https://www.a.org:80/x") == {"a.org", "www.a.org"}
    assert target.hosts("xa.org", "https://a.org.example/") == set()


@pytest.mark.parametrize("spelt", [" Example.ORG. ", "example.org"])
def test_a_site_is_found_however_it_is_spelt(spelt: str) -> None:
    assert host_name(spelt) == "example.org"


def test_a_site_of_other_letters_is_one_with_its_ascii_spelling() -> None:
    target = Target(site=host_name("B\N{LATIN SMALL LETTER U WITH DIAERESIS}cher.example"))
    assert target.site == "xn--bcher-kva.example"
    assert target.refused_hosts() == {target.site, "b\xfccher.example"}
    assert target.hosts("a.b\xfccher.example", f"https://{target.site}/") == {
        "a.b\xfccher.example",
        target.site,
    }


def test_a_site_without_a_dot_is_just_that_host_of_the_data_set(dataset: Dataset) -> None:
    assert Target(site="org").hosts("a.org", "https://org/") == {"org"}
    with Manifest(dataset.manifest_path) as manifest:
        manifest._db.execute("UPDATE sightings SET site = 'shelf' WHERE site = ?", [SITE])
    assert forgotten(dataset, site="shelf").summary["pictures"] == 1


def test_a_stored_address_that_is_none_stops_nobody(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        manifest._db.execute("UPDATE sightings SET page_url = 'http://[bad/x' WHERE class_id = 2")
    assert forgotten(dataset, site=SITE).summary["pictures"] == 1


def test_a_site_that_matches_nothing_is_said_to(dataset: Dataset) -> None:
    lines = forgotten(dataset, site="nowhere.example").lines
    assert lines[0] == "nothing matched; site nowhere.example is refused from now on"
    assert "nothing matched" not in forgotten(dataset, site=SITE).lines[0]


def test_a_manifest_with_a_field_too_long_to_read_is_damage(dataset: Dataset) -> None:
    (dataset.versions / "1" / "manifest.csv").write_text("x" * 200_000)
    with pytest.raises(DamagedDataError, match="cannot be read"):
        read_pictures(dataset.versions / "1")
    forgotten(dataset, sha256=GONE)
    assert not list((dataset.versions / "1").rglob(f"{GONE[:16]}*"))


@pytest.mark.parametrize("said", [None, 3, "x", {"pictures": "many", "versions_before": 7}])
def test_a_record_that_says_nothing_known_of_what_was_forgotten_stops_nobody(
    dataset: Dataset, said: object
) -> None:
    record = read_record(dataset.current) or {}
    (dataset.current / "dataset.json").write_bytes(record_json(record | {"forgotten": said}))
    write_checksums(dataset.current.resolve())
    forgotten(dataset, sha256=GONE)
    before = [record["version"]]
    assert (read_record(dataset.current) or {})["forgotten"] == {
        "pictures": 1,
        "versions_before": before,
    }
    assert is_sound(dataset)


@pytest.mark.parametrize(
    "name", ["raw", "curated", "curated/versions", "cache", "reports", "quarantine", "raw/00"]
)
def test_a_folder_that_leads_into_another_data_set_is_refused(
    dataset: Dataset, place: Path, name: str
) -> None:
    folder, other = dataset.root / name, place / "other"
    folder.mkdir(exist_ok=True)
    folder.rename(other)
    folder.symlink_to(other)
    before = sorted(place.rglob("*"))
    with pytest.raises(UsageError, match="leads out of the data set"):
        forgotten(dataset, sha256=GONE)
    assert sorted(place.rglob("*")) == before
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.tombstones() == []


@pytest.mark.parametrize("both", [True, False])
def test_a_version_left_missing_between_two_renames_is_put_back(
    dataset: Dataset, *, both: bool
) -> None:
    """Where folders cannot be exchanged, a kill leaves the version aside."""
    shutil.copytree(dataset.versions / "2", dataset.versions / ".part-forget-2")
    if both:
        (dataset.versions / "2").rename(dataset.versions / ".part-forget-2-old")
    else:
        shutil.rmtree(dataset.versions / "2")
    forgotten(dataset, sha256=GONE)
    assert numbers(dataset.versions) == [1, 2]
    assert is_nowhere(dataset)
    assert is_sound(dataset)
    assert list(dataset.versions.glob(".part-*")) == []


def test_curate_puts_back_a_version_left_missing_between_two_renames(dataset: Dataset) -> None:
    (dataset.versions / "2").rename(dataset.versions / ".part-forget-2-old")
    run(dataset, size=48)
    assert 2 in numbers(dataset.versions)
    assert is_sound(dataset)


def test_a_folder_that_cannot_be_put_in_place_leaves_the_old_one_there(tmp_path: Path) -> None:
    place = tmp_path / "place"
    place.mkdir()
    (place / "old").touch()
    with pytest.raises(FileNotFoundError):
        put_in_place(tmp_path / "missing", place, exchange=lambda _fresh, _place: False)
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == [
        "place",
        "place/old",
    ]


KILLED = """
import os, sys
left = int(sys.argv.pop(1))
def hook(event, args):
    global left
    if event in ('os.rename', 'os.remove', 'os.rmdir', 'os.link', 'os.mkdir'):
        left -= 1
        if left == 0: os._exit(9)
sys.addaudithook(hook)
import cli
sys.exit(cli.main(sys.argv[1:]))
"""


@pytest.mark.parametrize("step", [1, 3, 5, 12, 50, 80, 120])
def test_a_killed_run_is_completed_by_the_next(dataset: Dataset, step: int) -> None:
    """Kill at a file system call, then forget again: as if nothing had happened."""
    words = ["forget", "--dataset", dataset.root, "--sha256", GONE]
    words += ["--models", dataset.root.parent / "models", "--json"]
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(step), *map(str, words)],
        cwd=ROOT, capture_output=True, check=False, env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert killed.returncode in {0, 9}
    with sqlite3.connect(dataset.manifest_path) as db:
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
    db.close()
    assert dataset.current.resolve().is_dir()
    with ForgettingManifest(dataset.manifest_path) as manifest:
        begun = bool(manifest.unfinished())
    for sha256 in ("0" * 64, GONE) if begun else (GONE,):
        summary = forgotten(dataset, sha256=sha256).summary
        assert [Path(b).name for b in summary["bundles"]] == ["1"]  # type: ignore[attr-defined]
        assert is_nowhere(dataset)
        assert is_sound(dataset)
    with Manifest(dataset.manifest_path) as manifest:
        assert {r.outcome for r in manifest.runs("forget")} == {"forgotten"}
    assert list(dataset.root.rglob(".part-*")) == []
