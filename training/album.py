"""Write small pictures beside a page that shows them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from pipeline.pictures import Fit, PictureError, encode_jpeg, load_square, to_array

FOLDER = "pictures"
SIDE = 112
QUALITY = 78


class Album:
    """The folder of a page's pictures; each file is written once, whoever shows it."""

    def __init__(self, page: Path, fit: Fit) -> None:
        """Write below the folder of the page; pictures are made square as the model sees them."""
        self._folder, self._fit = page / FOLDER, fit
        self._sources: dict[Path, str | None] = {}
        self._written = 0

    def thumbnail(self, path: Path) -> str | None:
        """Return the address of a small copy, or None of a file that cannot be read."""
        if path not in self._sources:
            try:
                square = load_square(path.read_bytes(), SIDE, self._fit)
            except (OSError, PictureError):
                self._sources[path] = None
            else:
                self._sources[path] = self._write(square)
        return self._sources[path]

    def add(self, picture: NDArray[np.uint8]) -> str:
        """Write a picture uint8[size, size, 3] made smaller; return its address."""
        image = Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.BICUBIC)
        return self._write(to_array(image))

    def _write(self, square: NDArray[np.uint8]) -> str:
        self._folder.mkdir(parents=True, exist_ok=True)
        self._written += 1
        name = f"{self._written:05}.jpg"
        (self._folder / name).write_bytes(encode_jpeg(Image.fromarray(square), QUALITY))
        return f"{FOLDER}/{name}"
