import json
import re
import resource
from urllib.parse import unquote

import numpy as np
import pytest
from support.curate import Adopt, Classes, recoded, rows_of, run, sha, tree

from sceneset.dataset import run_lock
from sceneset.errors import LockedError
from sceneset.images import load_square
from sceneset.manifest.rows import OverrideRow
from sceneset.manifest.store import Manifest, now


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


def test_halves_that_a_killed_run_left_are_removed(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    (dataset.versions / ".part-x").mkdir()
    run(dataset)
    assert [p.name for p in dataset.versions.iterdir()] == ["1"]
    assert sorted(p.name for p in dataset.versions.parent.iterdir()) == ["current", "versions"]


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
    _, most = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (300_000, most))  # stops root too, as a full disk
    try:
        with pytest.raises(OSError, match="too large"):
            run(dataset, size=2048)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (most, most))
    assert [p.name for p in dataset.versions.iterdir()] == ["1"]
    assert tree(dataset.raw) == raw
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.query("SELECT count(DISTINCT run_id) FROM splits") == [(1,)]
        assert manifest.runs("curate")[-1].outcome == "failed"


def test_the_report_needs_nothing_from_outside(adopt: Adopt, two_classes: Classes) -> None:
    named = {"<b>A&</b>": [*two_classes["A"], recoded(two_classes["A"][0])], "B": two_classes["B"]}
    dataset = adopt({name.replace("/", "|"): pictures for name, pictures in named.items()})
    run(dataset)
    folder = dataset.report("curate")
    page = (folder / "index.html").read_text()
    addresses = re.findall(r"(?:src|href)=.([^\"']+)", page)
    assert addresses
    assert not [a for a in addresses if ":" in a or a.startswith("/")]
    assert "url(" not in page
    assert "<script" not in page
    assert " style=" not in page
    assert "default-src &#39;none&#39;" in page or "default-src 'none'" in page
    assert "&lt;b&gt;A&amp;" in page
    assert "<b>A&" not in page
    data = json.loads((folder / "report.json").read_text())
    assert data["pairs"]["all"] == 1
    shown = data["pairs"]["shown"][0]
    assert (folder / "../.." / shown["dropped"]).is_file()
    for address in addresses:
        assert address.startswith("#") or (folder / unquote(address)).is_file()
    assert [sheet["all"] for sheet in data["contact_sheets"]] == [10, 10]


def test_small_copies_are_made_once_and_only_of_what_is_shown(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    thumbs = dataset.report("curate") / "thumbs"
    made = {path.name: path.stat().st_mtime_ns for path in thumbs.iterdir()}
    assert set(made) == {f"{sha(d)[:16]}.jpg" for each in two_classes.values() for d in each}
    (thumbs / "old.jpg").write_bytes(b"")
    run(dataset, size=64)
    assert {path.name: path.stat().st_mtime_ns for path in thumbs.iterdir()} == made


def test_contact_sheets_show_before_and_after(adopt: Adopt, two_classes: Classes) -> None:
    worse = recoded(two_classes["A"][0])
    dataset = adopt(two_classes | {"A": [*two_classes["A"], worse]})
    run(dataset)
    data = json.loads((dataset.report("curate") / "report.json").read_text())
    sheet = data["contact_sheets"][0]
    assert (sheet["class"], sheet["found"], sheet["all"]) == ("A", 11, 10)
    assert [p["path"] for p in sheet["before"] if not p["kept"]] == [
        data["pairs"]["shown"][0]["dropped"]
    ]
    assert all((dataset.root / path).is_file() for path in sheet["after"])
    assert sum(row["copies"] for row in data["distances"]) == 1
    hashes = data["pairs"]["shown"][0]["hashes"]
    assert all(re.fullmatch("[0-9a-f]{16}", text) for text in hashes)


def test_png_keeps_every_pixel_of_the_resized_picture(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    run(dataset, size=64)
    run(dataset, size=64, encoding="png")
    for row in rows_of(dataset):
        published = dataset.current / row["path"]
        assert published.name == f"{row['sha256'][:16]}.png"
        raw = next((dataset.root / "raw").rglob(f"{row['sha256']}.*")).read_bytes()
        assert np.array_equal(load_square(published.read_bytes(), 64), load_square(raw, 64))
    again = run(dataset, size=64, encoding="png").summary
    assert again["number"] == 2
