"""Turn raw pictures into the published ones: square, RGB, JPEG at quality 95 without subsampling."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from curate.chunks import FEW, map_chunked
from pipeline.errors import DamagedDataError
from pipeline.pictures import Fit, decode, encode_jpeg, fit


def resize_file(path: str, *, size: int, how: Fit) -> bytes:
    """Return a picture file as a JPEG of size x size px. Raises PictureError or OSError."""
    image = decode(Path(path).read_bytes(), at_least=2 * size)
    return encode_jpeg(fit(image, size, how))


def resized(
    files: Mapping[str, Path], *, size: int, how: Fit, executor: str
) -> Iterator[tuple[str, bytes]]:
    """Yield (SHA-256, JPEG) for each picture (SHA-256 -> file), in their order.

    Raises DamagedDataError when one cannot be read or decoded.
    """
    names = {str(path): sha256 for sha256, path in files.items()}
    work = partial(resize_file, size=size, how=how)
    for result in map_chunked(work, list(names), executor, few=FEW):
        if result.value is None:
            raise DamagedDataError(
                f"{result.item} can no longer be decoded: {result.error}",
                cure="run verify; restore the file from a copy, or remove it with forget",
            )
        yield names[result.item], result.value
