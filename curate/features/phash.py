"""Hash what a picture looks like: pHash-64 of the whole in eight orientations, and of cropped views.

pHash (Zauner 2010; the variant and bit order of the imagehash package): luma at 32 x 32 px, type-II
DCT, the 8 x 8 lowest frequencies, each against their median. On a fully decoded picture the bits
equal imagehash.phash but for ties; on a JPEG decoded at a fraction of its size at most 2 bits
differ.
"""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

ALGORITHM = "phash64/draft128/2"
EXACT_ALGORITHM = "phash64/imagehash/1"
TURNED_ALGORITHM = "phash64/draft128/turned/1"
VIEWS_ALGORITHM = "phash64/thumb64/22views/2"
THUMB_ALGORITHM = "luma32/box/1"
DECODE_AT_LEAST = 128
HASH_SIDE = 32
THUMB_SIDE = 32
NO_HASH = 0
# Below this std of luma the DCT's signs are noise.
FLAT_STD = 4.0

_LOW = 8
# A frequency that a picture does not have, as one of equal rows, must be 0 and not a rounding error.
_NOTHING = 1e-6
_VIEW_SIDE = 64
_FREQUENCIES = np.arange(_LOW)
# Mirroring a picture turns the sign of every odd horizontal frequency.
_MIRROR = np.where(_FREQUENCIES % 2, -1.0, 1.0)
_FLIP = _MIRROR[:, None]
# Of a picture as it is, mirrored, flipped, and both.
_SIGNS = np.stack(
    [np.ones((_LOW, _LOW)) * flip * mirror for flip in (1, _FLIP) for mirror in (1, _MIRROR)]
)
# The bits of an orientation's number, applied in this order: transposed, flipped, mirrored.
_TRANSPOSED, _FLIPPED, MIRRORED = 4, 2, 1
ORIENTATIONS = range(8)
# All that are neither as they are nor mirrored; of the two turns by 90 degrees one, since the other
# is that of the pair in the other order.
TURNS = (2, 3, 4, 5, 7)
_DCT = np.cos(np.pi * _FREQUENCIES[:, None] * (2 * np.arange(HASH_SIDE) + 1) / (2 * HASH_SIDE))

# Weights of a longer side are not worth keeping; Pillow shrinks those pictures itself.
LONGEST_SIDE = 1024
_LOBES = 3
_KEPT_SIZES = 256
# OpenBLAS spreads bigger products (rows x columns x depth) over threads, which on matrices this
# small only wait for each other, and take the cores of the other workers.
_MOST_PRODUCTS = 2**18

Box = tuple[float, float, float, float]
Grey = NDArray[np.uint8]
Singles = NDArray[np.float32]
Floats = NDArray[np.float64]


def shrink(grey: Image.Image, side: int) -> Grey:
    """Return uint8[side, side] of a picture in mode L, Lanczos-filtered, the aspect ratio ignored."""
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


def _grid(share: float) -> list[Box]:
    """Return the nine boxes of this share of both sides, as left, right, top, bottom of 1."""
    steps = [(1 - share) * place for place in (0, 0.5, 1)]
    return [(x, x + share, y, y + share) for y in steps for x in steps]


# Nine crops each at 0.9 and 0.8, and the middle without bars above and below or at the sides.
VIEWS: tuple[Box, ...] = (
    *_grid(0.9),
    *_grid(0.8),
    *(
        ((1 - width) / 2, (1 + width) / 2, (1 - height) / 2, (1 + height) / 2)
        for width, height in ((1, 0.9), (1, 0.8), (0.9, 1), (0.8, 1))
    ),
)


def luma(image: Image.Image) -> Image.Image:
    """Return the picture in grey, as imagehash sees it."""
    return image if image.mode == "L" else image.convert("L")


def thumbnail(grey: Image.Image) -> NDArray[np.uint8]:
    """Return uint8[32, 32] of area means: what copies are compared by, pixel by pixel."""
    return np.asarray(grey.resize((THUMB_SIDE, THUMB_SIDE), Image.Resampling.BOX))


