"""Train a network epoch by epoch: record the curves (also for TensorBoard), keep the best epoch."""

import errno
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sceneset.errors import SettingsError, disk_errno, first_line
from sceneset.progress import Bar
from training.loop.checkpoint import Checkpoint, State
from training.models.backend import load_backend

Labelled = tuple[NDArray[np.uint8], NDArray[np.int64]]
_FAILURES: list[Exception] = []


class DivergedError(SettingsError):
    """The loss was not finite before an epoch was over."""


@dataclass
class Epochs:
    """What the epochs of one run showed, and the weights of the best.

    The best epoch has the highest validation accuracy, of equals the lowest loss. Without
    validation pictures, or with `keep_best` off, the last epoch stays. An epoch in which the loss
    was not finite is never kept. `cure` is the option to try when that happens.
    """

    bar: Bar
    keep_best: bool = True
    patience: int | None = None
    cure: str = "--learning-rate 0.0001 or less"
    checkpoint: Checkpoint = field(default_factory=Checkpoint)
    curves: list[dict[str, float]] = field(default_factory=list)
    kept: int = 0
    diverged: str = ""
    stopped: bool = False
    _rank: tuple[float, float] | None = None
    _weights: list[Any] = field(default_factory=list)

    def see(self, model: Any, logs: Mapping[str, float]) -> None:  # noqa: ANN401  Keras has no types
        """Take in an epoch that ended: its logs and the model as it is now."""
        self.curves.append({name: float(value) for name, value in logs.items()})
        self.bar.advance(note=f"loss {logs['loss']:.3f}")
        if not (self.keep_best and "val_accuracy" in logs):
            self._keep(model)
            return
        rank = (logs["val_accuracy"], -logs["val_loss"])
        if self._rank is None or rank > self._rank:
            self._rank = rank
            self._keep(model)
        elif self.patience is not None and len(self.curves) - self.kept >= self.patience:
            self.stopped = model.stop_training = True

    def restore(self, model: Any) -> None:  # noqa: ANN401
        """Put the kept epoch's weights back into the model.

        Raises DivergedError when training broke off before there was one.
        """
        if self.diverged and not self._weights:
            raise DivergedError(f"{self.diverged}, before an epoch was over", cure=self.cure)
        if self._weights:
            model.set_weights(self._weights)

    def save(self, arrays: Mapping[str, Sequence[Any]], **facts: object) -> None:
        """Save everything that going on needs to know: the arrays and facts of what trains too."""
        own = {
            "curves": self.curves,
            "kept": self.kept,
            "rank": self._rank,
            "stopped": self.stopped,
        }
        self.checkpoint.save(State({**own, **facts}, {"kept": self._weights, **arrays}))

    def resume(self) -> State | None:
        """Go on from what was saved last, if anything was, and return it."""
        saved = self.checkpoint.load()
        if saved is not None:
            self.curves = list(saved.facts["curves"])
            self.kept, self.stopped = saved.facts["kept"], saved.facts["stopped"]
            rank = saved.facts["rank"]
            self._rank = None if rank is None else (rank[0], rank[1])
            self._weights = list(saved.arrays["kept"])
            self.bar.advance(len(self.curves))
        return saved

    def break_off(self, step: int, what: str = "loss") -> None:
        """Note the step, counted from 1, at which the loss was not finite, or the weights after."""
        epoch = len(self.curves) + 1
        self.diverged = f"the {what} was no number at step {step} of epoch {epoch}"

    def _keep(self, model: Any) -> None:  # noqa: ANN401
        self.kept = len(self.curves)
        self._weights = model.get_weights()


def compile_classifier(model: Any, learning_rate: float) -> None:  # noqa: ANN401
    """Set Adam and sparse categorical cross-entropy for a model that gives logits."""
    keras = load_backend().keras
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )


