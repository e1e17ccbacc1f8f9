"""Compute each picture's hashes and measures once, and keep them in the manifest."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import PIL
from numpy.typing import NDArray

from curate import hashing, quality
from pipeline.errors import DamagedDataError
from pipeline.manifest import Manifest
from pipeline.pictures import PictureError, decode
from pipeline.progress import Bar
from pipeline.rows import FeatureRow
from pipeline.workers import Result, map_items

BATCH = 500
_ALGORITHMS = {
    "phash": hashing.ALGORITHM,
    "views": hashing.VIEWS_ALGORITHM,
    "thumb": hashing.THUMB_ALGORITHM,
    "quality": quality.ALGORITHM,
}
_BROKEN = ("broken", "decode/1")
_PIXELS = ("pixels", "sha256/1")


@dataclass(frozen=True)
class Features:
    """What is known of each picture, by the SHA-256 of its file."""

    whole: Mapping[str, int]
    mirrored: Mapping[str, int]
    views: Mapping[str, NDArray[np.uint64]]
    thumbs: Mapping[str, NDArray[np.uint8]]
    scores: Mapping[str, quality.Scores]
    broken: Mapping[str, str]


def versions() -> dict[str, object]:
    """Return what the measures depend on: algorithms and libraries."""
    return {**_ALGORITHMS, "pillow": PIL.__version__, "numpy": np.__version__}


def measure(path: str) -> dict[str, bytes]:
    """Decode a file once and return feature kind -> value; a broken picture has `broken` only.

    Raises OSError when the file cannot be read.
    """
    try:
        image = decode(Path(path).read_bytes(), at_least=hashing.DECODE_AT_LEAST)
    except PictureError as error:
        return {"broken": error.reason.encode()}
    grey = hashing.luma(image)
    pixels = hashing.shrink(grey, hashing.HASH_SIDE)
    return {
        "phash": np.array(hashing.phash(pixels), ">u8").tobytes(),
        "views": hashing.view_hashes(grey).astype(">u8").tobytes(),
        "thumb": hashing.thumbnail(grey).tobytes(),
        "quality": quality.score(image).to_bytes(),
    }


def pixel_digest(path: str) -> dict[str, bytes]:
    """Return the SHA-256 of a picture's size and upright RGB pixels, decoded in full.

    A picture that decodes only at a fraction of its size is like no other.
    """
    data = Path(path).read_bytes()
    try:
        image = decode(data)
    except PictureError:
        return {"pixels": hashlib.sha256(data).digest()}
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return {"pixels": digest.digest()}


def measure_missing(
    manifest: Manifest, files: Mapping[str, Path], executor: str, make_bar: Callable[[int], Bar]
) -> int:
    """Measure the pictures (SHA-256 -> file) that lack a feature; return how many those were.

    What is measured is kept in batches, so that a killed run loses little. Raises
    DamagedDataError when a file is missing or cannot be read.
    """
    known = [manifest.features(kind, algorithm).keys() for kind, algorithm in _ALGORITHMS.items()]
    done = set[str].intersection(*map(set, known)) | manifest.features(*_BROKEN).keys()
    missing = sorted(files.keys() - done)
    _measure_all(manifest, measure, [(s, files[s]) for s in missing], executor, make_bar)
    return len(missing)


def load(manifest: Manifest, wanted: Iterable[str]) -> Features:
    """Return the features of the wanted pictures."""
    names = set(wanted)

    def stored(kind: str, algorithm: str) -> dict[str, bytes]:
        return {s: v for s, v in manifest.features(kind, algorithm).items() if s in names}

    values = {kind: stored(kind, algorithm) for kind, algorithm in _ALGORITHMS.items()}
    hashes = {s: np.frombuffer(v, ">u8") for s, v in values["phash"].items()}
    side = hashing.THUMB_SIDE
    return Features(
        whole={s: int(h[0]) for s, h in hashes.items()},
        mirrored={s: int(h[1]) for s, h in hashes.items()},
        views={s: np.frombuffer(v, ">u8").astype(np.uint64) for s, v in values["views"].items()},
        thumbs={
            s: np.frombuffer(v, np.uint8).reshape(side, side) for s, v in values["thumb"].items()
        },
        scores={s: quality.Scores.from_bytes(v) for s, v in values["quality"].items()},
        broken={s: v.decode() for s, v in stored(*_BROKEN).items()},
    )


def pixel_digests(
    manifest: Manifest, files: Mapping[str, Path], executor: str, make_bar: Callable[[int], Bar]
) -> dict[str, bytes]:
    """Return the pixel digest of each picture (SHA-256 -> file), computing what is missing."""
    known = manifest.features(*_PIXELS)
    missing = [(s, files[s]) for s in sorted(files.keys() - known.keys())]
    _measure_all(manifest, pixel_digest, missing, executor, make_bar)
    return {s: v for s, v in manifest.features(*_PIXELS).items() if s in files}


def _measure_all(
    manifest: Manifest,
    function: Callable[[str], dict[str, bytes]],
    items: Sequence[tuple[str, Path]],
    executor: str,
    make_bar: Callable[[int], Bar],
) -> None:
    if not items:
        return
    bar = make_bar(len(items))
    names = {str(path): sha256 for sha256, path in items}
    results = map_items(function, list(names), executor if len(items) > 1 else "serial")
    while batch := list(islice(results, BATCH)):
        rows = [row for result in batch for row in _rows(result, names[result.item])]
        with manifest.transaction():
            manifest.insert(rows)
        bar.advance(len(batch))


def _rows(result: Result[str, dict[str, bytes]], sha256: str) -> list[FeatureRow]:
    """Turn a result into rows; a picture that kills its decoder is broken."""
    if isinstance(result.error, BrokenProcessPool):
        return [FeatureRow(sha256, *_BROKEN, b"the decoder died")]
    if isinstance(result.error, OSError):
        raise DamagedDataError(
            f"{result.item} cannot be read: {result.error.strerror}",
            cure="run verify; restore the file from a copy or scrape again",
        ) from result.error
    if result.error is not None:
        raise result.error
    algorithms = _ALGORITHMS | dict([_BROKEN, _PIXELS])
    values = result.value or {}
    return [FeatureRow(sha256, kind, algorithms[kind], value) for kind, value in values.items()]
