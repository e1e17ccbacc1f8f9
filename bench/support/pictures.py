"""Draw pictures for the measurements, and encode them."""

import io

import numpy as np
from PIL import Image

Size = tuple[int, int]
COARSE = (12, 16, 3)


def smooth(rng: np.random.Generator, size: Size) -> Image.Image:
    """Draw large soft patches of colour; another seed gives another picture."""
    coarse = Image.fromarray(rng.integers(0, 256, COARSE, dtype=np.uint8))
    return coarse.resize(size, Image.Resampling.BICUBIC)


def grainy(image: Image.Image, rng: np.random.Generator, std: float) -> Image.Image:
    """Add noise to each channel, so that a picture compresses as a photo does."""
    pixels = np.asarray(image, np.float32)
    noisy = pixels + rng.normal(0, std, pixels.shape)
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8))


def jpeg(image: Image.Image, quality: int) -> bytes:
    """Encode a JPEG."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def drawn_photo(size: Size) -> bytes:
    """Draw a JPEG with as much detail as a photo's; the same one for the same size."""
    rng = np.random.default_rng(7)
    return jpeg(grainy(smooth(rng, size), rng, 6), 80)
