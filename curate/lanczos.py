"""Shrink a grey picture to a small square as Pillow's LANCZOS does, by two matrix products.

The weights are Pillow's own (Lanczos with three lobes, its support widened by the scale, each
pixel's weights summing to 1), so are the order of the two passes and the rounding after each; they
are kept by size, which Pillow reckons anew for every picture. Few pixels differ, and by 1 of 255.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

# Weights of a longer side are not worth keeping; Pillow shrinks those pictures itself.
LONGEST_SIDE = 1024
_LOBES = 3
_KEPT_SIZES = 256
# OpenBLAS spreads bigger products (rows x columns x depth) over threads, which on matrices this
# small only wait for each other, and take the cores of the other workers.
_MOST_PRODUCTS = 2**18

Grey = NDArray[np.uint8]
Singles = NDArray[np.float32]


def shrink(grey: Image.Image, side: int) -> Grey:
    """Return uint8[side, side] of a picture in mode L, the aspect ratio ignored."""
    width, height = grey.size
    if max(width, height) > LONGEST_SIDE:
        return np.asarray(grey.resize((side, side), Image.Resampling.LANCZOS))
    # Pillow takes the shorter way, and rounding and clipping make a difference of it.
    if height > side and 2 * width < height + side:
        return _both_passes(np.asarray(grey.transpose(Image.Transpose.TRANSPOSE)), side).T
    return _both_passes(np.asarray(grey), side)


def _both_passes(pixels: Grey, side: int) -> Grey:
    """Shrink the rows, then the columns."""
    height, width = pixels.shape
    narrow = _rounded(_in_blocks(pixels, weights(width, side).T))[:height]
    columns = weights(height, side)
    rows = _rows_at_once(height * side, side)
    return _rounded(columns.reshape(-1, rows, height) @ narrow).astype(np.uint8)


def _in_blocks(pixels: Grey, factor: Singles) -> Singles:
    """Multiply by a matrix, some rows at a time; the last ones returned are no picture's."""
    height, width = pixels.shape
    rows = max(1, min(height, _MOST_PRODUCTS // factor.size))
    padded = np.empty((-(-height // rows), rows, width), np.float32)
    flat = padded.reshape(-1, width)
    flat[:height] = pixels
    flat[height:] = 0
    return padded @ factor


def _rows_at_once(products: int, side: int) -> int:
    """Return the most rows, a share of `side` without rest, that one thread multiplies."""
    return max(
        r
        for r in range(1, side + 1)
        if side % r == 0 and (r == 1 or r * products <= _MOST_PRODUCTS)
    )


def _rounded(values: Singles) -> Singles:
    """Round to steps of 0 to 255 in place, as float32[rows, columns]."""
    np.rint(np.clip(values, 0, 255, out=values), out=values)
    return values.reshape(-1, values.shape[-1])


@lru_cache(maxsize=_KEPT_SIZES)
def weights(length: int, side: int) -> Singles:
    """Return float32[side, length]: the share of each pixel of a line in each pixel of the result.

    Source: Pillow's src/libImaging/Resample.c, precompute_coeffs.
    """
    scale = length / side
    widened = max(scale, 1.0)
    centres = (np.arange(side)[:, None] + 0.5) * scale
    support = _LOBES * widened
    first = np.maximum(np.trunc(centres - support + 0.5), 0)
    stop = np.minimum(np.trunc(centres + support + 0.5), length)
    places = np.arange(length)
    away = (places - centres + 0.5) / widened
    values = np.sinc(away) * np.sinc(away / _LOBES)
    inside = (places >= first) & (places < stop) & (np.abs(away) < _LOBES)
    values = np.where(inside, values, 0)
    shares: Singles = (values / values.sum(axis=1, keepdims=True)).astype(np.float32)
    return shares
