from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont, ImageOps
from support.curate import jpeg, scene

from curate.features.overlay import SIDE, is_overlaid, small_luma
from sceneset.images import decode

Edit = Callable[[Image.Image], Image.Image]


def again(image: Image.Image, quality: int = 88) -> Image.Image:
    return decode(jpeg(image, quality))


def seen(image: Image.Image) -> np.ndarray:
    return small_luma(image.convert("L"))


def with_text(image: Image.Image, tone: int, alpha: int) -> Image.Image:
    layer = Image.new("RGBA", image.size)
    draw = ImageDraw.Draw(layer)
    draw.text((20, 70), "(c) STOCK PHOTO", (tone,) * 3 + (alpha,), ImageFont.load_default(24))
    return Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")


def with_caption(image: Image.Image) -> Image.Image:
    image = image.copy()
    draw = ImageDraw.Draw(image)
    draw.rectangle((0, 155, 240, 180), fill="black")
    draw.text((10, 158), "a caption", "white", ImageFont.load_default(16))
    return image


def with_logo(image: Image.Image) -> Image.Image:
    image = image.copy()
    ImageDraw.Draw(image).ellipse((190, 10, 230, 50), fill=(250, 250, 250))
    return image


MARKS: dict[str, Edit] = {
    "white text": lambda p: with_text(p, 255, 255),
    "half-transparent text": lambda p: with_text(p, 255, 150),
    "half-transparent dark text": lambda p: with_text(p, 0, 150),
    "caption": with_caption,
    "logo": with_logo,
}
LATER: dict[str, Edit] = {
    "as it is": lambda p: p,
    "compressed": lambda p: again(p, 60),
    "half": lambda p: p.resize((120, 90), Image.Resampling.LANCZOS),
    "brightened": lambda p: p.point(lambda v: min(255, int(v * 1.1))),
    "less contrast": lambda p: p.point(lambda v: int(110 + 0.8 * (v - 110))),
}
CLEAN: dict[str, Edit] = LATER | {
    "much compressed": lambda p: again(p, 10),
    "upscaled": lambda p: p.resize((480, 360), Image.Resampling.BICUBIC),
    "much brightened": lambda p: p.point(lambda v: min(255, int(v * 1.6))),
    "grey": lambda p: p.convert("L").convert("RGB"),
    "inverted": ImageOps.invert,
    "cut": lambda p: p.crop((6, 5, 234, 175)),
}


@pytest.mark.parametrize("later", LATER)
@pytest.mark.parametrize("mark", MARKS)
def test_the_copy_that_something_is_drawn_over_is_told(mark: str, later: str) -> None:
    pairs = [(again(LATER[later](MARKS[mark](p))), again(p, 95)) for p in map(scene, range(4))]
    assert sum(is_overlaid(seen(marked), seen(plain)) for marked, plain in pairs) >= 3
    assert not any(is_overlaid(seen(plain), seen(marked)) for marked, plain in pairs)


@pytest.mark.parametrize("edit", CLEAN)
def test_a_copy_with_other_tones_or_detail_has_nothing_drawn_over_it(edit: str) -> None:
    for seed in range(4):
        plain, edited = seen(again(scene(seed), 95)), seen(again(CLEAN[edit](scene(seed))))
        assert not is_overlaid(plain, edited), seed
        assert not is_overlaid(edited, plain), seed


@given(
    first=st.integers(0, 2**32 - 1),
    share=st.sampled_from([0.0, 0.3, 1.0]),
    spread=st.sampled_from([0, 1, 20, 255]),
    box=st.tuples(*[st.integers(0, SIDE)] * 4, st.integers(0, 255)),
)
def test_of_two_copies_at_most_one_is_overlaid(
    first: int, share: float, spread: int, box: tuple[int, int, int, int, int]
) -> None:
    rng = np.random.default_rng(first)
    base = rng.integers(0, spread, (SIDE, SIDE), endpoint=True).astype(np.uint8)
    other = (base + share * rng.integers(0, 40, base.shape)).clip(0, 255).astype(np.uint8)
    left, right, top, bottom, tone = box
    other[top:bottom, left:right] = tone
    assert not (is_overlaid(base, other) and is_overlaid(other, base))
    assert not is_overlaid(base, base)
