"""Tell a thinly framed copy from the whole of a crop: thumbnails show no border of a few px.

A picture inside a thin frame looks like a crop of the framed one, and crops yield. Fully decoded, the
framed one has a plain border, and what it encloses is all that the other picture shows.
"""

from collections.abc import Iterable, Mapping
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from curate.alignment import Alignment, align
from curate.duplicates import Link
from curate.fidelity import Fidelity

_LEAST_BORDER = 0.03
# Boxes are found to 1 % of each side.
_AREA_STEP = 0.04

Thumbs = Mapping[str, NDArray[np.uint8]]


def with_frames(
    links: Iterable[Link], measured: Mapping[str, Fidelity], thumbs: Thumbs
) -> list[Link]:
    """Return the links; of a crop that shows all inside a border, the framed copy yields instead.

    `thumbs` are uint8[32, 32] by SHA-256.
    """
    return [_turned(link) if _is_framed(link, measured, thumbs) else link for link in links]


def _turned(link: Link) -> Link:
    return link._replace(first=link.second, second=link.first, kind="border")


def _is_framed(link: Link, measured: Mapping[str, Fidelity], thumbs: Thumbs) -> bool:
    if link.kind != "crop":
        return False
    part, whole = measured[link.first], measured[link.second]
    if whole.border - part.border < _LEAST_BORDER:
        return False
    enclosed = (1 - whole.border) / (1 - part.border)
    left, right, top, bottom = _found(thumbs[link.first], thumbs[link.second], enclosed).box
    return (right - left) * (bottom - top) >= enclosed - _AREA_STEP


def _found(part: NDArray[np.uint8], whole: NDArray[np.uint8], share: float) -> Alignment:
    """Return where a picture or its mirror image lies in another, about this share of it."""
    margin = (1 - sqrt(share)) / 2
    box = (margin, 1 - margin, margin, 1 - margin)
    return max(align(part, whole, box), align(part[:, ::-1], whole, box))
