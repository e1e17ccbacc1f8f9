from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from curate.duplicates.frames import connected_to_edges, find_frames, shared_frames
from curate.duplicates.links import Link, find_links
from curate.features import cache
from curate.features.cache import Features
from curate.features.phash import THUMB_SIDE


def wood(scene: Image.Image) -> Image.Image:
    """Put a scene into a frame of many tones."""
    rng = np.random.default_rng(1)
    grain = np.kron(rng.normal(120, 40, (11, 13)), np.ones((20, 20))).clip(0, 255)
    canvas = Image.fromarray(grain.astype(np.uint8)).convert("RGB")
    canvas.paste(scene.resize((170, 120)), (45, 50))
    return canvas


def polaroid(scene: Image.Image) -> Image.Image:
    canvas = Image.new("RGB", (240, 230), "white")
    canvas.paste(scene.resize((212, 159)), (14, 14))
    return canvas


def measured(pictures: Mapping[str, bytes], tmp_path: Path) -> Features:
    """Return the features of pictures, with the frames that they share."""
    values: dict[str, dict[str, bytes]] = {}
    for name, data in pictures.items():
        (tmp_path / name).write_bytes(data)
        for kind, value in cache.measure(str(tmp_path / name)).items():
            values.setdefault(kind, {})[name] = value
    boxes = find_frames(cache.unpack(values), 12)
    values["shared_inside"] = {
        name: cache.measure_inside(str(tmp_path / name), box=box)["shared_inside"]
        for name, box in boxes.items()
    }
    return cache.unpack(values)


def copies(known: Features) -> list[Link]:
    links = find_links(known.whole, known, radius=8, leak_radius=12, views=True)
    return [link for link in links if link.duplicate]


def alike(seed: int) -> Image.Image:
    """Draw a scene whose layout many others share, so that hashes in one frame come near."""
    rng = np.random.default_rng(seed)
    tones = rng.integers(60, 200, (3, 4, 3))
    return Image.fromarray(tones.astype(np.uint8)).resize((200, 150), Image.Resampling.BICUBIC)


@pytest.mark.parametrize("frame", [wood, polaroid])
def test_pictures_in_one_frame_are_not_copies(
    frame: Callable[[Image.Image], Image.Image],
    jpeg: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    pictures = {f"{seed:03}": jpeg(frame(alike(seed))) for seed in range(80)}
    known = measured(pictures, tmp_path)
    whole = replace(known, insides={})
    assert copies(whole), "the frame alone makes some of them copies"
    assert len(known.insides) > 70
    assert not copies(known)


@pytest.mark.parametrize("frame", [wood, polaroid])
def test_copies_are_found_in_one_frame_in_another_and_without(
    frame: Callable[[Image.Image], Image.Image],
    scene: Callable[..., Image.Image],
    jpeg: Callable[..., bytes],
    tmp_path: Path,
) -> None:
    pictures = {f"{seed:03}": jpeg(frame(scene(seed))) for seed in range(80)}
    other = polaroid if frame is wood else wood
    for seed in range(0, 80, 8):
        pictures[f"{seed:03}-again"] = jpeg(frame(scene(seed)), quality=40)
        pictures[f"{seed:03}-bare"] = jpeg(scene(seed))
    for seed in range(1, 80, 2):
        pictures[f"{seed:03}-other"] = jpeg(other(scene(seed)))
    found = {link.pair for link in copies(measured(pictures, tmp_path))}
    assert all(first[:3] == second[:3] for first, second in found)
    pairs = {(name[:3], name) for name in pictures if "-" in name}
    assert len(pairs & found) >= 0.9 * len(pairs)
    bare = [name for name in pictures if name.endswith("-bare")]
    assert sum((name[:3], name) in found for name in bare) >= 0.9 * len(bare)


def test_two_pictures_alone_share_no_frame() -> None:
    """What two have in common may be one picture with something put over it."""
    rng = np.random.default_rng(0)
    first = np.kron(rng.integers(0, 256, (8, 8)), np.ones((4, 4))).astype(np.uint8)
    second = first.copy()
    second[8:24, 8:24] = rng.integers(0, 256, (16, 16))
    thumbs = np.stack([first, second])
    assert shared_frames(thumbs, np.array([[0, 1]])) == {}


def test_a_frame_is_what_others_have_around_something_else() -> None:
    rng = np.random.default_rng(0)
    thumbs = np.tile(rng.integers(0, 256, (THUMB_SIDE, THUMB_SIDE), dtype=np.uint8), (21, 1, 1))
    for thumb in thumbs[:20]:
        thumb[6:26, 4:30] = np.kron(rng.integers(0, 256, (5, 13)), np.ones((4, 2)))
    thumbs[20] = rng.integers(0, 256, (THUMB_SIDE, THUMB_SIDE))
    boxes = shared_frames(thumbs, np.array([[0, 1]]))
    box = tuple(edge / THUMB_SIDE for edge in (4, 30, 6, 26))
    assert boxes == dict.fromkeys(range(20), box)
    assert shared_frames(thumbs, np.array([[0, 1]]), framed={0, 1}) == {}


def test_only_px_that_reach_the_edge_are_a_frame() -> None:
    mask = np.zeros((THUMB_SIDE, THUMB_SIDE), np.bool_)
    mask[:, 3] = mask[10:12, 10:12] = True
    reached = connected_to_edges(mask.reshape(-1)).reshape(mask.shape)
    assert reached[:, 3].all()
    assert reached.sum() == THUMB_SIDE
