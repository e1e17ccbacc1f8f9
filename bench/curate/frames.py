"""Measure whether frames make different pictures copies, and whether copies in frames are found.

DIR holds pictures, in folders or not. For each frame 300 of them are put into it: no two are
copies, so every pair found and every picture dropped is wrong (half of them stand in each of two
classes). Then 60 of them are there again: encoded anew inside the frame, brighter, without the
frame, and 60 others in the next frame of the list. Last, 60 pictures beside each of their turned
copies. Prints one JSON object.

    python bench/curate/frames.py DIR [--seed N]
"""

import argparse
import io
import json
import random
import sys
import tempfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image, ImageEnhance

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.adopt import adopt
from bench.support.copies import Pair, copies_among
from bench.support.frames import FRAMES, OTHERS, Frame, bare
from bench.support.pictures import jpeg
from curate.commands.curate import curate
from curate.settings import CurateSettings
from sceneset.progress import Output

PICTURES = 300
COPIES = 60
TURNS = {
    "90": Image.Transpose.ROTATE_90,
    "180": Image.Transpose.ROTATE_180,
    "270": Image.Transpose.ROTATE_270,
    "upside_down": Image.Transpose.FLIP_TOP_BOTTOM,
    "mirrored": Image.Transpose.FLIP_LEFT_RIGHT,
    "transposed": Image.Transpose.TRANSPOSE,
}


def write(folder: Path, pictures: Mapping[str, bytes]) -> Path:
    """Write encoded pictures as files of a new folder."""
    folder.mkdir(parents=True)
    for name, data in pictures.items():
        (folder / name).write_bytes(data)
    return folder


def wrong(pictures: list[Image.Image], frame: Frame, work: Path) -> dict[str, Any]:
    """Return what curate drops of different pictures in one frame, in two classes."""
    framed = {f"{k:03}": jpeg(frame(picture), 90) for k, picture in enumerate(pictures)}
    files = sorted(write(work / "pictures", framed).iterdir())
    dataset = adopt(work / "set", {"A": files[::2], "B": files[1::2]})
    settings = CurateSettings(dataset=dataset.root, executor="local:2")
    summary = curate(settings=settings, output=Output(quiet=True)).summary
    dropped = summary["dropped"]
    return {"dropped": dropped, "copies_across_splits": summary["leaks"]}


def found(pictures: list[Image.Image], name: str, work: Path) -> dict[str, Any]:
    """Return the share of copies found, in percent, by how they differ, and the wrong pairs."""
    names = list(FRAMES)
    frame = FRAMES[name]
    other = FRAMES[names[(names.index(name) + 1) % len(names)]]
    files: dict[str, bytes] = {}
    for number, picture in enumerate(pictures):
        key = f"{number:03}"
        if number < 3 * COPIES:
            files[key] = jpeg(frame(picture), 90)
        if number >= COPIES:
            files[f"{key}-other_frame"] = jpeg(other(picture), 90)
            continue
        worse = Image.open(io.BytesIO(jpeg(picture, 40)))
        brighter = ImageEnhance.Brightness(picture).enhance(1.2)
        files[f"{key}-encoded_anew"] = jpeg(frame(worse), 70)
        files[f"{key}-brighter"] = jpeg(frame(brighter), 90)
        files[f"{key}-without"] = jpeg(bare(picture), 90)
    return recall(files, copies_among(write(work / name, files), work / f"{name}-set"))


def turned(pictures: list[Image.Image], work: Path) -> dict[str, Any]:
    """Return the share of turned copies found, in percent, by turn, and the wrong pairs."""
    files = {f"{k:03}": jpeg(picture, 90) for k, picture in enumerate(pictures)}
    for number, picture in enumerate(pictures[:COPIES]):
        for name, turn in TURNS.items():
            files[f"{number:03}-{name}"] = jpeg(picture.transpose(turn), 75)
    return recall(files, copies_among(write(work / "turned", files), work / "turned-set"))


def recall(files: Mapping[str, bytes], pairs: set[Pair]) -> dict[str, Any]:
    """Return the percentage of copies found per kind; names are NUMBER and NUMBER-KIND."""
    kinds: dict[str, list[bool]] = defaultdict(list)
    for name in files:
        number, _, kind = name.partition("-")
        if kind and number in files:
            kinds[kind].append(frozenset((number, name)) in pairs)
    percent = {kind: round(100 * sum(hits) / len(hits), 1) for kind, hits in sorted(kinds.items())}
    return {
        "found_percent": percent,
        "copies": {kind: len(hits) for kind, hits in sorted(kinds.items())},
        "wrong_pairs": sorted(sorted(p) for p in pairs if len({n[:3] for n in p}) > 1),
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--seed", type=int, default=0, help="which pictures are drawn")
    options = parser.parse_args()
    files = sorted(path for path in options.folder.rglob("*") if path.is_file())
    random.Random(options.seed).shuffle(files)  # noqa: S311  a draw of pictures
    pictures = [Image.open(path).convert("RGB") for path in files[:PICTURES]]
    answers: dict[str, Any] = {"pictures": len(pictures)}
    with tempfile.TemporaryDirectory() as temporary:
        work = Path(temporary)
        for name, frame in {**FRAMES, **OTHERS}.items():
            answers[name] = wrong(pictures, frame, work / f"{name}-300")
            if name in FRAMES:
                answers[name] |= found(pictures, name, work)
        answers["turned"] = turned(pictures, work)
    print(json.dumps(answers, indent=2))


if __name__ == "__main__":
    main()
