from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, ImageOps
from support.curate import Adopt, jpeg, rows_of, run, scene, sha

from bench.curate.keep_best import drop, measure
from curate.duplicates.links import Link
from curate.duplicates.representative import keep_best
from curate.features.fidelity import Fidelity, fidelity

PLAIN = fidelity(scene(1))


def watermarked(image: Image.Image) -> Image.Image:
    image = image.copy()
    font = ImageFont.load_default(16)
    ImageDraw.Draw(image).text((60, 80), "(c) STOCK PHOTO", "white", font)
    return image


MARKED = fidelity(watermarked(scene(1)))


def linked(names: str, kind: str = "whole") -> list[Link]:
    return [Link(a, b, 4, kind, duplicate=True) for a, b in combinations(names, 2)]  # type: ignore[arg-type]


def test_a_marked_copy_yields_however_good_it_is() -> None:
    measured = {"a": MARKED, "b": MARKED, "c": PLAIN, "d": PLAIN}
    assert set(keep_best("abcd", linked("abcd"), fidelity=measured)) == {"a", "b", "d"}
    assert set(keep_best("ab", linked("ab"), fidelity=measured)) == {"b"}


def test_a_mirrored_copy_is_compared_as_a_mirror_image() -> None:
    measured = {"a": MARKED, "b": fidelity(ImageOps.mirror(scene(1)))}
    assert set(keep_best("ab", linked("ab", "mirrored"), fidelity=measured)) == {"a"}


def test_what_a_person_kept_stays_marked_or_not() -> None:
    measured = {"a": MARKED, "b": PLAIN}
    assert set(keep_best("ab", linked("ab"), by_hand={"a"}, fidelity=measured)) == {"b"}


def test_a_clean_crop_still_yields_to_the_marked_whole() -> None:
    measured = {"a": MARKED, "b": PLAIN}
    link = Link("b", "a", 4, "crop", duplicate=True)
    assert set(keep_best("ab", [link], fidelity=measured)) == {"b"}


@given(
    pairs=st.lists(st.sampled_from(list(combinations("abcdef", 2))), unique=True), data=st.data()
)
def test_the_order_of_links_changes_nothing(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    links = [Link(*pair, 4, "whole", duplicate=True) for pair in pairs]
    measured = {s: data.draw(st.sampled_from([PLAIN, MARKED])) for s in "abcdef"}
    dropped = keep_best("abcdef", links, fidelity=measured)
    assert keep_best("abcdef", data.draw(st.permutations(links)), fidelity=measured) == dropped
    assert all(link.other(name) not in dropped for name, link in dropped.items())


class Counted(dict[str, Fidelity]):
    """Count how often a measure is looked at."""

    reads = 0

    def __getitem__(self, key: str) -> Fidelity:  # noqa: D105  a fake
        self.reads += 1
        return super().__getitem__(key)


def test_three_hundred_copies_are_not_all_compared_with_each_other() -> None:
    names = [f"{k:03}" for k in range(300)]
    measured = Counted(dict.fromkeys(names[:-1], MARKED) | {names[-1]: PLAIN})
    links = [Link(a, b, 4, "whole", duplicate=True) for a, b in combinations(names, 2)]
    assert set(keep_best(names, links, fidelity=measured)) == set(names[:-1])
    # Two reads a comparison.
    assert 2 * 299 <= measured.reads <= 2 * 600


@pytest.mark.parametrize("quality", [85, 97])
def test_curate_keeps_the_copy_that_nothing_is_drawn_over(adopt: Adopt, quality: int) -> None:
    grain = np.random.default_rng(0).integers(0, 256, (180, 240, 3), dtype=np.uint8)
    image = Image.blend(scene(1), Image.fromarray(grain), 0.1)
    plain, marked = jpeg(image, 85), jpeg(watermarked(image), quality)
    others = {c: [jpeg(scene(k + n)) for n in range(6)] for k, c in ((20, "A"), (50, "B"))}
    dataset = adopt(others | {"A": [*others["A"], marked, plain]})
    run(dataset)
    kept = {row["sha256"] for row in rows_of(dataset)}
    assert sha(plain) in kept
    assert sha(marked) not in kept


@pytest.mark.slow
def test_the_original_is_kept_beside_its_watermarked_copy(shared_data: Path) -> None:
    originals = sorted((shared_data / "neardup" / "synthetic").glob("*_orig.jpg"))
    pairs = [(path, path.with_name(path.name.replace("orig", "watermark"))) for path in originals]
    kept = [drop(*map(measure, pair)) == sha(pair[1].read_bytes()) for pair in pairs]
    assert sum(kept) >= 0.8 * len(pairs)
