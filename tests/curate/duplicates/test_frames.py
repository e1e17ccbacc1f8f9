from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from support.curate import Adopt, rows_of, run, sha

from curate.duplicates.links import Link, with_frames
from curate.features import phash
from curate.features.fidelity import fidelity

Scene = Callable[..., Image.Image]


def settled(part: Image.Image, whole: Image.Image, kind: str = "crop") -> str:
    """Return which of two linked pictures yields: the `part` that was cut, or the `whole`."""
    pictures = {"part": part, "whole": whole}
    link = Link("part", "whole", 4, kind, duplicate=True)  # type: ignore[arg-type]
    measured = {name: fidelity(image) for name, image in pictures.items()}
    thumbs = {name: phash.thumbnail(phash.luma(image)) for name, image in pictures.items()}
    found = with_frames([link], measured, thumbs)
    assert found[0].directed
    return found[0].first


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("edit", [ImageOps.mirror, lambda p: p], ids=["mirrored", "as it is"])
def test_a_thinly_framed_copy_yields_to_what_it_frames(
    edit: Callable[[Image.Image], Image.Image], seed: int, scene: Scene
) -> None:
    framed = ImageOps.expand(scene(seed), border=7, fill="white")
    assert settled(edit(scene(seed)), framed) == "whole"


def test_a_crop_of_a_framed_picture_still_yields(scene: Scene) -> None:
    framed = ImageOps.expand(scene(1), border=7, fill="white")
    assert settled(scene(1).crop((18, 14, 222, 166)), framed) == "part"


def test_a_crop_of_a_picture_without_a_border_yields(scene: Scene) -> None:
    assert settled(scene(1).crop((7, 7, 233, 173)), scene(1)) == "part"


def test_the_better_copy_is_kept_in_whatever_order_they_came(
    adopt: Adopt, scene: Callable[..., Image.Image], jpeg: Callable[..., bytes], tmp_path: Path
) -> None:
    # Drawn without fine detail, a picture is as good when upscaled.
    grain = np.random.default_rng(0).integers(0, 256, (180, 240, 3), dtype=np.uint8)
    drawn = Image.blend(scene(1), Image.fromarray(grain), 0.15)
    native = jpeg(drawn)
    worse = [
        jpeg(drawn.resize((480, 360), Image.Resampling.BICUBIC), 97),
        jpeg(ImageOps.expand(drawn, border=(0, 18), fill="black"), 97),
        jpeg(ImageOps.expand(drawn, border=5, fill="white"), 97),
        jpeg(drawn, 20),
        jpeg(drawn.crop((12, 9, 228, 171)).resize((480, 360)), 97),
    ]
    others = {c: [jpeg(scene(k + n)) for n in range(6)] for k, c in ((20, "A"), (50, "B"))}
    for order in ([native, *worse], [*worse, native]):
        dataset = adopt(others | {"A": [*others["A"], *order]})
        run(dataset)
        kept = {row["sha256"] for row in rows_of(dataset)}
        assert sha(native) in kept
        assert not kept & {sha(data) for data in worse}
        dataset.root.rename(tmp_path / f"set-{len(list(tmp_path.iterdir()))}")


@pytest.mark.parametrize("bands", [2, 3])
@pytest.mark.parametrize("axis", [0, 1])
def test_bands_that_meet_are_a_scene_and_leave_finite_measures(bands: int, axis: int) -> None:
    tones = np.repeat(np.linspace(30, 220, bands), 60 // bands)
    pixels = np.broadcast_to(np.expand_dims(tones, axis), (60, 60)).astype(np.uint8)
    seen = fidelity(Image.fromarray(pixels).convert("RGB"))
    assert seen.pixels == (60 * 60 if bands == 2 else 60 * 20)
    assert np.isfinite([*seen.across, *seen.down, *seen[:6]]).all()
