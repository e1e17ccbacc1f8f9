import io
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.curate import Adopt, Classes, recoded, rows_of, run, sha, splits_of, tree
from support.drawing import draw_jpeg
from support.heic import HALVES

from sceneset.dataset import Dataset, DatasetSettings
from sceneset.errors import MissingExtraError, MissingInputError, UsageError
from sceneset.files.heic import is_installed
from sceneset.images import decode
from sceneset.manifest.rows import OverrideRow
from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from sceneset.versions import published
from sceneset.versions.verify import verify


def test_a_version_holds_what_its_manifest_says(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    outcome = run(dataset, size=64)
    assert outcome.exit_code == 0
    record = json.loads((dataset.current / "dataset.json").read_text())
    assert (record["size"], record["class_names"]) == (64, ["A", "B"])
    assert record["folders"] == {"A": "A", "B": "B"}
    assert (dataset.current / "class_names.txt").read_text() == "A\nB\n"
    assert record["counts"]["A"] == {"train": 8, "val": 1, "test": 1}
    for row in rows_of(dataset):
        assert row["path"] == f"{row['split']}/{row['class']}/{row['sha256'][:16]}.jpg"
        assert row["label"] == str("AB".index(row["class"]))
        assert decode((dataset.current / row["path"]).read_bytes()).size == (64, 64)
    assert verify(settings=DatasetSettings(dataset=dataset.root), output=Output()).exit_code == 0


def test_the_summary_adds_up(adopt: Adopt, two_classes: Classes) -> None:
    first = two_classes["A"][0]
    outcome = run(adopt(two_classes | {"A": [*two_classes["A"], recoded(first)]}))
    summary = outcome.summary
    assert summary["images"] == 21
    assert summary["dropped"] == {"near_duplicate": 1}
    assert summary["kept"] == sum(summary["splits"].values()) == 20  # type: ignore[attr-defined]
    assert summary["leaks"] == 0
    assert {"measure", "search", "publish"} <= set(summary["seconds"])  # type: ignore[call-overload]


def test_what_a_person_kept_is_published_however_small_or_plain(
    adopt: Adopt, two_classes: Classes
) -> None:
    unwanted = [encoded(Image.new("RGB", (90, 90), "red")), encoded(drawn_small()), b"no picture"]
    dataset = adopt(two_classes | {"A": [*two_classes["A"], *unwanted]})
    reasons = {"placeholder": 1, "too_small": 1, "broken": 1}
    assert run(dataset).summary["dropped"] == reasons
    with Manifest(dataset.manifest_path) as manifest:
        a = next(row.id for row in manifest.classes() if row.name == "A")
        manifest.insert([OverrideRow(sha(d), a, "keep", None, "", "2026") for d in unwanted])
    assert run(dataset).summary["dropped"] == {"broken": 1}
    published = {row["sha256"] for row in rows_of(dataset)}
    assert {sha(data) in published for data in unwanted[:2]} == {True}


@pytest.mark.usefixtures("without_heic")
def test_a_heic_that_nothing_opens_is_no_broken_picture(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    with Manifest(dataset.manifest_path) as manifest, manifest.transaction():
        manifest.query(
            "UPDATE images SET path = replace(path, '.jpg', '.heic') WHERE sha256 = ?",
            (sha(two_classes["A"][0]),),
        )
    with pytest.raises(MissingExtraError, match="1 pictures are HEIC"):
        run(dataset)
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.features("broken", "decode/2") == {}


@pytest.mark.skipif(not is_installed(), reason="pi_heif (extra heic) is not installed")
def test_a_heic_is_published_as_any_picture(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes | {"A": [*two_classes["A"], HALVES]})
    assert run(dataset, size=64, min_side=32).exit_code == 0
    assert sha(HALVES) in {row["sha256"] for row in rows_of(dataset)}


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


def drawn_small() -> Image.Image:
    noise = np.random.default_rng(1).integers(0, 256, (20, 20, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def test_the_same_pictures_and_seed_give_the_same_bytes(
    adopt: Adopt, two_classes: Classes, tmp_path: Path
) -> None:
    first = adopt(two_classes)
    run(first)
    before = tree(first.current)
    (tmp_path / "set").rename(tmp_path / "other")
    second = adopt({name: pictures[::-1] for name, pictures in two_classes.items()})
    run(second)
    assert tree(second.current) == before


def test_a_run_without_news_publishes_nothing(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    first = run(dataset).summary
    again = run(dataset).summary
    assert again["version"] == first["version"]
    assert (first["published"], again["published"]) == (True, False)
    assert published.numbers(dataset.versions) == [1]
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.query("SELECT count(*) FROM decisions") == [(20,)]
        assert [r.outcome for r in manifest.runs("curate")] == ["published", "unchanged"]


def test_news_that_change_no_published_file_are_recorded_only(
    adopt: Adopt, two_classes: Classes, jpeg: Callable[..., bytes]
) -> None:
    run(adopt(two_classes))
    lesser = jpeg(decode(two_classes["A"][0]).resize((120, 90)))
    dataset = adopt({"A": [lesser]})
    summary = run(dataset).summary
    assert (summary["published"], summary["number"]) == (False, 1)
    assert summary["dropped"] == {"near_duplicate": 1}
    with Manifest(dataset.manifest_path) as manifest:
        newest = "SELECT count(*) FROM decisions WHERE run_id = (SELECT max(run_id) FROM splits)"
        assert manifest.query(newest) == [(21,)]


def test_other_settings_publish_a_version_and_old_ones_go(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes)
    for size in (32, 40, 48):
        run(dataset, size=size, keep_versions=2)
    assert published.numbers(dataset.versions) == [2, 3]
    assert dataset.current.resolve().name == "3"
    assert json.loads((dataset.current / "dataset.json").read_text())["parent"]


def test_growth_moves_no_picture(adopt: Adopt, two_classes: Classes) -> None:
    run(adopt(two_classes))
    grown = {name: [draw_jpeg(900 + 50 * k + n) for n in range(20)] for k, name in enumerate("AB")}
    dataset = adopt(two_classes)
    before = splits_of(dataset)
    dataset = adopt(grown)
    assert run(dataset).summary["moved"] == 0
    after = splits_of(dataset)
    assert len(after) == 60
    assert {s: after[s] for s in before} == before
    assert Counter(after.values()) == {"train": 48, "val": 6, "test": 6}


def test_another_seed_assigns_anew(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    before = splits_of(dataset)
    assert run(dataset, seed=1).summary["moved"] != 0
    assert splits_of(dataset) != before


def test_look_alikes_share_a_split(
    adopt: Adopt, scene: Callable[..., Image.Image], jpeg: Callable[..., bytes]
) -> None:
    classes = {c: [jpeg(scene(k + n)) for n in range(12)] for k, c in ((0, "A"), (50, "B"))}
    copies = [recoded(data) for data in classes["A"][:6]]
    classes["B"] += copies
    dataset = adopt(classes)
    outcome = run(dataset, conflicts="train-only")
    assert outcome.summary["conflicts"] == 6
    splits = splits_of(dataset)
    for data, copy in zip(classes["A"], copies, strict=False):
        assert splits[sha(data)] == splits[sha(copy)] == "train"


@pytest.mark.parametrize(("policy", "kept"), [("quarantine", 18), ("best-rank", 19)])
def test_one_picture_under_two_classes_is_settled(
    adopt: Adopt, two_classes: Classes, policy: str, kept: int
) -> None:
    shared = two_classes["A"][0]
    dataset = adopt(two_classes | {"B": [*two_classes["B"][1:], shared]})
    assert run(dataset, conflicts=policy).summary["kept"] == kept
    links = sorted(p.name for p in (dataset.quarantine / "conflict").iterdir())
    names = [f"{c}__{sha(shared)[:16]}.jpg" for c in ("A", "B")]
    assert links == names[1 if policy == "best-rank" else 0 :]
    assert (dataset.quarantine / "conflict" / names[1]).read_bytes() == shared


def test_unusable_pictures_are_out_and_linked(adopt: Adopt, two_classes: Classes) -> None:
    blank = io.BytesIO()
    Image.new("RGB", (90, 90), "white").save(blank, "PNG")
    bad = [b"\xff\xd8\xff broken", blank.getvalue(), draw_jpeg(555, (60, 20))]
    dataset = adopt(two_classes | {"A": [*two_classes["A"], *bad]})
    assert run(dataset).summary["dropped"] == {"broken": 1, "placeholder": 1, "too_small": 1}
    assert run(dataset, min_side=10).summary["dropped"] == {"broken": 1, "placeholder": 1}
    assert {p.name for p in dataset.quarantine.iterdir()} == {"broken", "placeholder"}


def test_quality_issues_drop_only_when_named(adopt: Adopt, two_classes: Classes) -> None:
    grey = io.BytesIO()
    Image.open(io.BytesIO(draw_jpeg(77))).convert("L").save(grey, "JPEG")
    dataset = adopt(two_classes | {"A": [*two_classes["A"], grey.getvalue()]})
    assert run(dataset).summary["issues"]["grayscale"] == 1  # type: ignore[index]
    assert "grayscale" not in run(dataset).summary["dropped"]  # type: ignore[operator]
    assert run(dataset, drop="grayscale").summary["dropped"]["grayscale"] == 1  # type: ignore[index]


def test_a_small_class_trains_and_is_named(adopt: Adopt, two_classes: Classes) -> None:
    outcome = run(adopt(two_classes | {"C": [draw_jpeg(501), draw_jpeg(502)], "D": []}))
    assert outcome.exit_code == 3
    assert outcome.summary["small_classes"] == ["C"]
    assert outcome.summary["classes_without_pictures"] == ["D"]
    assert outcome.summary["counts"]["C"] == {"train": 2, "val": 0, "test": 0}  # type: ignore[index]
    assert "C" in outcome.problem
    assert "D" in outcome.problem


def test_fewer_than_two_classes_that_can_be_split_are_refused(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt({"A": two_classes["A"], "B": two_classes["B"][:2]})
    with pytest.raises(UsageError, match="1 of 2 classes"):
        run(dataset)
    assert not dataset.current.exists()
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.runs("curate")[-1].outcome == "failed"


def test_nothing_to_curate_says_what_to_do(adopt: Adopt, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError) as caught:
        run(adopt({"A": []}))
    assert "scrape" in caught.value.cure
    with pytest.raises(MissingInputError):
        run(Dataset(tmp_path / "nowhere"))


def test_the_exact_hash_decides_the_same_and_is_recorded(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes | {"A": [*two_classes["A"], recoded(two_classes["A"][0])]})
    fast = run(dataset).summary
    exact = run(dataset, exact_hash=True).summary
    assert exact["version"] == fast["version"]
    with Manifest(dataset.manifest_path) as manifest:
        versions = [run.versions for run in manifest.runs("curate")]
    assert "imagehash" not in versions[0]
    assert versions[0]["phash"] != versions[1]["phash"]
    assert versions[1]["imagehash"]
