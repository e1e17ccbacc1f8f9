"""Hash what is inside a picture's frame, so that frames do not count as likeness.

A frame is a border of one tone, found in the picture alone, or what many pictures of a set share
(curate/duplicates/frames.py).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.features.alignment import margins
from curate.features.phash import (
    FLAT_STD,
    HASH_SIDE,
    NO_HASH,
    ORIENTATIONS,
    THUMB_SIDE,
    VIEWS,
    Box,
    phashes,
    shrink,
    thumbnail,
    view_hashes,
)

ALGORITHM = "inside/1"
# Less is a margin, not a frame; more leaves too little to compare.
_LEAST_FRAME = 0.1
_MOST_FRAME = 0.9
# Levels of luma within which two px are the same; a codec moves means of px by less.
SAME_TONE = 10
# Corners that lie further inside are a dark or a light scene's.
_MOST_INSET = 8
_OUTSIDE = 0.35
_SHARP = 3.0
_HASH_BYTES = 8
_BOX_BYTES = 16


class Inside(NamedTuple):
    """What a frame encloses: its box in the picture, uint64[8], uint64[22] and uint8[32, 32].

    `hashes` are of ORIENTATIONS, `views` of VIEWS.
    """

    box: Box
    hashes: NDArray[np.uint64]
    views: NDArray[np.uint64]
    thumb: NDArray[np.uint8]

    def to_bytes(self) -> bytes:
        """Pack for the manifest."""
        hashes = np.concatenate([self.hashes, self.views]).astype(">u8")
        return np.array(self.box, "<f4").tobytes() + hashes.tobytes() + self.thumb.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Inside":
        """Unpack what `to_bytes` packed."""
        left, right, top, bottom = np.frombuffer(data[:_BOX_BYTES], "<f4").tolist()
        end = _BOX_BYTES + _HASH_BYTES * (len(ORIENTATIONS) + len(VIEWS))
        hashes = np.frombuffer(data[_BOX_BYTES:end], ">u8").astype(np.uint64)
        thumb = np.frombuffer(data[end:], np.uint8).reshape(THUMB_SIDE, THUMB_SIDE)
        oriented, views = np.split(hashes, [len(ORIENTATIONS)])
        return cls((left, right, top, bottom), oriented, views, thumb)


def frames_enough(box: Box) -> bool:
    """Say whether what a box leaves out is a frame: a tenth to nine tenths of the picture."""
    left, right, top, bottom = box
    return _LEAST_FRAME <= 1 - (right - left) * (bottom - top) <= _MOST_FRAME


def plain_box(grey: Image.Image, thumb: NDArray[np.uint8]) -> Box | None:
    """Return the box inside a border of one tone; None when there is none that frames enough.

    `thumb` is the picture's thumbnail, which tells at little cost that there is no border.
    """
    plain = (_edges(thumb).std(axis=1) < FLAT_STD).any()
    # One px of 32 along one edge is less than a frame.
    if not plain or sum(margins(thumb)) <= 1:
        return None
    left, right, top, bottom = margins(np.asarray(grey))
    width, height = grey.size
    box = (left / width, 1 - right / width, top / height, 1 - bottom / height)
    if not frames_enough(box):
        return None
    scene = thumbnail(grey.crop((left, top, width - right, height - bottom)))
    inset = _round_corners(scene, float(np.median(_edges(thumb))))
    across, down = inset * (box[1] - box[0]), inset * (box[3] - box[2])
    return (box[0] + across, box[1] - across, box[2] + down, box[3] - down)


def _edges(thumb: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return uint8[4, 32]."""
    return np.stack([thumb[0], thumb[-1], thumb[:, 0], thumb[:, -1]])


def _round_corners(scene: NDArray[np.uint8], tone: float) -> float:
    """Return by what share of each side to move inwards until no four corners have a frame's tone."""
    for inset in range(_MOST_INSET):
        last = THUMB_SIDE - 1 - inset
        corners = scene[[inset, inset, last, last], [inset, last, inset, last]]
        if (np.abs(corners - tone) > SAME_TONE).any():
            # The px where arc and scene meet is neither.
            return (inset + (inset > 0)) / THUMB_SIDE
    return 0.0


def snapped(grey: Image.Image, box: Box) -> Box:
    """Return a box found on a thumbnail with each edge moved to a sharp line of the picture near it.

    The true edge lies in the px of the thumbnail that was taken for the inside's first, or just
    outside.
    """
    pixels = np.asarray(grey, np.int16)
    left, right, top, bottom = box
    width, height = grey.size
    columns = pixels[round(top * height) : round(bottom * height)].T
    rows = pixels[:, round(left * width) : round(right * width)]
    return (
        _sharpest(columns, left),
        1 - _sharpest(columns[::-1], 1 - right),
        _sharpest(rows, top),
        1 - _sharpest(rows[::-1], 1 - bottom),
    )


def _sharpest(rows: NDArray[np.int16], edge: float) -> float:
    """Return the edge, a share of the height, moved to where two rows differ far more than others."""
    length = len(rows)
    if min(rows.shape) < THUMB_SIDE:
        return edge
    steps = np.abs(np.diff(rows, axis=0)).mean(axis=1)
    first = max(1, round((edge - _OUTSIDE / THUMB_SIDE) * length))
    last = min(length - 1, round((edge + 1 / THUMB_SIDE) * length))
    best = first - 1 + int(np.argmax(steps[first - 1 : last]))
    sharp = edge > 0 and steps[best] >= _SHARP * np.median(steps)
    return (best + 1) / length if sharp else edge


def inside(grey: Image.Image, box: Box) -> Inside | None:
    """Measure what is inside a box of a picture in mode L; None when it is flat or less than a px."""
    width, height = grey.size
    left, right, top, bottom = box
    scene = grey.crop(
        (round(left * width), round(top * height), round(right * width), round(bottom * height))
    )
    if not min(scene.size):
        return None
    hashes = phashes(shrink(scene, HASH_SIDE)[None])[0]
    if hashes[ORIENTATIONS[0]] == NO_HASH:
        return None
    return Inside(box, hashes, view_hashes(scene), thumbnail(scene))