def run_epochs(model: Any, data: Mapping[str, Any], epochs: Epochs) -> None:  # noqa: ANN401
    """Fit a compiled model; `data` is what Keras' `fit` takes. Leaves the kept epoch's weights.

    `data` must give the batches of the epochs that are left.
    """
    keras = load_backend().keras

    def ended(_epoch: int, logs: Mapping[str, float]) -> None:
        if not epochs.diverged:
            epochs.see(model, logs)
            epochs.save({"model": [variable.numpy() for variable in _variables(model)]})

    def stepped(batch: int, logs: Mapping[str, float]) -> None:
        if not (math.isfinite(logs["loss"]) or epochs.diverged):
            epochs.break_off(batch + 1)
            model.stop_training = True

    watching = keras.callbacks.LambdaCallback(on_epoch_end=ended, on_train_batch_end=stepped)
    if not epochs.stopped:
        with own_errors():
            model.fit(**data, initial_epoch=len(epochs.curves), callbacks=[watching], verbose=0)
    epochs.restore(model)


def resume_model(model: Any, epochs: Epochs) -> None:  # noqa: ANN401
    """Put a compiled model where a killed run's last epoch left it."""
    saved = epochs.resume()
    if saved is not None:
        for variable, value in zip(_variables(model), saved.arrays["model"], strict=True):
            variable.assign(value)


def _variables(model: Any) -> list[Any]:  # noqa: ANN401
    """Return weights, states of random generators, and the optimiser with its count of steps."""
    model.optimizer.build(model.trainable_variables)
    weights = list(model.weights)
    own = {id(variable) for variable in weights}
    seeds = [
        variable
        for variable in model.non_trainable_variables
        if id(variable) not in own and "seed" in variable.path
    ]
    return [*weights, *seeds, *model.optimizer.variables]


def stream(batches: Callable[[], Iterator[Labelled]], size: int, count: int) -> Any:  # noqa: ANN401
    """Return what Keras fits on: `count` batches, two ahead; `batches` is called once per epoch.

    A batch is (uint8[N, size, size, 3], int64[N]).
    """
    tf = load_backend().tf
    signature = (tf.TensorSpec((None, size, size, 3), tf.uint8), tf.TensorSpec((None,), tf.int64))
    data = tf.data.Dataset.from_generator(
        partial(_keep_errors, batches), output_signature=signature
    )
    return data.apply(tf.data.experimental.assert_cardinality(count)).prefetch(2)


def _keep_errors(batches: Callable[[], Iterator[Labelled]]) -> Iterator[Labelled]:
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


def write_logs(
    folder: Path, curves: Sequence[Mapping[str, float]], test: Mapping[str, float | None]
) -> None:
    """Write event files below folder/train, /validation and /test; steps count epochs from 1.

    Raises OSError when the folder cannot be written.
    """
    parts: dict[str, list[tuple[str, float, int]]] = {"train": [], "validation": [], "test": []}
    for epoch, logs in enumerate(curves, start=1):
        for name, value in logs.items():
            part = "validation" if name.startswith("val_") else "train"
            parts[part].append((name.removeprefix("val_"), value, epoch))
    for name, figure in test.items():
        if figure is not None:
            parts["test"].append((name, figure, len(curves)))
    for part, values in parts.items():
        if values:
            try:
                _write(folder / part, values)
            except load_backend().tf.errors.OpError as error:
                code = disk_errno(str(error)) or errno.EACCES
                raise OSError(code, first_line(error), str(folder / part)) from error


def _write(folder: Path, values: Sequence[tuple[str, float, int]]) -> None:
    """Write scalars (name, value, step); `tf.summary.scalar` would import the viewer."""
    tf = load_backend().tf
    about = tf.compat.v1.SummaryMetadata()
    about.plugin_data.plugin_name = "scalars"
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for name, value, step in values:
            tensor = tf.constant(value, tf.float32)
            tf.summary.write(name, tensor, step=step, metadata=about.SerializeToString())
    writer.close()
