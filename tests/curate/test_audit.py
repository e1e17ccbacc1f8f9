from collections.abc import Callable

import numpy as np
import pytest
from PIL import Image, ImageOps

from curate import hashing
from curate.audit import audit, check
from curate.features import Features
from pipeline.errors import SceneSetError
from pipeline.rows import Split


def features_of(pictures: dict[str, Image.Image]) -> Features:
    grey = {name: hashing.luma(image) for name, image in pictures.items()}
    hashes = {name: hashing.phash(hashing.shrink(g, 32)) for name, g in grey.items()}
    return Features(
        whole={name: h[0] for name, h in hashes.items()},
        mirrored={name: h[1] for name, h in hashes.items()},
        views={name: hashing.view_hashes(g) for name, g in grey.items()},
        thumbs={name: hashing.thumbnail(g) for name, g in grey.items()},
        scores={},
        broken={},
    )


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "whole": lambda p: p.resize((120, 90)),
    "mirrored": ImageOps.mirror,
    "crop": lambda p: p.crop((14, 8, 229, 170)),
    "crop, mirrored": lambda p: ImageOps.mirror(p.crop((14, 8, 229, 170))),
    "border": lambda p: ImageOps.expand(p, border=(0, 16), fill="black"),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("apart", [("train", "test"), ("test", "train"), ("val", "test")])
def test_copies_across_splits_are_found_again(
    edit: str, apart: tuple[Split, Split], scene: Callable[..., Image.Image]
) -> None:
    pictures = {f"o{k}": scene(k) for k in range(6)} | {"copy": EDITS[edit](scene(0))}
    known = features_of(pictures)
    split_of: dict[str, Split] = dict.fromkeys(pictures, "train")
    found = audit(split_of, known, {}, radius=8, leak_radius=12, views=True)
    assert found == []
    split_of |= {"o0": apart[0], "copy": apart[1]}
    found = audit(split_of, known, {}, radius=8, leak_radius=12, views=True)
    copies = [c for c in found if c.copies]
    assert [{c.first, c.second} for c in copies] == [{"o0", "copy"}]
    with pytest.raises(SceneSetError, match="1 pairs of copies"):
        check(found)


def test_look_alikes_within_the_leak_radius_are_counted_and_do_not_fail() -> None:
    rng = np.random.default_rng(0)
    thumbs = {name: rng.integers(0, 256, (32, 32), dtype=np.uint8) for name in "abc"}
    hashes = {"a": 0xFFFFFFFF, "b": 0xFFFFFFFF ^ 0x3FF, "c": 0xFFFFFFFF ^ 0xFFFF}
    none = dict.fromkeys("abc", hashing.NO_HASH)
    views = {name: np.zeros(22, np.uint64) for name in "abc"}
    known = Features(hashes, none, views, thumbs, {}, {})
    split_of: dict[str, Split] = {"a": "train", "b": "val", "c": "test"}
    found = audit(split_of, known, {}, radius=8, leak_radius=12, views=True)
    assert [(c.first, c.second, c.distance, c.copies) for c in found] == [
        ("a", "b", 10, False),
        ("b", "c", 6, False),
    ]
    check(found)


def test_flat_pictures_with_equal_pixels_are_copies() -> None:
    flat = features_of({name: Image.new("RGB", (60, 40), "grey") for name in "abc"})
    digests = {"a": b"1", "b": b"1", "c": b"2"}
    split_of: dict[str, Split] = {"a": "train", "b": "val", "c": "test"}
    found = audit(split_of, flat, digests, radius=8, leak_radius=12, views=True)
    assert [(c.first, c.second, c.kind, c.copies) for c in found] == [("a", "b", "pixels", True)]
