"""Turn bytes into an RGB picture: the only decode and crop-resize path of the whole program."""

import io
import struct
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, JpegImagePlugin, UnidentifiedImageError

from sceneset.errors import first_line
from sceneset.files.heic import INSTALL, is_heic, is_installed, most_pixels, open_heic

# Most px decoded at once. What is larger must come smaller from its decoder, as a JPEG can, or be
# one that is made smaller at once: HEIC, and JPEGs of several scans, whose decoder holds them whole.
MAX_PIXELS = 40_000_000
MAX_WHOLE_PIXELS = 52_000_000
MAX_BYTES = 20_000_000
MEGA = 1_000_000
SMALLER = "save it smaller, or as a JPEG that is not progressive"
# The JPEG plugin also opens MPO, which phones write; MPO cannot be named by itself.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF", "AVIF")
EXTENSIONS = {
    "JPEG": "jpg",
    "MPO": "jpg",
    "PNG": "png",
    "WEBP": "webp",
    "GIF": "gif",
    "BMP": "bmp",
    "TIFF": "tiff",
    "AVIF": "avif",
    "HEIF": "heic",
}
Fit = Literal["crop", "pad", "stretch"]
Encoding = Literal["jpeg", "png"]
# The mean colour of ImageNet, which networks trained on it see as nothing.
PAD_COLOUR = (124, 116, 104)
Reason = Literal["not_a_picture", "truncated", "too_small", "too_large", "needs_heic"]
_JPEG = b"\xff\xd8\xff"
# JPEG decoders give a picture at these fractions of its size for the price of less.
_SCALED = {"JPEG", "MPO"}
_FACTORS = (8, 4, 2, 1)
_SIGNATURES = (
    _JPEG,
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
)
_ORIENTATIONS = range(1, 9)
# What is raised for a header that no format knows; Pillow hides all but the first behind it.
_UNKNOWN = (UnidentifiedImageError, SyntaxError, IndexError, TypeError, struct.error)
# 16-bit grey modes; Pillow's own conversion clips them instead of scaling.
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "F"}
_DEEPEST_GREY = 65535
_STEP = 257  # 65535 / 255
# Rows converted at a time, so that no second whole picture of wide values is held.
_STRIP = 64


class PictureError(Exception):
    """Bytes are not a picture the program takes; `reason` is the manifest's word for why.

    `cure` is what would help, such as the option or the extra with which the program takes it.
    """

    def __init__(self, reason: Reason, detail: str, cure: str = "") -> None:
        """Keep the reason, the decoder's words and what would help."""
        super().__init__(detail)
        self.reason = reason
        self.cure = cure


def reason_words(reason: str, cure: str = "") -> str:
    """Return why a file is no picture the program takes, in words that count many alike."""
    words = "HEIC" if reason == "needs_heic" else reason.replace("_", " ")
    return f"{words}: {cure}" if cure else words


@dataclass(frozen=True, slots=True)
class Limits:
    """How large a file may be that is taken in, in bytes and in px as stored.

    `optional` says that options of the command set them, which errors then name.
    """

    bytes: int = MAX_BYTES
    pixels: int = 250 * MEGA
    optional: bool = True

    def check_bytes(self, size: int) -> None:
        """Raise PictureError for a file of more bytes."""
        if size > self.bytes:
            words = f"{size / MEGA:.1f} MB, the limit is {self.bytes / MEGA:g}"
            raise PictureError("too_large", words, "--max-file-mb" * self.optional)

    def check_pixels(self, width: int, height: int) -> None:
        """Raise PictureError for a picture of more px."""
        if width * height > self.pixels:
            words = f"{width} x {height} px, the limit is {self.pixels / MEGA:g} megapixels"
            raise PictureError("too_large", words, "--max-megapixels" * self.optional)


PREVIEW = Limits(optional=False)


@dataclass(frozen=True, slots=True)
class Header:
    """What a picture's first bytes say: Pillow's format name, size as stored in px, and mode."""

    format: str
    width: int
    height: int
    mode: str = ""

    @property
    def extension(self) -> str:
        """Return the file extension of the format, whatever the file was called."""
        return EXTENSIONS[self.format]


def read_header(data: bytes, limits: Limits = PREVIEW) -> Header:
    """Read format and size without decoding. Raises PictureError.

    Formats outside the allow-list are never probed (EPS would start Ghostscript); what is over the
    limits, or would take more memory than 40 megapixels do, is refused before any pixel is decoded.
    """
    limits.check_bytes(len(data))
    with _opened(data) as image:
        limits.check_pixels(*image.size)
        _least_factor(image, data)
        return Header(image.format or "", *image.size, image.mode)


