"""Compute each picture's hashes and measures once, and keep them in the manifest."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from functools import partial
from importlib import metadata
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np
import PIL
from numpy.typing import NDArray

from curate.features import fidelity, inside, phash, quality
from curate.features.fidelity import Fidelity
from curate.features.inside import Inside
from curate.features.phash import Box
from sceneset.errors import DamagedDataError
from sceneset.images import PictureError, decode, has_orientation
from sceneset.manifest.rows import FeatureRow
from sceneset.manifest.store import Manifest
from sceneset.progress import Bar
from sceneset.workers import FEW, Result, map_chunked, map_items

# From a picture file to feature kind -> value.
Measure = Callable[[str], dict[str, bytes]]
Damage = Literal["missing", "unreadable", "altered"]

BATCH = 500
_FAST = {
    "phash": phash.ALGORITHM,
    "turned": phash.TURNED_ALGORITHM,
    "views": phash.VIEWS_ALGORITHM,
    "inside": inside.ALGORITHM,
    "thumb": phash.THUMB_ALGORITHM,
    "quality": quality.ALGORITHM,
}
_EXACT = {kind: f"{name}/full" for kind, name in _FAST.items()} | {"phash": phash.EXACT_ALGORITHM}
_BROKEN = ("broken", "decode/2")
SHARED = ("shared_inside", inside.ALGORITHM)
_FULL = {"pixels": "sha256/1", "fidelity": fidelity.ALGORITHM}
_DIED = "the decoder died"
# Reading and hashing give up the interpreter's lock.
_DAMAGE_EXECUTOR = "threads:2"


@dataclass(frozen=True)
class Features:
    """What is known of each picture, by the SHA-256 of its file.

    `oriented` are uint64[8], the hashes of phash.ORIENTATIONS, `whole` the first of them; `insides`
    are of the pictures that have a frame.
    """

    whole: Mapping[str, int]
    oriented: Mapping[str, NDArray[np.uint64]]
    views: Mapping[str, NDArray[np.uint64]]
    thumbs: Mapping[str, NDArray[np.uint8]]
    scores: Mapping[str, quality.Scores]
    broken: Mapping[str, str]
    insides: Mapping[str, Inside] = field(default_factory=dict)


@dataclass(frozen=True)
class FullMeasures:
    """What a full decode tells of pictures that have copies, by SHA-256."""

    digests: Mapping[str, bytes]
    fidelity: Mapping[str, Fidelity]


def algorithms(*, exact: bool = False) -> dict[str, str]:
    """Return feature kind -> algorithm version; `exact` is what --exact-hash asks for."""
    return _EXACT if exact else _FAST


def versions(*, exact: bool = False) -> dict[str, object]:
    """Return what the measures depend on: algorithms and libraries."""
    used: dict[str, object] = {**algorithms(exact=exact), **_FULL}
    if exact:
        used["imagehash"] = metadata.version("imagehash")
    return used | {"pillow": PIL.__version__, "numpy": np.__version__}


def measure(path: str, *, exact: bool = False) -> dict[str, bytes]:
    """Decode a file once and return feature kind -> value; a broken picture has `broken` only.

    `exact` decodes it in full and leaves the hash to imagehash. Raises OSError when the file
    cannot be read.
    """
    at_least = None if exact else phash.DECODE_AT_LEAST
    try:
        image = decode(Path(path).read_bytes(), at_least=at_least)
    except PictureError as error:
        return {"broken": error.reason.encode()}
    grey = phash.luma(image)
    pixels = phash.shrink(grey, phash.HASH_SIDE)
    hashes = phash.phashes(pixels[None])[0]
    thumb = phash.thumbnail(grey)
    box = inside.plain_box(grey, thumb)
    scene = inside.inside(grey, box) if box else None
    return {
        "phash": np.array(phash.exact_phash(image) if exact else hashes[:2], ">u8").tobytes(),
        "turned": hashes[2:].astype(">u8").tobytes(),
        "views": phash.view_hashes(grey).astype(">u8").tobytes(),
        "thumb": thumb.tobytes(),
        "inside": scene.to_bytes() if scene else b"",
        "quality": quality.score(image).to_bytes(),
    }


def pixel_digest(path: str) -> dict[str, bytes]:
    """Return the SHA-256 of a picture's size and upright RGB pixels, decoded in full.

    A picture that decodes only at a fraction of its size is like no other.
    """
    data = Path(path).read_bytes()
    try:
        image = decode(data, whole=True)
    except PictureError:
        return {"pixels": hashlib.sha256(data).digest()}
    digest = hashlib.sha256(f"{image.width}x{image.height}:".encode())
    digest.update(image.tobytes())
    return {"pixels": digest.digest()}


def measure_fidelity(path: str) -> dict[str, bytes]:
    """Return the fidelity of a picture decoded in full; one that does not decode has the least."""
    data = Path(path).read_bytes()
    try:
        image = decode(data)
    except PictureError:
        return {"fidelity": fidelity.NOTHING.to_bytes()}
    return {"fidelity": fidelity.fidelity(image, has_orientation=has_orientation(data)).to_bytes()}


def measure_missing(
    manifest: Manifest,
    files: Mapping[str, Path],
    executor: str,
    make_bar: Callable[[int], Bar],
    *,
    exact: bool = False,
) -> int:
    """Measure the pictures (SHA-256 -> file) that lack a feature; return how many those were.

    What is measured is kept in batches, so that a killed run loses little. Raises
    DamagedDataError when a file is missing or cannot be read.
    """
    kinds = algorithms(exact=exact)
    known = [manifest.features(kind, algorithm).keys() for kind, algorithm in kinds.items()]
    done = set[str].intersection(*map(set, known)) | manifest.features(*_BROKEN).keys()
    missing = sorted(files.keys() - done)
    names = {str(files[sha256]): sha256 for sha256 in missing}
    results = map_chunked(partial(measure, exact=exact), list(names), executor)
    _store(manifest, results, names, kinds, make_bar)
    return len(missing)


def load(manifest: Manifest, wanted: Iterable[str], *, exact: bool = False) -> Features:
    """Return the features of the wanted pictures.

    One that has none has killed its decoder: it is broken, and measured again by the next run.
    """
    names = set(wanted)
    kinds = {**algorithms(exact=exact), **dict([_BROKEN, SHARED])}
    values = {
        kind: {s: v for s, v in manifest.features(kind, name).items() if s in names}
        for kind, name in kinds.items()
    }
    died = names - set[str].intersection(*(set(values[kind]) for kind in algorithms()))
    values["broken"] = dict.fromkeys(died, _DIED.encode()) | values["broken"]
    return unpack(values)


def unpack(values: Mapping[str, Mapping[str, bytes]]) -> Features:
    """Return as features what was measured: kind -> SHA-256 -> value."""
    hashes = {
        s: np.frombuffer(value + values["turned"][s], ">u8").astype(np.uint64)
        for s, value in values["phash"].items()
        if s in values["turned"]
    }
    thumb = (phash.THUMB_SIDE, phash.THUMB_SIDE)
    plain = {s: value for s, value in values["inside"].items() if value}
    scenes = {**values.get(SHARED[0], {}), **plain}
    return Features(
        whole={s: int(h[0]) for s, h in hashes.items()},
        oriented=hashes,
        views={s: np.frombuffer(v, ">u8").astype(np.uint64) for s, v in values["views"].items()},
        thumbs={s: np.frombuffer(v, np.uint8).reshape(thumb) for s, v in values["thumb"].items()},
        scores={s: quality.Scores.from_bytes(v) for s, v in values["quality"].items()},
        broken={s: v.decode() for s, v in values.get("broken", {}).items()},
        insides={
            s: Inside.from_bytes(v)
            for s, v in scenes.items()
            if v and s in hashes and hashes[s][0] != phash.NO_HASH
        },
    )


def measure_inside(path: str, *, box: Box) -> dict[str, bytes]:
    """Return what is inside a box of a picture; nothing of one that does not decode or is flat."""
    try:
        image = decode(Path(path).read_bytes(), at_least=2 * phash.DECODE_AT_LEAST)
    except PictureError:
        return {SHARED[0]: b""}
    grey = phash.luma(image)
    scene = inside.inside(grey, inside.snapped(grey, box))
    return {SHARED[0]: scene.to_bytes() if scene else b""}


def measure_insides(
    manifest: Manifest,
    files: Mapping[str, Path],
    boxes: Mapping[str, Box],
    executor: str,
    make_bar: Callable[[int], Bar],
) -> int:
    """Measure what is inside the boxes of pictures (by SHA-256), once; return how many those were."""
    missing = sorted(boxes.keys() - manifest.features(*SHARED).keys())
    for box in sorted({boxes[s] for s in missing}):
        names = {str(files[s]): s for s in missing if boxes[s] == box}
        results = map_chunked(partial(measure_inside, box=box), list(names), executor, few=FEW)
        _store(manifest, results, names, dict([SHARED]), make_bar)
    return len(missing)


def measure_fully(
    manifest: Manifest,
    files: Mapping[str, Path],
    executor: str,
    make_bar: Callable[[int], Bar],
    *,
    measures: tuple[Measure, Measure] = (pixel_digest, measure_fidelity),
) -> FullMeasures:
    """Return digest and fidelity of each picture (SHA-256 -> file), measuring what is missing.

    `measures` are what measures them. Of pictures with equal pixels one is measured. One that kills
    its decoder is like no other and the least of its copies, until the next run measures it again.
    """

    def stored(kind: str, wanted: Collection[str], measure: Measure) -> dict[str, bytes]:
        known = manifest.features(kind, _FULL[kind])
        names = {str(files[s]): s for s in sorted(set(wanted) - known.keys())}
        if names:
            results = map_chunked(measure, list(names), executor, few=FEW)
            _store(manifest, results, names, _FULL, make_bar)
            known = manifest.features(kind, _FULL[kind])
        return {s: known[s] for s in wanted if s in known}

    digests = {s: bytes.fromhex(s) for s in files} | stored("pixels", files, measures[0])
    first = {digest: sha256 for sha256, digest in sorted(digests.items(), reverse=True)}
    values = stored("fidelity", first.values(), measures[1])
    measured = {s: Fidelity.from_bytes(v) for s, v in values.items()}
    fidelities = {s: measured.get(first[d], fidelity.NOTHING) for s, d in digests.items()}
    return FullMeasures(digests, fidelities)


def _store(
    manifest: Manifest,
    results: Iterator[Result[str, dict[str, bytes]]],
    names: Mapping[str, str],
    kinds: Mapping[str, str],
    make_bar: Callable[[int], Bar],
) -> None:
    """Keep the measures of files (path -> SHA-256 in `names`) in the manifest, batch by batch."""
    if not names:
        return
    bar = make_bar(len(names))
    algorithms = {**kinds, **dict([_BROKEN])}
    while batch := list(islice(results, BATCH)):
        rows = [
            FeatureRow(names[result.item], kind, algorithms[kind], value)
            for result in batch
            for kind, value in _values(result).items()
        ]
        with manifest.transaction():
            manifest.insert(rows)
        bar.advance(len(batch))


def _values(result: Result[str, dict[str, bytes]]) -> dict[str, bytes]:
    """Return feature kind -> value of a result, none of a picture that killed its decoder.

    That may have been the system, short of memory: nothing is written that would outlive this run.
    """
    if isinstance(result.error, BrokenProcessPool):
        return {}
    if isinstance(result.error, OSError):
        raise DamagedDataError(
            f"{result.item} cannot be read: {result.error.strerror}",
            cure="run verify; restore the file from a copy or scrape again",
        ) from result.error
    if result.error is not None:
        raise result.error
    return result.value or {}


def find_damage(files: Mapping[str, Path]) -> dict[str, Damage]:
    """Return SHA-256 -> what is wrong with the file, for those with something wrong."""
    results = map_items(partial(_damage_of, files), sorted(files), _DAMAGE_EXECUTOR)
    return {result.item: result.value for result in results if result.value is not None}


def _damage_of(files: Mapping[str, Path], sha256: str) -> Damage | None:
    try:
        data = files[sha256].read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    return None if hashlib.sha256(data).hexdigest() == sha256 else "altered"
