import gzip
import json
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps
from support.curate import recoded, run, scene, sha

from curate.decisions import Decisions
from curate.duplicates.links import Link, find_links
from curate.features import phash
from curate.features.cache import Features
from curate.features.inside import inside, plain_box
from curate.settings import CurateSettings
from curate.splits.assign import SplitHistory, partition
from curate.splits.leakage_audit import audit, check
from sceneset.dataset import Dataset
from sceneset.errors import SceneSetError
from sceneset.manifest.rows import SPLITS, KeptPicture, Split

SETTINGS = CurateSettings(radius=8, leak_radius=12)


def features_of(pictures: dict[str, Image.Image]) -> Features:
    grey = {name: phash.luma(image) for name, image in pictures.items()}
    hashes = {name: phash.phashes(phash.shrink(g, 32)[None])[0] for name, g in grey.items()}
    boxes = {name: plain_box(g, phash.thumbnail(g)) for name, g in grey.items()}
    insides = {name: inside(grey[name], box) for name, box in boxes.items() if box}
    return Features(
        whole={name: int(h[0]) for name, h in hashes.items()},
        oriented=hashes,
        views={name: phash.view_hashes(g) for name, g in grey.items()},
        thumbs={name: phash.thumbnail(g) for name, g in grey.items()},
        scores={},
        broken={},
        insides={name: scene for name, scene in insides.items() if scene},
    )


EDITS: dict[str, Callable[[Image.Image], Image.Image]] = {
    "whole": lambda p: p.resize((120, 90)),
    "mirrored": ImageOps.mirror,
    "crop": lambda p: p.crop((14, 8, 229, 170)),
    "crop, mirrored": lambda p: ImageOps.mirror(p.crop((14, 8, 229, 170))),
    "border": lambda p: ImageOps.expand(p, border=(0, 16), fill="black"),
    "turned": lambda p: p.rotate(270, expand=True),
    "upside down, mirrored": ImageOps.flip,
    "rotated": lambda p: p.rotate(2, Image.Resampling.BICUBIC),
    "framed": lambda p: ImageOps.expand(p, border=(20, 30, 20, 90), fill="white"),
}


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("apart", [("train", "test"), ("test", "train"), ("val", "test")])
def test_copies_across_splits_are_found_again(
    edit: str, apart: tuple[Split, Split], scene: Callable[..., Image.Image]
) -> None:
    pictures = {f"o{k}": scene(k) for k in range(6)} | {"copy": EDITS[edit](scene(0))}
    known = features_of(pictures)
    split_of: dict[str, Split] = dict.fromkeys(pictures, "train")
    found = audit(split_of, known, {}, SETTINGS)
    assert found == []
    split_of |= {"o0": apart[0], "copy": apart[1]}
    found = audit(split_of, known, {}, SETTINGS)
    copies = [c for c in found if c.duplicate]
    assert [{c.first, c.second} for c in copies] == [{"o0", "copy"}]
    with pytest.raises(SceneSetError, match="1 pairs of copies"):
        check(found)


def test_look_alikes_within_the_leak_radius_are_counted_and_do_not_fail() -> None:
    rng = np.random.default_rng(0)
    thumbs = {name: rng.integers(0, 256, (32, 32), dtype=np.uint8) for name in "abc"}
    hashes = {"a": 0xFFFFFFFF, "b": 0xFFFFFFFF ^ 0x3FF, "c": 0xFFFFFFFF ^ 0xFFFF}
    oriented = {name: np.array([value, *[0] * 7], np.uint64) for name, value in hashes.items()}
    views = {name: np.zeros(22, np.uint64) for name in "abc"}
    known = Features(hashes, oriented, views, thumbs, {}, {})
    split_of: dict[str, Split] = {"a": "train", "b": "val", "c": "test"}
    found = audit(split_of, known, {}, SETTINGS)
    assert [(c.first, c.second, c.distance, c.duplicate) for c in found] == [
        ("a", "b", 10, False),
        ("b", "c", 6, False),
    ]
    check(found)


def test_flat_pictures_with_equal_pixels_are_copies() -> None:
    flat = features_of({name: Image.new("RGB", (60, 40), "grey") for name in "abc"})
    digests = {"a": b"1", "b": b"1", "c": b"2"}
    split_of: dict[str, Split] = {"a": "train", "b": "val", "c": "test"}
    found = audit(split_of, flat, digests, SETTINGS)
    assert [(c.first, c.second, c.kind, c.duplicate) for c in found] == [("a", "b", "pixels", True)]
    del digests["c"]
    with pytest.raises(SceneSetError, match="1 flat pictures were not compared"):
        audit(split_of, flat, digests, SETTINGS)