def decode(data: bytes, *, at_least: int | None = None, whole: bool = False) -> Image.Image:
    """Decode to an RGB picture: first frame, upright, over white. Raises PictureError.

    One of more than 40 megapixels comes at a half, a quarter or an eighth of its size, or with
    `whole` not at all. `at_least` lets a big JPEG be decoded so too, its shorter side staying at
    least that many px (fewer only where 40 megapixels do not hold them, as of a long panorama).
    """
    with _opened(data) as image:
        factor = _least_factor(image, data)
        if whole and factor > 1:
            raise PictureError("too_large", "it is decoded at a fraction of its size only")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                return to_rgb(_loaded(image, factor, at_least))
        except Image.DecompressionBombError as error:
            raise PictureError("too_large", str(error)) from error
        except MemoryError as error:
            raise PictureError("too_large", "not enough memory to decode it") from error
        except Exception as error:  # decoders raise whatever their format's damage leads to
            raise PictureError("truncated", first_line(error)) from error


def has_orientation(data: bytes) -> bool:
    """Say whether a picture's file has an EXIF orientation, 1 to 8. Raises PictureError."""
    with _opened(data) as image, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return image.getexif().get(ExifTags.Base.Orientation) in _ORIENTATIONS
        except Exception:  # noqa: BLE001  decoders raise whatever their format's damage leads to
            return False


def fit_of(word: str) -> Fit:
    """Return a word for how pictures are made square as a type; `crop` for an unknown one."""
    return "pad" if word == "pad" else "stretch" if word == "stretch" else "crop"


def fit(image: Image.Image, size: int, how: Fit = "crop") -> Image.Image:
    """Resize an RGB picture to size x size px, bicubic with antialiasing.

    `crop` takes the largest centred square, as Keras' smart_resize does; `pad` keeps the whole
    picture on grey; `stretch` ignores the aspect ratio.
    """
    if how == "pad":
        return ImageOps.pad(image, (size, size), Image.Resampling.BICUBIC, color=PAD_COLOUR)
    box = centre_box(image.width, image.height) if how == "crop" else None
    return image.resize((size, size), Image.Resampling.BICUBIC, box=box)


def centre_box(width: int, height: int) -> tuple[int, int, int, int]:
    """Return the largest centred square of a picture as left, top, right, bottom in px."""
    side = min(width, height)
    left, top = (width - side) // 2, (height - side) // 2
    return left, top, left + side, top + side


def to_array(image: Image.Image) -> NDArray[np.uint8]:
    """Return the picture as uint8[height, width, 3]."""
    return np.asarray(image, dtype=np.uint8)


def load_square(data: bytes, size: int, how: Fit = "crop") -> NDArray[np.uint8]:
    """Return `square` as uint8[size, size, 3]: what training and serving both see."""
    return to_array(square(data, size, how))


