"""Measure how true a copy is to its picture: its scene without a border, its detail, its artefacts.

Only pictures that have copies are measured, fully decoded. Detail is a power spectrum per axis: a
stretched or upscaled copy has almost nothing in the frequencies that its smaller source lacks.
"""

from math import ceil, sqrt
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curate.features.alignment import margins
from curate.features.overlay import SIDE, Luma, small_luma
from curate.features.phash import luma

ALGORITHM = "fidelity/5"
BINS = 32
_LARGER = 1.1
_LINES = 96
_JPEG_BLOCK = 8
_SHARPNESS_SIDE = 128
# The tones within 4 % of the lightest one, of which the lightest 0.5 % are set aside.
_CUT_OFF_WITHIN = 0.04
_SET_ASIDE = 0.005
_CUT_OFF_WEIGHT = 3
# JPEG stores half as many samples of colour as of luma.
_WITH_COLOUR = 1.5
_LEAST_COLOUR = 2.0
_COLOUR_SIDE = 64
# What comes before the spectra, and what comes before the luma.
_NUMBERS = 7
_FLOATS = _NUMBERS + 2 * (BINS + 1)
_FLOAT_BYTES = 4

Floats = NDArray[np.float64]


class Fidelity(NamedTuple):
    """Measures of a fully decoded picture.

    `width` and `height` in px are those of the scene inside a plain border, `border` is the share
    of the picture outside; `blocking` is the step at the edges of JPEG's blocks over the step
    elsewhere (1: none); `sharpness` is the std of the edges over that of the tones at 128 px,
    less for tones that pile up at the lightest one; `channels` is 1.5 with colour, as JPEG stores
    it, and 1 in grey; `has_orientation` says whether the file has an EXIF orientation, whichever;
    `across` and `down` are float[33]: the share of spectral power up to each frequency; `luma` is
    uint8[96, 96] of the whole picture.
    """

    width: int
    height: int
    border: float
    blocking: float
    sharpness: float
    channels: float
    has_orientation: bool
    across: Floats
    down: Floats
    luma: Luma

    @property
    def pixels(self) -> int:
        """Return the area of the scene in px."""
        return self.width * self.height

    @property
    def detail(self) -> float:
        """Return how much the scene shows: px x channels x sharpness."""
        return self.pixels * self.channels * self.sharpness

    def to_bytes(self) -> bytes:
        """Pack as float32, the luma as uint8."""
        numbers = np.concatenate([self[:_NUMBERS], self.across, self.down])
        return numbers.astype("<f4").tobytes() + self.luma.tobytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> "Fidelity":
        """Unpack what `to_bytes` packed."""
        values = np.frombuffer(data, "<f4", _FLOATS).astype(np.float64)
        width, height, *shares, has_orientation = values[:_NUMBERS].tolist()
        border, blocking, sharpness, channels = shares
        across, down = values[_NUMBERS:].reshape(2, BINS + 1)
        luma = np.frombuffer(data, np.uint8, offset=_FLOAT_BYTES * _FLOATS).reshape(SIDE, SIDE)
        return cls(
            int(width), int(height), border, blocking, sharpness, channels, bool(has_orientation),
            across, down, luma
        )  # fmt: skip


# What a picture that cannot be decoded in full is worth.
_NO_SPECTRUM = np.zeros(BINS + 1)
_NO_LUMA = np.zeros((SIDE, SIDE), np.uint8)
NOTHING = Fidelity(1, 1, 0.0, 1.0, 0.0, 1.0, False, _NO_SPECTRUM, _NO_SPECTRUM, _NO_LUMA)


def fidelity(image: Image.Image, *, has_orientation: bool = False) -> Fidelity:
    """Measure an upright RGB picture in its full size; `has_orientation` is kept as it is."""
    grey = luma(image)
    left, right, top, bottom = margins(np.asarray(grey))
    right, bottom = grey.width - right, grey.height - bottom
    scene = grey.crop((left, top, right, bottom))
    tones = np.asarray(scene)
    pixels = tones.astype(np.float64)
    return Fidelity(
        width=right - left,
        height=bottom - top,
        border=1 - (right - left) * (bottom - top) / (image.width * image.height),
        blocking=sqrt(_step_at_blocks(pixels, left) * _step_at_blocks(pixels.T, top)),
        sharpness=_sharpness(scene) * (1 - _cut_off(tones)) ** _CUT_OFF_WEIGHT,
        channels=_WITH_COLOUR if _has_colour(image) else 1.0,
        has_orientation=has_orientation,
        across=_spectrum(pixels),
        down=_spectrum(pixels.T),
        luma=small_luma(grey),
    )


