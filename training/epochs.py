"""Train a network epoch by epoch: record the curves, keep the best epoch, stop early."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.progress import Bar
from training.backend import load_backend


@dataclass
class Epochs:
    """What the epochs of one run showed, and the weights of the best.

    The best epoch has the highest validation accuracy, of equals the lowest loss. Without
    validation pictures, or with `keep_best` off, the last epoch stays.
    """

    bar: Bar
    keep_best: bool = True
    patience: int | None = None
    curves: list[dict[str, float]] = field(default_factory=list)
    kept: int = 0
    _rank: tuple[float, float] | None = None
    _weights: list[Any] = field(default_factory=list)

    def see(self, model: Any, logs: Mapping[str, float]) -> None:  # noqa: ANN401  Keras has no types
        """Take in an epoch that ended: its logs and the model as it is now."""
        self.curves.append({name: float(value) for name, value in logs.items()})
        self.bar.advance(note=f"loss {logs['loss']:.3f}")
        if not (self.keep_best and "val_accuracy" in logs):
            self.kept = len(self.curves)
            return
        rank = (logs["val_accuracy"], -logs["val_loss"])
        if self._rank is None or rank > self._rank:
            self._rank, self.kept = rank, len(self.curves)
            self._weights = model.get_weights()
        elif self.patience is not None and len(self.curves) - self.kept >= self.patience:
            model.stop_training = True

    def restore(self, model: Any) -> None:  # noqa: ANN401
        """Put the best epoch's weights back into the model."""
        if self._weights:
            model.set_weights(self._weights)


def compile_classifier(model: Any, learning_rate: Any, **options: object) -> None:  # noqa: ANN401
    """Set Adam and sparse categorical cross-entropy for a model that gives logits."""
    keras = load_backend().keras
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        **options,
    )


def run_epochs(model: Any, data: Mapping[str, Any], epochs: Epochs) -> None:  # noqa: ANN401
    """Fit a compiled model; `data` is what Keras' `fit` takes. Leaves the kept epoch's weights."""
    keras = load_backend().keras
    watching = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda _epoch, logs: epochs.see(model, logs)
    )
    model.fit(**data, callbacks=[watching], verbose=0)
    epochs.restore(model)