def orient(pixels: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """Return pixels[height, width] in one of ORIENTATIONS: 0 as they are, 1 mirrored, 3 by 180 degrees."""
    if orientation & _TRANSPOSED:
        pixels = pixels.T
    if orientation & _FLIPPED:
        pixels = pixels[::-1]
    return pixels[:, ::-1] if orientation & MIRRORED else pixels


def phashes(pixels: NDArray[np.uint8]) -> NDArray[np.uint64]:
    """Return the pHash of each of uint8[N, 32, 32] in each of ORIENTATIONS, as uint64[N, 8].

    They are 0 when the picture is flat; no pHash is 0: its first bit, the mean's, is always set.
    """
    values = pixels.astype(np.float64)
    whole = _DCT @ values @ _DCT.T
    turned = np.stack([whole, whole.transpose(0, 2, 1)], axis=1)
    hashes = _bits(turned[:, :, None] * _SIGNS).reshape(len(values), -1)
    lines = values.reshape(len(values), -1)
    variance = np.einsum("nm,nm->n", lines, lines) / lines.shape[1] - lines.mean(axis=1) ** 2
    hashes[variance < FLAT_STD**2] = NO_HASH
    return hashes


def exact_phash(image: Image.Image) -> tuple[int, int]:
    """Return imagehash.phash of a picture decoded in full and of its mirror image, 0 when flat.

    Raises ModuleNotFoundError when the extra is not installed.
    """
    import imagehash  # noqa: PLC0415  an extra

    pixels = luma(image).resize((HASH_SIDE, HASH_SIDE), Image.Resampling.LANCZOS)
    if np.asarray(pixels).std() < FLAT_STD:
        return NO_HASH, NO_HASH
    mirror = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    first, mirrored = (int(str(imagehash.phash(one)), 16) for one in (image, mirror))
    return first, mirrored


def hex_form(value: int) -> str:
    """Return a hash as imagehash prints it: 16 hexadecimal digits."""
    return f"{value:016x}"


def view_hashes(grey: Image.Image) -> NDArray[np.uint64]:
    """Return the pHash of each of VIEWS, uint64[22]; flat views have 0.

    The views are cut from one 64 x 64 thumbnail.
    """
    pixels = shrink(grey, _VIEW_SIDE).astype(np.float64)
    count = len(_SPANS)
    # Every stretch of rows with every stretch of columns; the views are 22 of these pairs.
    waves = (_WAVES @ pixels @ _WAVES.T).reshape(count, _LOW, count, _LOW)
    hashes = _bits(waves[_DOWN, :, _ACROSS])
    sums, squares = (_INSIDE @ values @ _INSIDE.T for values in (pixels, pixels**2))
    variance = (squares / _PIXELS - (sums / _PIXELS) ** 2)[_DOWN, _ACROSS]
    return np.where(variance < FLAT_STD**2, np.uint64(NO_HASH), hashes)


def _basis(start: float, stop: float) -> Floats:
    """Return float[8, 64]: the cosines of a stretch of the thumbnail, integrated over its pixels.

    Multiplied from both sides they give the low DCT coefficients of a crop without cutting it out.
    """
    start, length = start * _VIEW_SIDE, (stop - start) * _VIEW_SIDE
    place = (np.clip(np.arange(_VIEW_SIDE + 1), start, start + length) - start) / length
    angles = np.pi * _FREQUENCIES[1:, None]
    waves = np.sin(angles * place) / angles
    return np.diff(np.vstack([place, waves]), axis=1)


def _inside(start: float, stop: float) -> Floats:
    """Return float[64]: 1 for the pixels of a stretch of the thumbnail."""
    place = np.arange(_VIEW_SIDE)
    inside = (place >= round(start * _VIEW_SIDE)) & (place < round(stop * _VIEW_SIDE))
    return inside.astype(np.float64)


_ROUNDED = [tuple(round(edge, 9) for edge in box) for box in VIEWS]
_SPANS = sorted({span for box in _ROUNDED for span in (box[:2], box[2:])})
_ACROSS = np.array([_SPANS.index(box[:2]) for box in _ROUNDED])
_DOWN = np.array([_SPANS.index(box[2:]) for box in _ROUNDED])
_WAVES = np.concatenate([_basis(*span) for span in _SPANS])
_INSIDE = np.stack([_inside(*span) for span in _SPANS])
_PIXELS = np.outer(_INSIDE.sum(axis=1), _INSIDE.sum(axis=1))


def _bits(coefficients: Floats) -> NDArray[np.uint64]:
    """Pack float[..., 8, 8] into uint64[...]: a bit per value above the median, the first highest."""
    values = coefficients.reshape(-1, _LOW * _LOW)
    values = np.where(np.abs(values) < _NOTHING, 0.0, values)
    # Of 64 values the median is the mean of the middle two.
    middle = np.partition(values, (31, 32), axis=1)
    bits = values > (middle[:, 31:32] + middle[:, 32:33]) / 2
    packed = np.packbits(bits, axis=1).view(">u8")[:, 0].astype(np.uint64)
    return packed.reshape(coefficients.shape[:-2])
