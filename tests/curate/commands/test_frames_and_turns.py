import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from sceneset.dataset import Dataset
from tests.support.curate import jpeg, rows_of, run, scene, sha

Adopt = Callable[..., Dataset]


def in_a_frame(seed: int) -> Image.Image:
    """Draw one of many soft scenes in the same white frame."""
    tones = np.random.default_rng(seed).integers(60, 200, (3, 4, 3)).astype(np.uint8)
    picture = Image.fromarray(tones).resize((212, 159), Image.Resampling.BICUBIC)
    return ImageOps.expand(picture, border=(14, 14, 14, 57), fill="white")


def test_a_set_in_which_every_picture_has_the_same_frame_is_kept_whole(adopt: Adopt) -> None:
    classes = {c: [jpeg(in_a_frame(k + n)) for n in range(40)] for k, c in ((0, "A"), (50, "B"))}
    outcome = run(adopt(classes))
    assert outcome.summary["dropped"] == {}
    assert outcome.summary["conflicts"] == 0


def test_pictures_that_are_all_frame_stop_nothing(adopt: Adopt) -> None:
    frames = [Image.new("RGB", (200, 150), (tone, tone, tone)) for tone in (0, 128, 255)]
    speck = Image.new("RGB", (200, 150), "white")
    speck.paste("black", (90, 70, 110, 80))
    classes = {
        "A": [jpeg(scene(k)) for k in range(8)] + [jpeg(frame) for frame in (*frames, speck)],
        "B": [jpeg(scene(50 + k)) for k in range(8)],
    }
    assert run(adopt(classes)).summary["dropped"] == {"placeholder": 3}


def test_turned_copies_are_dropped_and_never_parted(adopt: Adopt) -> None:
    turns = [Image.Transpose.ROTATE_90, Image.Transpose.ROTATE_180, Image.Transpose.ROTATE_270]
    originals = {c: [scene(k + n) for n in range(9)] for k, c in ((0, "A"), (50, "B"))}
    copies = {
        c: [jpeg(p.transpose(turns[k % 3])) for k, p in enumerate(own)]
        for c, own in originals.items()
    }
    classes = {c: [*map(jpeg, own), *copies[c]] for c, own in originals.items()}
    outcome = run(adopt(classes), split="0.4,0.3,0.3")
    assert outcome.summary["dropped"] == {"near_duplicate": 18}
    assert outcome.summary["leaks"] == 0


def test_a_turned_copy_under_another_class_is_a_conflict(adopt: Adopt) -> None:
    originals = [scene(n) for n in range(9)]
    copies = [jpeg(p.transpose(Image.Transpose.ROTATE_90)) for p in originals]
    own = [jpeg(scene(n)) for n in range(50, 59)]
    others = [jpeg(scene(n)) for n in range(70, 79)]
    dataset = adopt({"A": [*map(jpeg, originals), *others], "B": [*copies, *own]})
    assert run(dataset).summary["dropped"] == {"conflict": 18}
    assert {row["sha256"] for row in rows_of(dataset)} == set(map(sha, [*own, *others]))


def kept_of(dataset: Dataset) -> set[str]:
    return {row["sha256"] for row in rows_of(dataset)}


def test_of_copies_that_were_turned_the_one_that_has_more_like_it_is_kept(adopt: Adopt) -> None:
    upright = scene(1)
    turned = upright.transpose(Image.Transpose.ROTATE_90)
    small = [jpeg(upright.resize((160, 120))), jpeg(upright.resize((120, 90)))]
    others = [jpeg(scene(n)) for n in range(10, 18)]
    dataset = adopt(
        {"A": [jpeg(turned, 95), *small, *others], "B": [jpeg(scene(n)) for n in range(30, 38)]}
    )
    run(dataset)
    assert kept_of(dataset) & set(map(sha, [jpeg(turned, 95), *small])) == {sha(small[0])}


def test_of_copies_that_were_turned_the_one_with_an_exif_orientation_is_kept(adopt: Adopt) -> None:
    upright = scene(2, (200, 150))
    turned = jpeg(scene(2).transpose(Image.Transpose.ROTATE_180), 95)
    exif = Image.Exif()
    exif[0x0112] = 1
    buffer = io.BytesIO()
    upright.save(buffer, "JPEG", quality=80, exif=exif)
    others = [jpeg(scene(n)) for n in range(10, 18)]
    dataset = adopt(
        {"A": [turned, buffer.getvalue(), *others], "B": [jpeg(scene(n)) for n in range(30, 38)]}
    )
    run(dataset)
    assert kept_of(dataset) & {sha(turned), sha(buffer.getvalue())} == {sha(buffer.getvalue())}