def is_enlarged(larger: Fidelity, smaller: Fidelity) -> bool:
    """Say whether a copy has more px than another along an axis, but no more detail there."""
    axes = (
        (larger.width, larger.across, smaller.width, smaller.across),
        (larger.height, larger.down, smaller.height, smaller.down),
    )
    return larger.pixels > smaller.pixels and any(
        length >= _LARGER * other and _lacks_detail(spectrum, spectrum_of_other, other / length)
        for length, spectrum, other, spectrum_of_other in axes
    )


def _lacks_detail(spectrum: Floats, of_smaller: Floats, share: float) -> bool:
    """Say whether a picture 1 / share as long as another lacks the high frequencies of a native one.

    Most upscaled photos have less than this: docs/decisions/0007.
    """
    least = max(0.25, 1.2 * share - 0.25)
    return _above(spectrum, share) < least * _above(of_smaller, share)


def _above(spectrum: Floats, share: float) -> float:
    """Return the power above a share of the frequencies over that of the octave below it."""
    place = np.linspace(0, 1, len(spectrum))
    # An interpolation filter leaves a little just above.
    start = min(1.0, 1.05 * share)
    half, edge, above = np.interp([share / 2, share, start], place, spectrum)
    return float((spectrum[-1] - above) / max(edge - half, 1e-12) / (1 - start + 1e-12))


def _spectrum(pixels: Floats) -> Floats:
    """Return float[33]: the power along the rows up to each of 33 frequencies, 1 in all."""
    rows = pixels[:: max(1, len(pixels) // _LINES)]
    centred = rows - rows.mean(axis=1, keepdims=True)
    waves = np.fft.rfft(centred * np.hanning(rows.shape[1]), axis=1)
    power = np.concatenate([[0.0], np.cumsum((np.abs(waves) ** 2).mean(axis=0))])
    places = np.linspace(0, 1, len(power))
    shares: Floats = np.interp(np.linspace(0, 1, BINS + 1), places, power)
    return shares / shares[-1] if shares[-1] > 0 else shares


def _step_at_blocks(pixels: Floats, offset: int) -> float:
    """Return the step across the edges of 8 px blocks over the steps elsewhere along the rows."""
    steps = np.abs(np.diff(pixels, axis=1)).mean(axis=0)
    edge = (np.arange(len(steps)) + offset) % _JPEG_BLOCK == _JPEG_BLOCK - 1
    if edge.all() or not edge.any():
        return 1.0
    return float((steps[edge].mean() + 0.5) / (steps[~edge].mean() + 0.5))


def _sharpness(scene: Image.Image) -> float:
    ratio = max(scene.size) / _SHARPNESS_SIDE
    width, height = (max(1, round(side / max(1.0, ratio))) for side in scene.size)
    small = scene.resize((width, height), Image.Resampling.BOX)
    pixels = np.asarray(small, dtype=np.float64)
    steps = [np.diff(pixels, axis=axis).ravel() for axis in (0, 1)]
    edges = sqrt(float(np.mean(np.concatenate([*steps, [0.0]]) ** 2)))
    return edges / max(float(pixels.std()), 1.0)


def _cut_off(tones: NDArray[np.uint8]) -> float:
    """Return the share of px in the lightest tones of the picture's own range.

    Brightening and more contrast cut tones off there. A copy with less contrast has a pile as high
    as the original, lower down, which limits at 0 and 255 would not see.
    """
    shares = np.bincount(tones.ravel(), minlength=256) / tones.size
    darkest, lightest = np.searchsorted(np.cumsum(shares), [_SET_ASIDE, 1 - _SET_ASIDE])
    pile = lightest - _CUT_OFF_WITHIN * max(lightest - darkest, 1)
    return float(shares[ceil(pile) :].sum())


def _has_colour(image: Image.Image) -> bool:
    """Say whether the channels differ by two levels on average; a codec adds less to grey."""
    small = np.asarray(image.convert("RGB").resize((_COLOUR_SIDE,) * 2, Image.Resampling.BOX))
    return float(np.ptp(small.astype(np.int16), axis=2).mean()) >= _LEAST_COLOUR
