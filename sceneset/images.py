"""Turn bytes into an RGB picture: the only decode and crop-resize path of the whole program."""

import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 40_000_000
MAX_BYTES = 20_000_000
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
}
Fit = Literal["crop", "pad", "stretch"]
Encoding = Literal["jpeg", "png"]
# The mean colour of ImageNet, which networks trained on it see as nothing.
PAD_COLOUR = (124, 116, 104)
Reason = Literal["not_a_picture", "truncated", "too_small", "too_large"]
_SIGNATURES = (
    b"\xff\xd8\xff",
    b"\x89PNG\r\n\x1a\n",
    b"GIF87a",
    b"GIF89a",
    b"BM",
    b"II*\x00",
    b"MM\x00*",
)
_ORIENTATIONS = range(1, 9)
# 16-bit grey modes; Pillow's own conversion clips them instead of scaling.
_DEEP_MODES = {"I", "I;16", "I;16B", "I;16L", "F"}
_DEEPEST_GREY = 65535
_STEP = 257  # 65535 / 255
# Rows converted at a time, so that no second whole picture of wide values is held.
_STRIP = 64


class PictureError(Exception):
    """Bytes are not a picture the program takes; `reason` is the manifest's word for why."""

    def __init__(self, reason: Reason, detail: str) -> None:
        """Keep the reason and the decoder's words."""
        super().__init__(detail)
        self.reason = reason


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


def read_header(data: bytes) -> Header:
    """Read format and size without decoding. Raises PictureError.

    Formats outside the allow-list are never probed (EPS would start Ghostscript); more than
    40 megapixels or 20 MB are refused before any pixel is decoded.
    """
    with _opened(data) as image:
        return Header(image.format or "", *image.size, image.mode)


def decode(data: bytes, *, at_least: int | None = None) -> Image.Image:
    """Decode to an RGB picture: first frame, upright, over white. Raises PictureError.

    `at_least` lets a big JPEG be decoded at a fraction of its size, its shorter side staying at
    least that many px.
    """
    with _opened(data) as image:
        if at_least is not None and image.format in {"JPEG", "MPO"}:
            image.draft("RGB", (at_least, at_least))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                image.load()
                ImageOps.exif_transpose(image, in_place=True)  # a copy would double the memory
                return to_rgb(image)
        except Image.DecompressionBombError as error:
            raise PictureError("too_large", str(error)) from error
        except MemoryError as error:
            raise PictureError("too_large", "not enough memory to decode it") from error
        except Exception as error:  # decoders raise whatever their format's damage leads to
            raise PictureError("truncated", str(error) or type(error).__name__) from error


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
    if len(data) > MAX_BYTES:
        raise PictureError("too_large", f"{len(data)} bytes, more than {MAX_BYTES}")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=FORMATS)
    except Image.DecompressionBombError as error:
        raise PictureError("too_large", str(error)) from error
    except Exception as error:  # decoders raise whatever their format's damage leads to
        known = data.startswith(_SIGNATURES) or data[8:12] in {b"WEBP", b"avif"}
        reason: Reason = "truncated" if known else "not_a_picture"
        # Pillow's own words for a header that it does not know are the address of what it read.
        unknown = isinstance(error, UnidentifiedImageError)
        words = "its header cannot be read" if unknown else str(error)
        raise PictureError(reason, words or type(error).__name__) from error
    if image.width * image.height > MAX_PIXELS:
        raise PictureError("too_large", f"{image.width} x {image.height} px")
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
