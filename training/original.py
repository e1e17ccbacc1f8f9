"""Train the head from picture files in every epoch: the published recipe."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.backend import load_backend
from training.epochs import Epochs, compile_classifier, run_epochs
from training.pictures import Example, Version, labels_of, picture_batches
from training.settings import Plan

SHUFFLE_SEED = 889


def train_from_files(
    network: Any,  # noqa: ANN401  Keras has no types
    version: Version,
    *,
    plan: Plan,
    learning_rate: float,
    epochs: Epochs,
) -> None:
    """Fit pictures -> logits over a frozen base, decoding in every epoch; the last epoch stays.

    25 epochs, batches of 128, Adam 1e-3, no augmentation: train.py of Antony90/ml-photo-api.
    """
    compile_classifier(network, learning_rate)
    data: dict[str, Any] = {
        "x": _stream(version, version.splits["train"], plan.batch_size, shuffle=True),
        "shuffle": False,
        "epochs": plan.epochs,
    }
    if version.splits["val"]:
        data["validation_data"] = _stream(
            version, version.splits["val"], plan.batch_size, shuffle=False
        )
    run_epochs(network, data, epochs)


def _stream(version: Version, examples: Sequence[Example], batch: int, *, shuffle: bool) -> Any:  # noqa: ANN401
    """Return a tf.data set of (uint8[<= batch, size, size, 3], int64[<= batch]) for one epoch."""
    tf = load_backend().tf
    order = np.random.default_rng(SHUFFLE_SEED)
    side = version.size

    def batches() -> Iterator[tuple[NDArray[np.uint8], NDArray[np.int64]]]:
        places = order.permutation(len(examples)) if shuffle else range(len(examples))
        chosen = [examples[place] for place in places]
        pictures = picture_batches([e.path for e in chosen], side, version.fit, batch=batch)
        for number, stack in enumerate(pictures):
            yield stack, labels_of(chosen[number * batch : number * batch + len(stack)])

    signature = (
        tf.TensorSpec((None, side, side, 3), tf.uint8),
        tf.TensorSpec((None,), tf.int64),
    )
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(2)
