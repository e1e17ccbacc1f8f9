import gzip
import io
import json
from functools import cache
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps
from support.curate import Adopt, Classes, jpeg, recoded, run, scene

from curate.duplicates.links import Link, find_links
from curate.duplicates.search import FILE, read_links, write_links
from curate.features import phash
from curate.features.cache import Features


@cache
def drawn() -> Features:
    """Return the features of 4 pictures, each also small, mirrored, cut and bordered."""
    whole, oriented, views, thumbs = {}, {}, {}, {}
    for seed in range(4):
        picture = scene(seed)
        edits = {
            "whole": picture,
            "small": picture.resize((120, 90)),
            "mirrored": ImageOps.mirror(picture),
            "crop": picture.crop((14, 8, 229, 170)),
            "border": ImageOps.expand(picture, border=(0, 16), fill="black"),
        }
        for edit, image in edits.items():
            name = f"{seed}-{edit}"
            grey = phash.luma(Image.open(io.BytesIO(jpeg(image))))
            pixels = phash.shrink(grey, phash.HASH_SIDE)
            oriented[name] = phash.phashes(pixels[None])[0]
            whole[name] = int(oriented[name][0])
            views[name] = phash.view_hashes(grey)
            thumbs[name] = phash.thumbnail(grey)
    return Features(whole, oriented, views, thumbs, {}, {})


def links(names: set[str], compared: set[str] = frozenset()) -> list[Link]:  # type: ignore[assignment]
    return find_links(names, drawn(), radius=8, leak_radius=12, views=True, compared=compared)


def test_the_drawn_pictures_have_links_of_every_kind() -> None:
    found = links(set(drawn().whole))
    assert {link.kind for link in found} >= {"whole", "mirrored", "crop", "border"}


@given(st.data())
def test_what_was_found_before_and_what_is_new_make_up_all_links(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("cache") / FILE
    names = set(drawn().whole)
    now, before = (data.draw(st.sets(st.sampled_from(sorted(names)))) for _ in range(2))
    write_links(path, "key", dict.fromkeys(before), links(before))
    compared, known = read_links(path, "key", dict.fromkeys(now))
    assert compared == now & before
    assert sorted([*known, *links(now, compared)]) == links(now)


@given(names=st.sets(st.sampled_from(sorted(drawn().whole))))
def test_links_are_read_back_as_they_were_written(
    tmp_path_factory: pytest.TempPathFactory, names: set[str]
) -> None:
    path = tmp_path_factory.mktemp("cache") / FILE
    write_links(path, "key", dict.fromkeys(names), links(names))
    assert read_links(path, "key", dict.fromkeys(names)) == (names, links(names))


@pytest.mark.parametrize(
    "damage", [b"", b"not gzip", gzip.compress(b"[1]", mtime=0), gzip.compress(b"{}", mtime=0)]
)
def test_a_damaged_memory_is_forgotten(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / FILE
    path.write_bytes(damage)
    assert read_links(path, "key", {"a": None}) == (set(), [])


@given(at=st.integers(0, 10**6), bit=st.integers(0, 7))
def test_a_bit_that_flipped_on_disk_stops_nothing(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    path = tmp_path_factory.mktemp("cache") / FILE
    write_links(path, "key", {"a": None, "b": None}, [Link("a", "b", 3, "whole", duplicate=True)])
    data = bytearray(path.read_bytes())
    data[at % len(data)] ^= 1 << bit
    path.write_bytes(data)
    assert read_links(path, "key", {"a": None, "b": None}) in (
        (set(), []),
        ({"a", "b"}, [Link("a", "b", 3, "whole", duplicate=True)]),
    )


def test_a_picture_whose_frame_was_found_since_is_compared_again(tmp_path: Path) -> None:
    path, box, other = tmp_path / FILE, [0.1, 0.9, 0.1, 0.9], [0.2, 0.8, 0.2, 0.8]
    write_links(path, "key", {"a": None, "b": box, "c": None}, [])
    compared, _ = read_links(path, "key", {"a": other, "b": box, "c": None})
    assert compared == {"b", "c"}


def test_links_found_with_other_radii_are_not_taken(tmp_path: Path) -> None:
    write_links(tmp_path / FILE, "radius 8", {"a": None}, [])
    assert read_links(tmp_path / FILE, "radius 10", {"a": None}) == (set(), [])


def test_of_a_set_that_is_mostly_copies_nothing_is_kept(tmp_path: Path) -> None:
    path = tmp_path / FILE
    write_links(path, "key", {"a": None}, [])
    many = [Link("a", "b", d, "whole", duplicate=True) for d in range(41)]
    write_links(path, "key", {"a": None, "b": None}, many)
    assert not path.exists()


def test_a_grown_set_comes_out_as_one_curated_whole(
    adopt: Adopt, two_classes: Classes, tmp_path: Path
) -> None:
    more = [recoded(two_classes["A"][0]), recoded(two_classes["B"][3])]
    dataset = adopt(two_classes)
    run(dataset)
    remembered = json.loads(gzip.decompress((dataset.root / "cache" / FILE).read_bytes()))
    assert len(remembered["pictures"]) == 20
    adopt(two_classes | {"A": [*two_classes["A"], *more]})
    grown = run(dataset).summary
    (dataset.root / "cache" / FILE).unlink()
    again = run(dataset).summary
    assert grown["dropped"] == again["dropped"]
    assert grown["version"] == again["version"]
