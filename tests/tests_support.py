"""Draw pictures for tests."""

import io

import numpy as np
from PIL import Image


def draw_jpeg(seed: int, size: tuple[int, int] = (240, 180), quality: int = 90) -> bytes:
    """Draw a smooth random picture; another seed gives another picture."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(coarse).resize(size, Image.Resampling.BICUBIC)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
