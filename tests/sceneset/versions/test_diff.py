from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError, MissingInputError
from sceneset.manifest.rows import SPLITS, Split
from sceneset.versions.published import (
    PublishedPicture,
    manifest_csv,
    parse_manifest_csv,
    record_json,
    version_id,
)
from sceneset.versions.status import SHOWN, compare, diff_lines, diff_versions


def picture(sha256: str, class_name: str = "A", split: Split = "train") -> PublishedPicture:
    path = f"{split}/{class_name}/{sha256}.jpg"
    return PublishedPicture(path, 0, class_name, split, sha256, "g", 9, 9, "u", "s", "e")


PICTURES = st.dictionaries(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from(["A", "B,\n", 'é"'])),
    st.sampled_from(SPLITS),
).map(lambda found: [picture(sha, name, split) for (sha, name), split in found.items()])


def versions(root: Path, *each: list[PublishedPicture]) -> Dataset:
    dataset = Dataset(root)
    for number, pictures in enumerate(each, start=1):
        folder = dataset.versions / str(number)
        folder.mkdir(parents=True)
        names = sorted({p.class_name for p in pictures})
        record = {"version": version_id(pictures), "class_names": names, "settings": {"n": number}}
        (folder / "manifest.csv").write_bytes(manifest_csv(pictures))
        (folder / "dataset.json").write_bytes(record_json(record))
    return dataset


@given(PICTURES)
def test_a_manifest_reads_back_as_it_was_written(pictures: list[PublishedPicture]) -> None:
    assert parse_manifest_csv(manifest_csv(pictures)) == sorted(pictures, key=lambda p: p.path)


@given(PICTURES, PICTURES)
def test_every_picture_is_accounted_for_once(
    before: list[PublishedPicture], after: list[PublishedPicture]
) -> None:
    diff, unchanged = compare(before, after)
    both = unchanged + len(diff["changed_class"]) + len(diff["changed_split"])
    assert len(before) == both + len(diff["went"])
    assert len(after) == both + len(diff["came"])
    back, _ = compare(after, before)
    assert (len(back["came"]), len(back["went"])) == (len(diff["went"]), len(diff["came"]))
    assert compare(before, before)[1] == len(before)


@given(PICTURES, PICTURES)
def test_versions_differ_just_when_their_ids_do(
    before: list[PublishedPicture], after: list[PublishedPicture]
) -> None:
    diff, _ = compare(before, after)
    same = not any(diff.values())
    assert same == (version_id(before) == version_id(after))


def test_each_kind_of_change_is_told_apart(tmp_path: Path) -> None:
    before = [picture("a"), picture("b"), picture("c"), picture("d")]
    after = [picture("a"), picture("b", "B"), picture("c", "A", "test"), picture("e", "B")]
    diff = diff_versions(versions(tmp_path, before, after), (1, 2))
    assert diff["counts"] == {
        "came": 1, "went": 1, "changed_class": 1, "changed_split": 1, "unchanged": 1,
    }  # fmt: skip
    assert [c["sha256"] for c in diff["came"]] == ["e"]
    assert diff["went"] == [
        {"sha256": "d", "path": "train/A/d.jpg", "class": "A", "split": "train"}
    ]
    assert diff["changed_class"][0]["class"] == ["A", "B"]
    assert diff["changed_split"][0]["split"] == ["train", "test"]
    assert diff["classes"] == {"came": ["B"], "went": [], "renumbered": []}
    assert diff["settings"] == {"n": [1, 2]}
    text = "\n".join(diff_lines(diff))
    assert "1 came, 1 went, 1 changed class, 1 changed split, 1 unchanged" in text
    assert "train/B/b.jpg  (A -> B)" in text
    assert "classes came: B" in text


def test_a_class_that_comes_first_renumbers_the_others(tmp_path: Path) -> None:
    dataset = versions(tmp_path, [picture("a", "B")], [picture("a", "B"), picture("b", "A")])
    assert diff_versions(dataset, (1, 2))["classes"]["renumbered"] == ["B"]


def test_long_lists_are_cut_for_people_only(tmp_path: Path) -> None:
    many = [picture(f"{n:02}") for n in range(SHOWN + 3)]
    diff = diff_versions(versions(tmp_path, [picture("00")], many), (1, 2))
    assert len(diff["came"]) == SHOWN + 2
    assert "  ... and 2 more (--json has all)" in diff_lines(diff)


def test_a_version_that_is_not_there_is_named_with_those_that_are(tmp_path: Path) -> None:
    dataset = versions(tmp_path, [picture("a")], [picture("a")])
    with pytest.raises(MissingInputError, match="no published version 7") as caught:
        diff_versions(dataset, (1, 7))
    assert caught.value.cure == "name two of 1, 2"
    (tmp_path / "one").mkdir()
    with pytest.raises(MissingInputError, match="no published version 2") as caught:
        diff_versions(versions(tmp_path / "one", [picture("a")]), (1, 2))
    assert "curate" in caught.value.cure
    with pytest.raises(MissingInputError) as caught:
        diff_versions(Dataset(tmp_path / "none"), (1, 2))
    assert "curate" in caught.value.cure


@pytest.mark.parametrize("text", [b"", b"path,label\n", b"\xff", None])
def test_a_version_that_cannot_be_read_is_damaged(tmp_path: Path, text: bytes | None) -> None:
    dataset = versions(tmp_path, [picture("a")], [picture("a")])
    path = dataset.versions / "2" / "manifest.csv"
    path.write_bytes(path.read_bytes().replace(b"train,", b"trian,") if text is None else text)
    with pytest.raises(DamagedDataError, match=r"manifest\.csv cannot be read"):
        diff_versions(dataset, (1, 2))


@pytest.mark.parametrize(
    "record", [b"", b"[]", b"{}", b'{"version": 3, "class_names": 7, "settings": []}']
)
def test_pictures_are_compared_also_where_the_record_says_nothing(
    tmp_path: Path, record: bytes
) -> None:
    dataset = versions(tmp_path, [picture("a")], [picture("a"), picture("b")])
    (dataset.versions / "2" / "dataset.json").write_bytes(record)
    diff = diff_versions(dataset, (1, 2))
    assert diff["counts"]["came"] == 1
    assert diff_lines(diff)
