"""Decide what the gallery serves: the results of each class, planted duplicates included."""

import base64
import hashlib
import io
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from random import Random
from typing import Literal
from urllib.parse import quote

from PIL import Image, ImageEnhance, ImageOps

from sceneset.class_list import SceneClass
from scraper.gallery.scenes import seeded

ResultKind = Literal[
    "original",
    "exact",
    "near",
    "mirrored",
    "cropped",
    "two_classes",
    "broken",
    "placeholder",
]
PLACEHOLDER_GIF = base64.b64decode("R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==")
NOT_A_PICTURE = b"<!DOCTYPE html><html><title>Not found</title><p>This picture has moved.</html>"
QUALITY = 85


def encode(image: Image.Image, file_format: str = "JPEG", quality: int = QUALITY) -> bytes:
    """Return the bytes of a preview in JPEG, WEBP or PNG (reduced to 48 colours)."""
    buffer = io.BytesIO()
    if file_format == "PNG":
        image = image.quantize(48, Image.Quantize.FASTOCTREE)
    image.save(buffer, file_format, quality=quality, method=0)
    return buffer.getvalue()


def alter(kind: ResultKind, original: bytes, rng: Random) -> bytes:
    """Return the bytes of a planted result made from an original's bytes."""
    if kind == "broken":  # cut, an HTML page in its place, or nothing
        return rng.choice((original[: len(original) * 3 // 5], NOT_A_PICTURE, b""))
    if kind == "placeholder":
        return PLACEHOLDER_GIF
    if kind not in _ALTERATIONS:
        return original
    image = Image.open(io.BytesIO(original)).convert("RGB")
    return _ALTERATIONS[kind](image, rng)


def _near(image: Image.Image, rng: Random) -> bytes:
    """Resize, brighten or darken a little, and encode at a lower quality."""
    scale = rng.uniform(0.75, 1.2)
    size = (round(image.width * scale), round(image.height * scale))
    bright = ImageEnhance.Brightness(image.resize(size, Image.Resampling.BICUBIC))
    return encode(bright.enhance(rng.uniform(0.9, 1.1)), quality=rng.randint(45, 75))


def _cropped(image: Image.Image, rng: Random) -> bytes:
    """Keep 0.9 or 0.8 of each side at one of nine positions."""
    keep = rng.choice((0.9, 0.8))
    width, height = round(image.width * keep), round(image.height * keep)
    left = round((image.width - width) * rng.choice((0, 0.5, 1)))
    top = round((image.height - height) * rng.choice((0, 0.5, 1)))
    return encode(image.crop((left, top, left + width, top + height)))


_ALTERATIONS: dict[ResultKind, Callable[[Image.Image, Random], bytes]] = {
    "near": _near,
    "mirrored": lambda image, _: encode(ImageOps.mirror(image)),
    "cropped": _cropped,
}


# One turn of planted results; two_classes needs a second class and is an exact copy without one.
PLANTED: tuple[ResultKind, ...] = (
    "exact",
    "near",
    "mirrored",
    "cropped",
    "two_classes",
    "near",
    "cropped",
    "broken",
    "placeholder",
    "exact",
)
SHARE_OF_A_WIDER_QUERY = 0.8
_SITES = tuple(
    f"{first}{second}.example"
    for first in ("harbour", "north", "paper", "little", "green")
    for second in ("lens", "journal", "pictures", "atlas", "notes", "garden")
)
_TITLES = (
    "{name} — a quiet morning",
    "{name}: 10 ideas for your next trip",
    "Stock photo of {name}",
    "My {name} album ❤",
    "{name} & friends, part {number}",
    "“{name}” | été {number}",
    "{name} の写真 {number}",
    "How to photograph {name}",
)

Originals = Callable[[str], tuple[bytes, ...]]


@dataclass(frozen=True, slots=True)
class ServedResult:
    """One search result: where it stands, what it is, and of which original it is a copy.

    `read` returns the bytes of its preview.
    """

    class_name: str
    position: int
    docid: str
    thumb_id: str
    page: str
    site: str
    title: str
    read: Callable[[], bytes] = field(compare=False, repr=False)
    kind: ResultKind = "original"
    of: str | None = None


@dataclass(frozen=True)
class ServedClass:
    """One class: the queries that find it, and its results in rank order."""

    name: str
    queries: tuple[str, ...]
    results: tuple[ServedResult, ...]


class Catalogue:
    """Every result there is, found by query or by thumbnail id."""

    def __init__(self, classes: Iterable[ServedClass]) -> None:
        """Index the classes; nothing is drawn yet."""
        self.classes = {served.name: served for served in classes}
        self._by_query = {
            folded(query): served for served in self.classes.values() for query in served.queries
        }
        self.by_thumb = {r.thumb_id: r for s in self.classes.values() for r in s.results}

    def find(self, query: str) -> tuple[ServedResult, ...]:
        """Return the results of a query in rank order; none for an unknown one.

        A class name gives the whole class. A query that holds one as a whole word gives four
        fifths of the class in an order of its own, so that the queries of a class overlap.
        """
        text = folded(query)
        if text in self._by_query:
            return self._by_query[text].results
        words = [w for w in self._by_query if re.search(rf"(?<!\w){re.escape(w)}(?!\w)", text)]
        if not words:
            return ()
        results = self._by_query[max(words, key=len)].results
        count = max(1, round(len(results) * SHARE_OF_A_WIDER_QUERY))
        return tuple(seeded(text).sample(results, count))


@dataclass(frozen=True, slots=True)
class Plan:
    """How one drawn result is made: from which original of which class, altered how."""

    kind: ResultKind
    class_name: str
    original: int


def plan_class(
    name: str, other: str | None, per_class: int, share: float, *, seed: int
) -> list[Plan]:
    """Mix originals with planted results; `other` is the class to share a picture with."""
    rng = seeded("plan", seed, name)
    planted = min(round(per_class * share), per_class - 1)
    originals = per_class - planted
    plans = [Plan("original", name, number) for number in range(originals)]
    sources = rng.sample(range(originals), originals)
    for number in range(planted):
        kind = PLANTED[number % len(PLANTED)]
        source = sources[number % originals]
        if kind == "two_classes":
            plans.append(Plan(kind, other, source) if other else Plan("exact", name, source))
        else:
            plans.append(Plan(kind, name, source))
    rng.shuffle(plans)
    return plans


def drawn_classes(
    classes: Sequence[SceneClass], originals: Originals, *, per_class: int, share: float, seed: int
) -> list[ServedClass]:
    """Return what is served per class; pictures are drawn when first read."""
    names = [one.name for one in classes]
    others = dict(zip(names, [*names[1:], names[0]], strict=True)) if len(names) > 1 else {}
    plans = {
        name: plan_class(name, others.get(name), per_class, share, seed=seed) for name in names
    }
    return [_drawn_class(one, plans, originals, seed) for one in classes]


def _drawn_class(
    scene_class: SceneClass, plans: Mapping[str, list[Plan]], originals: Originals, seed: int
) -> ServedClass:
    name = scene_class.name
    docids = {
        (plan.class_name, plan.original): _identifier("docid", seed, plan.class_name, position)
        for class_name in plans
        for position, plan in enumerate(plans[class_name])
        if plan.kind == "original"
    }
    no_copies = {"original", "broken", "placeholder"}

    @cache
    def read(position: int) -> bytes:
        plan = plans[name][position]
        rng = seeded("alter", seed, name, position)
        return alter(plan.kind, originals(plan.class_name)[plan.original], rng)

    results = tuple(
        _result(
            name,
            position,
            seed=seed,
            read=partial(read, position),
            kind=plan.kind,
            of=None if plan.kind in no_copies else docids[plan.class_name, plan.original],
        )
        for position, plan in enumerate(plans[name])
    )
    return ServedClass(name, tuple({name: 0, **dict.fromkeys(scene_class.queries)}), results)


def folder_classes(root: Path) -> list[ServedClass]:
    """Return what is served per folder in `root`; its files are the results, sorted by name."""
    folders = sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))
    return [_folder_class(folder) for folder in folders]


def _folder_class(folder: Path) -> ServedClass:
    name = unicodedata.normalize("NFC", folder.name)
    files = sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith("."))
    results = tuple(
        _result(name, position, seed=0, read=path.read_bytes, title=path.stem)
        for position, path in enumerate(files)
    )
    return ServedClass(name, (name,), results)


def _result(
    name: str,
    position: int,
    *,
    seed: int,
    read: Callable[[], bytes],
    title: str = "",
    kind: ResultKind = "original",
    of: str | None = None,
) -> ServedResult:
    rng = seeded("result", seed, name, position)
    site = rng.choice(_SITES)
    return ServedResult(
        class_name=name,
        position=position,
        docid=_identifier("docid", seed, name, position),
        thumb_id=_identifier("thumb", seed, name, position),
        page=f"https://{site}/{quote(name)}/{position}",
        site=site,
        title=title or rng.choice(_TITLES).format(name=name, number=position),
        read=read,
        kind=kind,
        of=of,
    )


def _identifier(use: str, seed: int, name: str, position: int) -> str:
    digest = hashlib.sha256(f"{use} {seed} {name} {position}".encode()).digest()
    return base64.urlsafe_b64encode(digest)[:14].decode()


def folded(text: str) -> str:
    """Return the form in which queries and class names are compared: NFC, case folded."""
    return unicodedata.normalize("NFC", " ".join(text.split())).casefold()
