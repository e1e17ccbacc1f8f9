import io
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from curate import features
from curate.best import enlarged, keep_best, ranked
from curate.duplicates import Link, find_links, with_pixels
from curate.fidelity import Fidelity, fidelity, is_enlarged
from pipeline.dataset import Dataset
from pipeline.manifest import Manifest
from pipeline.pictures import decode
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


def test_two_copies_kept_by_hand_both_stay_and_both_drop_their_others() -> None:
    links = [whole("a", "b"), whole("b", "c"), crop("b", "d")]
    dropped = keep_best("abcd", links, by_hand={"a", "b"})
    assert dropped == {"c": links[1], "d": links[2]}


@given(links=LINKS, by_hand=st.frozensets(st.sampled_from(NAMES)))
def test_what_a_person_kept_stays_and_no_other_copy_does(
    links: list[Link], by_hand: frozenset[str]
) -> None:
    order = sorted(NAMES, key=lambda name: (name not in by_hand, name))
    dropped = keep_best(order, links, by_hand=by_hand)
    left = set(NAMES) - dropped.keys()
    assert by_hand <= left
    assert not [link for link in links if set(link.pair) <= left and not set(link.pair) <= by_hand]
    assert all(link.other(name) in left for name, link in dropped.items())


def kept(sha256: str, **changes: int) -> KeptPicture:
    size = {"width": 200, "height": 100, "bytes": 9000} | changes
    return KeptPicture(1, sha256, f"raw/{sha256}", "JPEG", **size, rank=0, page_url="", site="", engine="")  # fmt: skip  # type: ignore[arg-type]


def better_of(first: Image.Image, second: Image.Image, **bytes_of: int) -> str:
    """Rank two pictures, the first with the larger SHA-256, and return the winner."""
    measured = {"b": fidelity(first), "a": fidelity(second)}
    pictures = [kept(name, bytes=bytes_of.get(name, 9000)) for name in "ab"]
    grown = enlarged([("a", "b")], measured)
    assert grown == enlarged([("b", "a")], measured)
    order = ranked(pictures, measured, enlarged=grown)
    assert order == ranked(pictures[::-1], measured, enlarged=grown)
    return {"b": "first", "a": "second"}[order[0]]


def again(image: Image.Image, quality: int = 90) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return decode(buffer.getvalue())


WORSE: dict[str, Callable[[Image.Image], Image.Image]] = {
    "letterboxed": lambda p: again(ImageOps.expand(p, border=(0, 40), fill="black")),
    "framed": lambda p: again(ImageOps.expand(p, border=30, fill="white")),
    "upscaled": lambda p: again(p.resize((480, 360), Image.Resampling.BICUBIC)),
    "slightly upscaled": lambda p: again(p.resize((320, 240), Image.Resampling.LANCZOS)),
    "stretched": lambda p: again(p.resize((320, 180), Image.Resampling.BICUBIC)),
    "squeezed": lambda p: again(p.resize((160, 180), Image.Resampling.LANCZOS)),
    "half": lambda p: again(p.resize((120, 90), Image.Resampling.LANCZOS)),
    "much compressed": lambda p: again(p, 15),
    "compressed": lambda p: again(p, 35),
    "brightened": lambda p: again(p.point(lambda v: min(255, int(v * 1.6)))),
}


@pytest.mark.parametrize("edit", WORSE)
def test_the_native_whole_and_clean_copy_is_better(edit: str) -> None:
    for seed in range(3):
        native = photo_like(seed)
        # The worse one has more bytes, so that these do not decide.
        assert better_of(again(native), WORSE[edit](native), a=90_000) == "first"


def photo_like(seed: int) -> Image.Image:
    """Draw a picture whose spectrum falls off as a photo's does."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(180)[:, None], np.fft.fftfreq(240)[None])
    waves = np.fft.fft2(rng.normal(size=(180, 240))) / np.maximum(frequency, 1 / 240) ** 1.1
    values = np.fft.ifft2(waves).real
    grey = np.clip(128 + 45 * (values - values.mean()) / values.std(), 0, 255)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


def test_bytes_then_the_sha256_decide_between_equals() -> None:
    same = photo_like(1)
    assert better_of(same, same, b=9001) == "first"
    assert better_of(same, same) == "second"


def test_what_a_person_kept_ranks_first() -> None:
    measured = {"a": fidelity(photo_like(1)), "b": fidelity(WORSE["half"](photo_like(1)))}
    assert ranked([kept("a"), kept("b")], measured, by_hand={"b"}) == ["b", "a"]


def test_an_original_with_little_detail_is_no_enlargement_of_a_larger_one() -> None:
    small, large = fidelity(photo_like(1)), fidelity(photo_like(1).resize((480, 360)))
    assert not is_enlarged(small, large)
    assert is_enlarged(large, small)


def test_fidelity_survives_storage() -> None:
    measure = fidelity(photo_like(2))
    stored = Fidelity.from_bytes(measure.to_bytes())
    assert stored[:2] == measure[:2]
    assert stored[2:5] == pytest.approx(measure[2:5], rel=1e-6)
    assert np.allclose(stored.across, measure.across)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 9), (40, 1)])
def test_tiny_and_plain_pictures_are_measured(size: tuple[int, int]) -> None:
    for colour in ("black", "white"):
        measure = fidelity(Image.new("RGB", size, colour))
        assert (measure.width, measure.height) == size
        assert np.isfinite(np.concatenate([measure[:5], measure.across, measure.down])).all()


def links_of(dataset: Dataset, *, views: bool = True) -> tuple[list[Link], list[KeptPicture]]:
    with Manifest(dataset.manifest_path) as manifest:
        pictures = manifest.kept_pictures()
        files: dict[str, Path] = {p.sha256: dataset.root / p.path for p in pictures}
        features.measure_missing(manifest, files, "serial", no_bar)
        known = features.load(manifest, files)
        links = find_links(files, known, radius=8, leak_radius=12, views=views)
        closer = features.closer(manifest, files, "serial", no_bar)
    return with_pixels(links, files, closer.digests), pictures


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
