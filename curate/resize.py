"""Turn raw pictures into the published ones: square, RGB, JPEG or PNG."""

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path

from curate.chunks import FEW, map_chunked
from pipeline.errors import DamagedDataError
from pipeline.pictures import Encoding, Fit, encode_jpeg, encode_png, square


def resize_file(path: str, *, size: int, how: Fit, encoding: Encoding = "jpeg") -> bytes:
    """Return a picture file as a JPEG (quality 95, no subsampling) or PNG of size x size px.

    Raises PictureError or OSError.
    """
    picture = square(Path(path).read_bytes(), size, how)
    return encode_png(picture) if encoding == "png" else encode_jpeg(picture)


def resized(
    files: Mapping[str, Path],
    *,
    size: int,
    how: Fit,
    encoding: Encoding = "jpeg",
    executor: str,
) -> Iterator[tuple[str, bytes]]:
    """Yield (SHA-256, encoded picture) for each picture (SHA-256 -> file), in their order.

    Raises DamagedDataError when one cannot be read or decoded.
    """
    names = {str(path): sha256 for sha256, path in files.items()}
    work = partial(resize_file, size=size, how=how, encoding=encoding)
    for result in map_chunked(work, list(names), executor, few=FEW):
        if result.value is None:
            raise DamagedDataError(
                f"{result.item} can no longer be decoded: {result.error}",
                cure="run verify; restore the file from a copy, or remove it with forget",
            )
        yield names[result.item], result.value
