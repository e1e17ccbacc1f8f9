"""Choose the pictures that exports are proved on, and run every runtime over them in one pass."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from pipeline.errors import DamagedDataError
from pipeline.progress import Bar
from pipeline.rows import Split
from training.exports.litert import Calibration
from training.exports.runtimes import Rows, Runner
from training.pictures import Example, Version, picture_batches

T = TypeVar("T")

# Pictures for the 8-bit scales, for the gate of the 8-bit model, for the signatures of bytes.
CALIBRATION, JUDGED, FILES = 200, 1000, 32


def proof_examples(version: Version) -> tuple[Example, ...]:
    """Return every test picture; without one, the validation pictures, else a few of training."""
    splits = version.splits
    return splits["test"] or splits["val"] or tuple(spread(splits["train"], FILES))


def judged_examples(version: Version) -> tuple[Split, list[Example]]:
    """Return what decides on files of fewer bits: validation pictures, else those of training.

    Never the test split: what it decided on it could no longer measure.
    """
    split: Split = "val" if version.splits["val"] else "train"
    return split, spread(version.splits[split], JUDGED)


def spread(items: Sequence[T], most: int) -> list[T]:
    """Return at most so many items, evenly over their order: examples stand class by class."""
    if len(items) <= most:
        return list(items)
    return [items[place * len(items) // most] for place in range(most)]


def run_all(
    runners: Mapping[str, Runner], version: Version, examples: Sequence[Example], bar: Bar
) -> tuple[dict[str, Rows], list[int]]:
    """Return each runner's probabilities float32[N, classes], and the places of those N examples.

    The pictures are decoded once. Those that were lost since they were measured are set aside.
    """
    found: dict[str, list[Rows]] = {name: [] for name in runners}
    paths = [example.path for example in examples]
    lost = dict[Path, Exception]()
    for batch in picture_batches(paths, version.size, version.fit, broken=lost.__setitem__):
        for name, run in runners.items():
            found[name].append(run(batch))
        bar.advance(len(batch))
    bar.advance(len(lost))
    read = [place for place, path in enumerate(paths) if path not in lost]
    empty = np.empty((0, len(version.class_names)), np.float32)
    return {name: np.concatenate([empty, *rows]) for name, rows in found.items()}, read


def require_some(read: Sequence[int], examples: Sequence[Example]) -> None:
    """Raise DamagedDataError when none of the examples could be read: nothing would be proved."""
    if examples and not read:
        raise DamagedDataError(
            f"none of {len(examples)} published pictures can be read any more, the first:"
            f" {examples[0].path}; the exports stay unproved and nothing is published",
            cure="sceneset verify lists what is damaged; --resume then goes on from the last epoch",
        )


def read_files(examples: Sequence[Example]) -> tuple[list[bytes], list[int]]:
    """Return the files of examples as they are, and the places of those that can be read.

    Raises DamagedDataError when none can.
    """
    found = dict[int, bytes]()
    for place, example in enumerate(examples):
        with suppress(OSError):
            found[place] = example.path.read_bytes()
    require_some(list(found), examples)
    return list(found.values()), list(found)


def calibration_pictures(version: Version) -> Calibration:
    """Return what gives the 8-bit conversion pictures of training, [float32[1, size, size, 3]].

    Those that were lost are passed over; raises DamagedDataError when all were.
    """
    examples = spread(version.splits["train"], CALIBRATION)
    paths = [one.path for one in examples]

    def pictures() -> Iterator[list[NDArray[np.float32]]]:
        lost = dict[Path, Exception]()
        for batch in picture_batches(paths, version.size, version.fit, broken=lost.__setitem__):
            for picture in batch:
                yield [picture[np.newaxis].astype(np.float32)]
        require_some([k for k, path in enumerate(paths) if path not in lost], examples)

    return pictures
