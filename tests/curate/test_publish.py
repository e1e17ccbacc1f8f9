import json

import pytest
from curate_support import Adopt, Classes, recoded, rows_of, run, sha, tree

from pipeline.dataset import run_lock
from pipeline.errors import LockedError
from pipeline.manifest import Manifest, now
from pipeline.rows import OverrideRow


def test_a_second_run_at_the_same_time_is_refused(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    with run_lock(dataset.root, "other"), pytest.raises(LockedError):
        run(dataset)


def test_what_a_person_decided_is_obeyed(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    out, moved = sha(two_classes["A"][0]), sha(two_classes["A"][1])
    with Manifest(dataset.manifest_path) as manifest:
        ids = {row.name: row.id for row in manifest.classes()}
        manifest.insert([OverrideRow(out, ids["A"], "drop", None, "", now())])
        manifest.insert([OverrideRow(moved, ids["A"], "relabel", ids["B"], "", now())])
    assert run(dataset).summary["dropped"] == {"person": 2}
    classes = {row["sha256"]: row["class"] for row in rows_of(dataset)}
    assert out not in classes
    assert classes[moved] == "B"


def test_a_version_that_no_run_committed_is_removed(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    (dataset.versions / "2").mkdir()
    (dataset.versions / ".part-x").mkdir()
    run(dataset)
    assert [p.name for p in dataset.versions.iterdir()] == ["1"]


def test_a_committed_version_that_was_not_linked_is_linked(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    run(dataset, size=64)
    dataset.current.unlink()
    dataset.current.symlink_to("versions/1")
    assert run(dataset, size=64).summary["published"] is False
    assert dataset.current.resolve().name == "2"


def test_raw_files_and_manifest_are_untouched_by_a_failed_publish(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    raw = tree(dataset.raw)
    dataset.versions.chmod(0o555)
    (dataset.versions / "2").touch()  # in the way, also of root
    try:
        with pytest.raises(OSError, match="2"):
            run(dataset, size=64)
    finally:
        dataset.versions.chmod(0o755)
    assert tree(dataset.raw) == raw
    with Manifest(dataset.manifest_path) as manifest:
        assert len({row.run_id for row in manifest.last_splits()}) == 1
        assert manifest.runs("curate")[-1].outcome == "failed"


def test_the_report_needs_nothing_from_outside(adopt: Adopt, two_classes: Classes) -> None:
    named = {"<b>A&</b>": [*two_classes["A"], recoded(two_classes["A"][0])], "B": two_classes["B"]}
    dataset = adopt({name.replace("/", "|"): pictures for name, pictures in named.items()})
    run(dataset)
    folder = dataset.report("curate")
    page = (folder / "index.html").read_text()
    assert "http" not in page
    assert "<script" not in page
    assert "&lt;b&gt;A&amp;" in page
    assert "<b>A&" not in page
    data = json.loads((folder / "report.json").read_text())
    assert data["pairs"]["all"] == 1
    shown = data["pairs"]["shown"][0]
    assert (folder / "../.." / shown["dropped"]).is_file()
    assert [sheet["all"] for sheet in data["contact_sheets"]] == [10, 10]
