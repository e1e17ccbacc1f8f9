"""Train the head from picture files in every epoch: the published recipe."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

from training.epochs import Epochs, compile_classifier, run_epochs
from training.pictures import Example, Version, labels_of, picture_batches
from training.settings import Plan
from training.stream import Batch, own_errors, stream


def train_from_files(
    network: Any,  # noqa: ANN401  Keras has no types
    version: Version,
    *,
    plan: Plan,
    learning_rate: float,
    seed: int,
    epochs: Epochs,
) -> None:
    """Fit pictures -> logits over a frozen base, decoding in every epoch; the last epoch stays.

    25 epochs, batches of 128, Adam 1e-3, no augmentation: train.py of Antony90/ml-photo-api.
    """
    compile_classifier(network, learning_rate)
    rng = np.random.default_rng(seed)
    train, val = version.splits["train"], version.splits["val"]
    data: dict[str, Any] = {
        "x": _stream(version, train, plan.batch_size, rng),
        "shuffle": False,
        "epochs": plan.epochs,
    }
    if val:
        data["validation_data"] = _stream(version, val, plan.batch_size, None)
    with own_errors():
        run_epochs(network, data, epochs)


def _stream(
    version: Version, examples: Sequence[Example], batch: int, rng: np.random.Generator | None
) -> Any:  # noqa: ANN401
    batches = partial(_batches, version, examples, batch, rng)
    return stream(batches, version.size, -(-len(examples) // batch))


def _batches(
    version: Version, examples: Sequence[Example], batch: int, rng: np.random.Generator | None
) -> Iterator[Batch]:
    """Yield an epoch, in an order of its own when there is a generator for it."""
    order = np.arange(len(examples)) if rng is None else rng.permutation(len(examples))
    chosen = [examples[place] for place in order]
    pictures = picture_batches([e.path for e in chosen], version.size, version.fit, batch=batch)
    labels, start = labels_of(chosen), 0
    for stack in pictures:
        yield stack, labels[start : start + len(stack)]
        start += len(stack)
