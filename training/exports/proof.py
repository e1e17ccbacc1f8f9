"""Choose the pictures that exports are proved on, and run every runtime over them in one pass."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

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
) -> dict[str, Rows]:
    """Return each runner's probabilities float32[N, classes]; the pictures are decoded once."""
    found: dict[str, list[Rows]] = {name: [] for name in runners}
    paths = [example.path for example in examples]
    for batch in picture_batches(paths, version.size, version.fit):
        for name, run in runners.items():
            found[name].append(run(batch))
        bar.advance(len(batch))
    empty = np.empty((0, len(version.class_names)), np.float32)
    return {name: np.concatenate([empty, *rows]) for name, rows in found.items()}


def calibration_pictures(version: Version) -> Calibration:
    """Return what gives the 8-bit conversion pictures of training, [float32[1, size, size, 3]]."""
    paths = [one.path for one in spread(version.splits["train"], CALIBRATION)]

    def pictures() -> Iterator[list[NDArray[np.float32]]]:
        for batch in picture_batches(paths, version.size, version.fit):
            for picture in batch:
                yield [picture[np.newaxis].astype(np.float32)]

    return pictures
