from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from curate import features
from curate.duplicates import Link, find_links, keep_best, may_share_pixels, ranked, with_pixels
from curate.features import Features
from pipeline.dataset import Dataset
from pipeline.manifest import Manifest
from pipeline.progress import Bar, Bars
from pipeline.rows import KeptPicture

NAMES = tuple("abcdefgh")


def no_bar(_total: int) -> Bar:
    return Bars(None).add("")


def whole(first: str, second: str) -> Link:
    return Link(first, second, 4, "whole", duplicate=True)


def crop(part: str, of: str) -> Link:
    return Link(part, of, 6, "crop", duplicate=True)


LINKS = st.lists(
    st.builds(
        lambda pair, directed: crop(*pair) if directed else whole(*sorted(pair)),
        st.lists(st.sampled_from(NAMES), min_size=2, max_size=2, unique=True),
        st.booleans(),
    ),
    max_size=14,
    unique_by=lambda link: link.pair,
)


@given(links=LINKS, data=st.data())
def test_the_best_copy_is_kept_whatever_the_order_of_links(
    links: list[Link], data: st.DataObject
) -> None:
    shuffled = data.draw(st.permutations(links))
    assert keep_best(NAMES, links) == keep_best(NAMES, shuffled)


@given(links=LINKS)
def test_every_dropped_picture_is_a_direct_copy_of_a_kept_one(links: list[Link]) -> None:
    dropped = keep_best(NAMES, links)
    kept = set(NAMES) - dropped.keys()
    assert all(link.other(name) in kept and link in links for name, link in dropped.items())
    assert not [link for link in links if set(link.pair) <= kept]


def test_a_chain_loses_only_its_middle() -> None:
    assert set(keep_best("bac", [whole("a", "b"), whole("b", "c")])) == {"a", "c"}
    assert set(keep_best("abc", [whole("a", "b"), whole("b", "c")])) == {"b"}


def test_a_crop_yields_to_the_whole_however_good_it_is() -> None:
    assert set(keep_best("ab", [crop("a", "b")])) == {"a"}


def test_crops_of_each_other_in_a_circle_leave_one() -> None:
    assert len(keep_best("abc", [crop("a", "b"), crop("b", "c"), crop("c", "a")])) == 2


def kept(sha256: str, **changes: int) -> KeptPicture:
    size = {"width": 200, "height": 100, "bytes": 9000} | changes
    return KeptPicture(1, sha256, f"raw/{sha256}", "JPEG", **size, rank=0, page_url="", site="", engine="")  # fmt: skip  # type: ignore[arg-type]


class FewScores(dict[str, object]):
    sharpness = 10.0


@pytest.mark.parametrize(
    "better",
    [kept("b", width=300), kept("b", bytes=9001), kept("a")],
    ids=["more pixels", "more bytes", "smaller SHA-256"],
)
def test_the_better_picture_ranks_first(better: KeptPicture) -> None:
    worse = kept("a") if better.sha256 == "b" else kept("c")
    scores = {p.sha256: FewScores() for p in (better, worse)}
    known = Features({}, {}, {}, {}, scores, {})  # type: ignore[arg-type]
    assert ranked([worse, better], known, set())[0] == better.sha256
    assert ranked([worse, better], known, {worse.sha256})[0] == worse.sha256


def links_of(dataset: Dataset, *, views: bool = True) -> tuple[list[Link], list[KeptPicture]]:
    with Manifest(dataset.manifest_path) as manifest:
        pictures = manifest.kept_pictures()
        files: dict[str, Path] = {p.sha256: dataset.root / p.path for p in pictures}
        features.measure_missing(manifest, files, "serial", no_bar)
        known = features.load(manifest, files)
        links = find_links(files, known, radius=8, leak_radius=12, views=views)
        alike = may_share_pixels(pictures, known, links)
        digests = features.pixel_digests(manifest, {s: files[s] for s in alike}, "serial", no_bar)
    return with_pixels(links, digests), pictures


def edits(picture: Image.Image) -> dict[str, Image.Image]:
    return {
        "whole": picture.resize((120, 90)),
        "mirrored": ImageOps.mirror(picture),
        "crop": picture.crop((14, 8, 229, 170)),
        "border": ImageOps.expand(picture, border=(0, 16), fill="black"),
    }


@pytest.mark.parametrize("kind", ["whole", "mirrored", "crop", "border"])
def test_each_edit_is_found_as_what_it_is(
    kind: str,
    adopt: Callable[..., Dataset],
    scene: Callable[..., Image.Image],
    jpeg: Callable[..., bytes],
) -> None:
    edited = jpeg(edits(scene(1))[kind])
    others = [jpeg(scene(seed)) for seed in range(2, 8)]
    links, pictures = links_of(adopt({"A": [jpeg(scene(1)), edited, *others]}))
    copies = [link for link in links if link.duplicate]
    assert [link.kind for link in copies] == [kind]
    by_rank = {p.rank: p.sha256 for p in pictures}
    assert set(copies[0].pair) == {by_rank[0], by_rank[1]}
    if copies[0].directed:
        assert copies[0].first == by_rank[1]


def test_without_views_only_whole_pictures_are_copies(
    adopt: Callable[..., Dataset],
    scene: Callable[..., Image.Image],
    jpeg: Callable[..., bytes],
) -> None:
    changed = edits(scene(1))
    cut = changed["mirrored"].crop((34, 25, 240, 180))
    pictures: Sequence[bytes] = [jpeg(scene(1)), jpeg(changed["mirrored"]), jpeg(cut)]
    links, _ = links_of(adopt({"A": pictures}), views=False)
    assert not [link for link in links if link.duplicate]
    assert [link.kind for link in links] == ["mirrored"]


def test_equal_pixels_in_other_bytes_are_exact_copies_even_when_flat(
    adopt: Callable[..., Dataset], scene: Callable[..., Image.Image], tmp_path: Path
) -> None:
    flat = Image.new("RGB", (90, 60), (200, 200, 200))
    flat.paste((210, 200, 190), (0, 0, 45, 60))
    pictures = []
    for name, image in (("a", scene(1)), ("b", flat)):
        for suffix in ("png", "bmp"):
            image.save(tmp_path / f"{name}.{suffix}")
            pictures.append((tmp_path / f"{name}.{suffix}").read_bytes())
    links, _ = links_of(adopt({"A": pictures}))
    assert [link.kind for link in links if link.duplicate] == ["pixels", "pixels"]