def lookalikes(scene: Callable[..., Image.Image]) -> dict[str, Image.Image]:
    pictures = {f"o{k:02}": scene(k) for k in range(20)}
    return pictures | {f"c{k:02}": edit(scene(k)) for k, edit in enumerate(EDITS.values())}


def parted(known: Features, links: list[Link]) -> dict[str, Split]:
    kept = [KeptPicture(1, name, "", "", 9, 9, 9, 0, "", "", "") for name in sorted(known.whole)]
    decisions = Decisions(kept, {}, {}, [], frozenset(), {})
    shares = CurateSettings(split="0.4,0.3,0.3")
    return dict(partition(decisions, links, shares, SplitHistory({})).split_of)


def test_a_search_that_loses_any_one_pair_is_found_out(scene: Callable[..., Image.Image]) -> None:
    known = features_of(lookalikes(scene))
    links = find_links(known.whole, known, radius=8, leak_radius=12, views=True)
    copies = [link for link in links if link.duplicate]
    assert len(copies) == len(EDITS)
    caught = 0
    for lost in copies:
        split_of = parted(known, [link for link in links if link != lost])
        found = audit(split_of, known, {}, SETTINGS)
        apart = split_of[lost.first] != split_of[lost.second]
        assert [{c.first, c.second} for c in found if c.duplicate] == [set(lost.pair)] * apart
        caught += apart
    assert caught >= 2
    whole = audit(parted(known, links), known, {}, SETTINGS)
    assert [c for c in whole if c.duplicate] == []


def test_a_decision_on_a_search_that_found_nothing_is_not_published(
    adopt: Callable[..., Dataset], scene: Callable[..., Image.Image], jpeg: Callable[..., bytes]
) -> None:
    """The remembered links are made to say that all pictures were compared and none is a copy."""
    classes = {c: [jpeg(scene(k + n)) for n in range(12)] for k, c in ((0, "A"), (50, "B"))}
    first = run(adopt(classes), split="0.4,0.3,0.3")
    copies = {c: [recoded(data) for data in own] for c, own in classes.items()}
    dataset = adopt(copies)
    cache = dataset.root / "cache" / "links.json.gz"
    stored = json.loads(gzip.decompress(cache.read_bytes()))
    stored["pictures"] += [(sha(data), None) for own in copies.values() for data in own]
    cache.write_bytes(gzip.compress(json.dumps(stored).encode()))
    with pytest.raises(SceneSetError, match="copies stand in two splits"):
        run(dataset, split="0.4,0.3,0.3")
    assert dataset.current.resolve().name == str(first.summary["number"])


@lru_cache(maxsize=1)
def edited_scenes() -> tuple[Features, frozenset[tuple[str, str]]]:
    """Return a scene, a symmetric and a faint one with edits and edits of those, and the copies."""
    half = scene(0, (120, 180))
    folded = Image.new("RGB", (240, 180))
    folded.paste(half, (0, 0))
    folded.paste(ImageOps.mirror(half), (120, 0))
    faint = Image.blend(Image.new("RGB", (240, 180), "grey"), scene(2), 0.12)
    edits = [*EDITS.items(), *list(EDITS.items())[:1]]
    pictures: dict[str, Image.Image] = {}
    for kind, base in (("plain", scene(1)), ("folded", folded), ("faint", faint)):
        for (name, edit), (again, other) in pairwise(edits):
            pictures |= {f"{kind} {name}": edit(base), f"{kind} {name}, {again}": other(edit(base))}
    known = features_of(pictures)
    links = find_links(known.whole, known, radius=8, leak_radius=12, views=True)
    return known, frozenset(link.pair for link in links if link.duplicate)


@given(parts=st.data())
@settings(max_examples=6)
def test_the_audit_finds_no_copy_that_the_search_does_not(parts: st.DataObject) -> None:
    known, copies = edited_scenes()
    names = sorted(s for s, value in known.whole.items() if value != phash.NO_HASH)
    splits = parts.draw(st.lists(st.sampled_from(SPLITS), min_size=len(names), max_size=len(names)))
    found = audit(dict(zip(names, splits, strict=True)), known, {}, SETTINGS)
    assert {link.pair for link in found if link.duplicate} <= copies
