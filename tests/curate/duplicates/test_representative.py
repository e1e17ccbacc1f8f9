import io
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from curate.duplicates.links import Link
from curate.duplicates.representative import find_enlarged, keep_best, ranked
from curate.features.fidelity import NOTHING, Fidelity, fidelity, is_enlarged
from sceneset.images import decode
from sceneset.manifest.rows import KeptPicture

NAMES = tuple("abcdefgh")


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
    grown = find_enlarged([("a", "b")], measured)
    assert grown == find_enlarged([("b", "a")], measured)
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
    "slightly brightened": lambda p: again(p.point(lambda v: min(255, int(v * 1.3)))),
}


@pytest.mark.parametrize("edit", WORSE)
def test_the_native_whole_and_clean_copy_is_better(edit: str) -> None:
    for seed in range(3):
        native = photo_like(seed)
        # The worse one has more bytes, so that these do not decide.
        assert better_of(again(native), WORSE[edit](native), a=90_000) == "first"


TONES: dict[str, Callable[[Image.Image], Image.Image]] = {
    "brightened": lambda p: p.point(lambda v: min(255, int(v * 1.3))),
    "less contrast": lambda p: p.point(lambda v: int(110 + 0.7 * (v - 110))),
}


@pytest.mark.parametrize("white", [False, True], ids=["scene", "on white"])
@pytest.mark.parametrize("edit", TONES)
def test_the_copy_with_other_tones_is_worse(edit: str, *, white: bool) -> None:
    for seed in range(4):
        native = photo_like(seed, mean=120, spread=50)
        if white:
            native.paste("white", (40, 30, 110, 150))
        # Told by the tones or, where nothing is cut off, by the bytes that an encoder needs.
        more = 9_500 if edit != "less contrast" else 8_500
        assert better_of(again(native), again(TONES[edit](native)), a=more) == "first"


def test_a_copy_that_lost_its_colour_is_worse() -> None:
    for seed in range(3):
        bands = [photo_like(10 * seed + k).convert("L") for k in range(3)]
        native = Image.blend(photo_like(seed), Image.merge("RGB", bands), 0.3)
        grey = native.convert("L").convert("RGB")
        assert better_of(again(native), grey, a=90_000) == "first"
        assert better_of(again(native.resize((96, 72))), grey) == "second"


def test_a_plain_margin_that_jpeg_made_rough_is_no_scene() -> None:
    native = photo_like(3)
    native.paste((250, 250, 250), (0, 0, 240, 32))
    assert better_of(again(native), again(native, 10), a=90_000) == "first"


def photo_like(seed: int, *, mean: float = 128, spread: float = 45) -> Image.Image:
    """Draw a picture whose spectrum falls off as a photo's does."""
    rng = np.random.default_rng(seed)
    frequency = np.hypot(np.fft.fftfreq(180)[:, None], np.fft.fftfreq(240)[None])
    waves = np.fft.fft2(rng.normal(size=(180, 240))) / np.maximum(frequency, 1 / 240) ** 1.1
    values = np.fft.ifft2(waves).real
    grey = np.clip(mean + spread * (values - values.mean()) / values.std(), 0, 255)
    return Image.fromarray(grey.astype(np.uint8)).convert("RGB")


FIDELITIES = st.builds(
    lambda side, border, blocking, sharpness: Fidelity(
        side, side, border, blocking, sharpness, 1.5, False, *np.zeros((2, 33)), NOTHING.luma
    ),
    st.integers(1, 400),
    st.floats(0, 1),
    st.floats(0.5, 3),
    st.floats(0, 2),
)


@given(
    measured=st.dictionaries(st.sampled_from(NAMES), FIDELITIES),
    grown=st.frozensets(st.sampled_from(NAMES)),
    by_hand=st.frozensets(st.sampled_from(NAMES)),
    data=st.data(),
)
def test_the_ranking_is_one_total_order_whatever_else_is_ranked(
    measured: dict[str, Fidelity],
    grown: frozenset[str],
    by_hand: frozenset[str],
    data: st.DataObject,
) -> None:
    some = data.draw(st.lists(st.sampled_from(NAMES), unique=True))
    known = {name: measured.get(name, NOTHING) for name in NAMES}
    every = ranked([kept(n) for n in NAMES], known, by_hand=by_hand, enlarged=grown)
    order = ranked([kept(n) for n in some], known, by_hand=by_hand, enlarged=grown)
    assert order == [name for name in every if name in some]


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
    assert stored[2:6] == pytest.approx(measure[2:6], rel=1e-6)
    assert np.allclose(stored.across, measure.across)
    assert np.array_equal(stored.luma, measure.luma)
    assert not stored.has_orientation


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (9, 9), (40, 1)])
def test_tiny_and_plain_pictures_are_measured(size: tuple[int, int]) -> None:
    for colour in ("black", "white"):
        measure = fidelity(Image.new("RGB", size, colour))
        assert (measure.width, measure.height) == size
        assert np.isfinite(np.concatenate([measure[:6], measure.across, measure.down])).all()
