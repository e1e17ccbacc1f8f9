"""Write small copies of the pictures that a report shows, beside it."""

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from curate.chunks import FEW, map_chunked
from pipeline.durable import write_files
from pipeline.pictures import PictureError, decode

FOLDER = "thumbs"
# Shown up to 110 px high, on screens of two dots per px.
HEIGHT = 168
WIDTH = 320
_QUALITY = 78
_BATCH = 500


def name_of(sha256: str) -> str:
    """Return the file name of a picture's small copy."""
    return f"{sha256[:16]}.jpg"


def write_thumbnails(folder: Path, files: Mapping[str, Path], executor: str) -> set[str]:
    """Make `folder` hold small copies of just these pictures (SHA-256 -> file).

    Those that are there stay; return the SHA-256 of the pictures that have one now.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {name_of(sha256) for sha256 in files}
    there = {path.name for path in folder.iterdir()}
    for name in there - wanted:
        (folder / name).unlink()
    missing = {str(files[s]): s for s in sorted(files) if name_of(s) not in there}
    results = map_chunked(small_copy, list(missing), executor, few=FEW)
    failed: set[str] = set()
    batch: dict[Path, bytes] = {}
    for result in results:
        sha256 = missing[result.item]
        if result.value is None:
            failed.add(sha256)
            continue
        batch[folder / name_of(sha256)] = result.value
        if len(batch) >= _BATCH:
            write_files(batch)
            batch = {}
    write_files(batch)
    return set(files) - failed


def small_copy(path: str) -> bytes | None:
    """Return a picture file as a small JPEG, or None when it is missing or does not decode."""
    try:
        image = decode(Path(path).read_bytes(), at_least=HEIGHT)
    except (PictureError, OSError):
        return None
    image.thumbnail((WIDTH, HEIGHT), Image.Resampling.BILINEAR, reducing_gap=None)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=_QUALITY)
    return buffer.getvalue()