def square(data: bytes, size: int, how: Fit = "crop") -> Image.Image:
    """Decode and fit a picture: what is published, and what a model is shown.

    A big JPEG is decoded at a fraction that leaves half as many px again as are needed.
    """
    return fit(decode(data, at_least=3 * size // 2), size, how)


def encode_jpeg(image: Image.Image, quality: int = 95) -> bytes:
    """Encode an RGB picture as a JPEG without chroma subsampling and without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling=0)
    return buffer.getvalue()


def encode_png(image: Image.Image) -> bytes:
    """Encode an RGB picture as a PNG, without loss and without metadata."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _opened(data: bytes) -> Image.Image:
    if not data:
        raise PictureError("truncated", "0 bytes")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _open(data)
    except PictureError:
        raise
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", "far too many pixels", SMALLER) from error
    except Exception as error:  # decoders raise whatever their format's damage leads to
        known = data.startswith(_SIGNATURES) or data[8:12] in {b"WEBP", b"avif"} or is_heic(data)
        reason: Reason = "truncated" if known else "not_a_picture"
        # Pillow's own words for a header that it does not know are the address of what it read.
        words = "its header cannot be read" if isinstance(error, _UNKNOWN) else first_line(error)
        raise PictureError(reason, words) from error


def _open(data: bytes) -> Image.Image:
    """Open by the first bytes. A JPEG goes past Pillow's limit of px: it need not be decoded whole."""
    if data.startswith(_JPEG):
        return JpegImagePlugin.jpeg_factory(io.BytesIO(data))
    if not is_heic(data):
        return Image.open(io.BytesIO(data), formats=FORMATS)
    if not is_installed():
        raise PictureError("needs_heic", f"HEIC: {INSTALL}", INSTALL)
    if most_pixels(data) > MAX_WHOLE_PIXELS:
        raise _too_large(most_pixels(data), MAX_WHOLE_PIXELS)
    return open_heic(data)


def _least_factor(image: Image.Image, data: bytes) -> int:
    """Return by how much a picture must be made smaller: 1, 2, 4 or 8. Raises PictureError."""
    pixels, most = image.width * image.height, MAX_PIXELS
    if pixels <= most:
        return 1
    if image.format == "HEIF" or (image.format in _SCALED and _is_held_whole(data)):
        most = MAX_WHOLE_PIXELS
    elif image.format in _SCALED:
        most = MAX_PIXELS * _FACTORS[0] ** 2
    if pixels > most:
        raise _too_large(pixels, most)
    return next(f for f in reversed(_FACTORS) if pixels <= MAX_PIXELS * f**2)


def _is_held_whole(data: bytes) -> bool:
    """Say whether libjpeg keeps a whole JPEG in memory: it has several scans, as a progressive one."""
    with JpegImagePlugin.JpegImageFile(io.BytesIO(data)) as image:
        if image.fp is None or "progressive" in image.info:
            return True
        first_scan = image.fp.tell() - (6 + 2 * image.layers)  # if it holds every colour
        return data[first_scan - 2 : first_scan] != b"\xff\xda"


def _too_large(pixels: int, most: int) -> PictureError:
    words = f"{pixels / MEGA:.1f} megapixels, of this kind at most {most / MEGA:g}"
    return PictureError("too_large", words, SMALLER)


def _loaded(image: Image.Image, factor: int, at_least: int | None) -> Image.Image:
    """Return a picture upright, made smaller by the factor, a JPEG by more where that is enough."""
    if image.format in _SCALED:
        wanted = 1 if at_least is None else min(image.size) // max(at_least, 1)
        by = next(f for f in _FACTORS if f <= max(wanted, factor))
        image.draft("RGB", (image.width // by, image.height // by))
    image.load()
    if factor > 1 and image.format not in _SCALED:
        image = image.reduce(factor)
    ImageOps.exif_transpose(image, in_place=True)  # a copy would double the memory
    return image


def to_rgb(image: Image.Image) -> Image.Image:
    """Return an image in RGB: deep greys scaled to 8 bits, what is transparent over white."""
    if image.mode in _DEEP_MODES:
        return _in_strips(image, _scaling(image))
    if image.mode in {"RGBA", "LA", "PA", "RGBa", "La"} or "transparency" in image.info:
        return _in_strips(image, _over_white)
    return image if image.mode == "RGB" else image.convert("RGB")


def _in_strips(image: Image.Image, to_rgb: Callable[[Image.Image], Image.Image]) -> Image.Image:
    """Return a whole RGB picture, made by `to_rgb` (to RGB or L) from a few rows at a time."""
    whole = Image.new("RGB", image.size)
    for top in range(0, image.height, _STRIP):
        box = (0, top, image.width, min(top + _STRIP, image.height))
        whole.paste(to_rgb(image.crop(box)), box)
    return whole


def _over_white(strip: Image.Image) -> Image.Image:
    layer = strip.convert("RGBA")
    white = Image.new("RGBA", layer.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, layer).convert("RGB")


def _scaling(image: Image.Image) -> Callable[[Image.Image], Image.Image]:
    """Return what scales a strip of a deep picture to 8 bits: integers by 65535, F by its top."""
    if image.mode != "F":
        return _scaled_integers
    rows = range(0, image.height, _STRIP)
    tops = [np.asarray(image.crop((0, top, image.width, min(top + _STRIP, image.height)))).max()
            for top in rows]  # fmt: skip
    share = 255.0 / max(float(np.max(tops)), 1.0)

    def scaled(strip: Image.Image) -> Image.Image:
        values = np.asarray(strip, dtype=np.float64) * share
        return Image.fromarray(values.clip(0, 255).round().astype(np.uint8))

    return scaled


def _scaled_integers(strip: Image.Image) -> Image.Image:
    values = np.asarray(strip).astype(np.int64).clip(0, _DEEPEST_GREY)
    return Image.fromarray(((values + _STEP // 2) // _STEP).astype(np.uint8))
