"""Train a whole network from random weights on pictures in memory."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.backend import load_backend
from training.epochs import Epochs, compile_classifier, run_epochs
from training.settings import Plan

PATIENCE = 8
Examples = tuple[NDArray[np.uint8], NDArray[np.int64]]


def train_from_scratch(
    network: Any,  # noqa: ANN401  Keras has no types
    train: Examples,
    val: Examples,
    *,
    plan: Plan,
    learning_rate: float,
    epochs: Epochs,
) -> None:
    """Fit pictures -> logits on (uint8[N, size, size, 3], int64[N]), mirrored at random.

    Stops after 8 epochs without a better one; the best validation epoch's weights stay.
    """
    keras = load_backend().keras
    image = keras.Input(network.input.shape[1:])
    mirrored = keras.layers.RandomFlip("horizontal")(image)
    augmented = keras.Model(image, network(mirrored))
    steps = plan.epochs * -(-len(train[1]) // plan.batch_size)
    compile_classifier(augmented, keras.optimizers.schedules.CosineDecay(learning_rate, steps))
    data: dict[str, Any] = {
        "x": train[0],
        "y": train[1],
        "epochs": plan.epochs,
        "batch_size": plan.batch_size,
    }
    if len(val[1]):
        data["validation_data"] = val
    run_epochs(augmented, data, epochs)
