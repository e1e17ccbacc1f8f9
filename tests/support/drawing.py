"""Draw pictures for tests."""

import io
from pathlib import Path

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


def processes_with(sign: str) -> list[int]:
    """Return the ids of processes whose command line holds a sign; needs /proc."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if sign.encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:
            continue
    return found
