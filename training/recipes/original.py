"""Train the head from picture files in every epoch: the published recipe."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.version import Example, Version, labels_of, picture_batches, read_ahead
from training.loop.history import Epochs, compile_classifier, go_on, run_epochs
from training.loop.plans import Plan

Batch = tuple[NDArray[np.uint8], NDArray[np.int64]]

_FAILURES: list[Exception] = []


def _kept(batches: Callable[[], Iterator[Batch]]) -> Iterator[Batch]:
    """Yield batches; keep what they raise, which TensorFlow would turn into text."""
    try:
        yield from batches()
    except Exception as error:
        _FAILURES.append(error)
        raise


@contextmanager
def own_errors() -> Iterator[None]:
    """Raise what a stream's batches raised in the block in place of TensorFlow's error."""
    _FAILURES.clear()
    try:
        yield
    except Exception as error:
        if _FAILURES:
            raise _FAILURES[0] from error
        raise


def stream(batches: Callable[[], Iterator[Batch]], size: int, count: int) -> Any:  # noqa: ANN401  Keras has no types
    """Return what Keras fits on: `count` batches; `batches` is called once per epoch.

    A batch is (uint8[N, size, size, 3], int64[N]).
    """
    return read_ahead(partial(_kept, batches), size, count)


# Called once per epoch: the seed of the run, the number of the epoch
Seeds = Callable[[], tuple[int, int]]


def train_from_files(
    network: Any,  # noqa: ANN401  Keras has no types
    version: Version,
    *,
    plan: Plan,
    seed: int,
    epochs: Epochs,
) -> None:
    """Fit pictures -> logits over a frozen base, decoding in every epoch; the last epoch stays.

    25 epochs, batches of 128, Adam 1e-3, no augmentation: train.py of Antony90/ml-photo-api.
    """
    compile_classifier(network, plan.learning_rate)
    go_on(network, epochs)
    train, val = version.splits["train"], version.splits["val"]
    numbers = count(len(epochs.curves))
    data: dict[str, Any] = {
        "x": _stream(version, train, plan.batch_size, lambda: (seed, next(numbers))),
        "shuffle": False,
        "epochs": plan.epochs,
    }
    if val:
        data["validation_data"] = _stream(version, val, plan.batch_size, None)
    with own_errors():
        run_epochs(network, data, epochs)


def _stream(version: Version, examples: Sequence[Example], batch: int, seeds: Seeds | None) -> Any:  # noqa: ANN401
    batches = partial(_batches, version, examples, batch, seeds)
    return stream(batches, version.size, -(-len(examples) // batch))


def _batches(
    version: Version, examples: Sequence[Example], batch: int, seeds: Seeds | None
) -> Iterator[Batch]:
    """Yield an epoch; in the order that the next seed draws, or as it is without seeds."""
    order = np.arange(len(examples))
    if seeds is not None:
        order = np.random.default_rng(seeds()).permutation(len(examples))
    chosen = [examples[place] for place in order.tolist()]
    pictures = picture_batches([e.path for e in chosen], version.size, version.fit, batch=batch)
    labels, start = labels_of(chosen), 0
    for stack in pictures:
        yield stack, labels[start : start + len(stack)]
        start += len(stack)
