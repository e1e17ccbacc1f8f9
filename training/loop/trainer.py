"""Train variables by compiled steps of AdamW: what on what, how long, by how large steps."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, fields, replace
from time import monotonic
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.data.augment import Chances, mixing
from training.data.memmap import Rows
from training.evaluation.metrics import cross_entropy_of_logits
from training.loop.history import Epochs, State
from training.models.backend import keras, tf

# Inputs, labels int64[N], weight of each picture float32[N]
Batch = tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]
Floats = NDArray[np.float32]
BLOCK = 1024


@dataclass(frozen=True, kw_only=True)
class Hyperparameters:
    """Every value a training uses. Chances and shares are 0 to 1, sizes are numbers of pictures.

    The defaults switch a thing off; recipes have their own (`training/recipes/hyperparameters.py`).
    """

    epochs: int
    batch_size: int
    learning_rate: float = 1e-3
    weight_decay: float = 0.0
    warmup: float = 0.0
    hidden: int = 0
    dropout: float = 0.0
    input_dropout: float = 0.0
    label_smoothing: float = 0.0
    class_weights: str = "none"
    average: float = 0.0
    mixup: float = 0.0
    patience: int = 0
    views: int = 1
    flip: float = 0.0
    crop: float = 0.0
    colour: float = 0.0
    rotation: float = 0.0
    erase: float = 0.0
    fine_tune_epochs: int = 0
    fine_tune_batch: int = 64
    fine_tune_rate: float = 3e-4
    fine_tune_decay: float = 0.01
    fine_tune_warmup: float = 0.1
    fine_tune_smoothing: float = 0.1
    fine_tune_dropout: float = 0.5
    fine_tune_input_dropout: float = 0.2
    fewest_per_class: int = 150

    @property
    def chances(self) -> Chances:
        """Return the chances of changes in a random view."""
        return Chances(**{field.name: getattr(self, field.name) for field in fields(Chances)})

    def for_fine_tuning(self) -> "Hyperparameters":
        """Return the plan of fine-tuning: its own values under the usual names."""
        return replace(
            self,
            epochs=self.fine_tune_epochs,
            batch_size=self.fine_tune_batch,
            learning_rate=self.fine_tune_rate,
            weight_decay=self.fine_tune_decay,
            warmup=self.fine_tune_warmup,
            label_smoothing=self.fine_tune_smoothing,
            dropout=self.fine_tune_dropout,
            input_dropout=self.fine_tune_input_dropout,
        )


def step_size(plan: Hyperparameters, step: int, steps: int, last: float = 0.0) -> float:
    """Return the step size of a step, counted from 0, of so many.

    It warms up, then falls along a cosine to `last` of the largest.
    """
    rising = max(1, round(plan.warmup * steps))
    if step < rising:
        return plan.learning_rate * (step + 1) / rising
    share = (step - rising) / max(1, steps - rising)
    return plan.learning_rate * (last + (1 - last) * (1 + math.cos(math.pi * share)) / 2)


@dataclass(frozen=True)
class Examples:
    """Rows of each view, labels and weights of the training pictures, labels of the others.

    The first view's rows hold the training, then the validation pictures.
    """

    views: Sequence[Rows]
    labels: NDArray[np.int64]
    weights: Floats
    val_labels: NDArray[np.int64]

    def train(self, batch: int, rng: np.random.Generator) -> Iterator[Batch]:
        """Yield every training picture once, in random order, each in a view drawn at random."""
        order = rng.permutation(len(self.labels))
        drawn = rng.integers(0, len(self.views), len(order))
        for start in range(0, len(order), batch):
            chosen, views = order[start : start + batch], drawn[start : start + batch]
            yield self._rows(chosen, views), self.labels[chosen], self.weights[chosen]

    def val(self, batch: int = BLOCK) -> Iterator[Batch]:
        """Yield the validation pictures, centre view, in order."""
        middle, count = len(self.labels), len(self.val_labels)
        for start in range(0, count, batch):
            places = np.arange(start, min(start + batch, count))
            rows = self.views[0].take(places + middle)
            yield rows, self.val_labels[places], np.ones(len(places), np.float32)

    def _rows(self, chosen: NDArray[np.int64], views: NDArray[np.int64]) -> NDArray[Any]:
        first = self.views[0]
        batch = np.empty((len(chosen), *first.shape[1:]), first.dtype)
        for number, rows in enumerate(self.views):
            in_view = views == number
            batch[in_view] = rows.take(chosen[in_view])
        return batch


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained on what.

    `logits` takes a batch of inputs and a seed tensor int32[2], or None outside training. `change`
    makes a batch of training inputs another by chance, in place or not.
    """

    variables: Sequence[Any]
    logits: Callable[[Any, Any], Any]
    examples: Examples
    classes: int
    change: Callable[[NDArray[Any], np.random.Generator], NDArray[Any]] = lambda rows, _rng: rows
    val_batch: int = BLOCK
    non_trainable: Sequence[Any] = ()
    """Variables that change without a gradient, as the means of batch normalisation do."""


BETAS = (0.9, 0.999)
TINY = 1e-7


class Learner:
    """The variables of a task, with Adam's memory of them, trained step by step."""

    def __init__(self, task: Task, plan: Hyperparameters, *, seed: int, last: float) -> None:
        """Compile the step. The step size falls to `last` of the largest."""
        self._task, self._plan, self._seed, self._last = task, plan, seed, last
        self._values = [variable.value for variable in task.variables]
        self._non_trainable = [variable.value for variable in task.non_trainable]
        self._first = [tf.Variable(tf.zeros_like(value)) for value in self._values]
        self._second = [tf.Variable(tf.zeros_like(value)) for value in self._values]
        self._averages = [tf.Variable(value) for value in self._values] if plan.average else []
        self.step = 0
        self.stop_training = False
        self.steps_per_epoch = -(-len(task.examples.labels) // plan.batch_size)
        rows = task.examples.views[0]
        inputs = tf.TensorSpec((None, *rows.shape[1:]), rows.dtype)
        labels, weights = tf.TensorSpec((None,), tf.int64), tf.TensorSpec((None,), tf.float32)
        number, order = tf.TensorSpec((), tf.float32), tf.TensorSpec((None,), tf.int64)
        drawn = tf.TensorSpec((2,), tf.int32)
        self._compiled = tf.function(
            self._step,
            autograph=False,
            input_signature=[inputs, labels, weights, (number, order), (drawn, number)],
        )
        self._infer = tf.function(
            lambda x: task.logits(tf.cast(x, tf.float32), None),
            autograph=False,
            input_signature=[inputs],
        )

    def train(self, rng: np.random.Generator) -> tuple[dict[str, float], int]:
        """Run one epoch; return its logs, and the step at which the loss was not finite or 0."""
        plan, losses, right, seen = self._plan, 0.0, 0, 0
        steps = plan.epochs * self.steps_per_epoch
        batches = self._task.examples.train(plan.batch_size, rng)
        for number, (rows, labels, weights) in enumerate(batches, start=1):
            inputs = self._task.change(rows, rng)
            share, order = mixing(len(labels), plan.mixup, rng) if plan.mixup else (1.0, labels)
            rate = step_size(plan, self.step, steps, self._last)
            seed = np.array((self._seed % 2**31, self.step), np.int32)
            loss, hits = self._compiled(
                inputs, labels, weights, (np.float32(share), order), (seed, np.float32(rate))
            )
            if not math.isfinite(float(loss)):
                return {}, number
            self.step += 1
            losses += float(loss) * len(labels)
            right, seen = right + int(hits), seen + len(labels)
        return {"loss": losses / max(1, seen), "accuracy": right / max(1, seen)}, 0

    def measure(self) -> dict[str, float]:
        """Return accuracy and loss on the validation pictures, or nothing without any."""
        own = [value.numpy() for value in self._values] if self._averages else []
        if own:
            assign(self._values, [average.numpy() for average in self._averages])
        batches = self._task.examples.val(self._task.val_batch)
        rows = [(self._infer(x).numpy(), y) for x, y, _ in batches]
        if own:
            assign(self._values, own)
        if not rows:
            return {}
        logits = np.concatenate([z for z, _ in rows]).astype(np.float64)
        labels = np.concatenate([y for _, y in rows])
        return {
            "val_accuracy": float(np.mean(logits.argmax(axis=1) == labels)),
            "val_loss": cross_entropy_of_logits(logits, labels),
        }

    def is_finite(self) -> bool:
        """Say whether all weights are finite; a loss can hide that, as ReLU turns NaN into 0."""
        return all(bool(np.isfinite(value.numpy()).all()) for value in self._values)

    def get_weights(self) -> list[NDArray[np.float32]]:
        """Return the weights that are measured: the averages where there are any."""
        measured = self._averages or self._values
        return [value.numpy() for value in [*measured, *self._non_trainable]]

    def set_weights(self, weights: Sequence[NDArray[np.float32]]) -> None:
        """Put weights into the variables."""
        assign([*self._values, *self._non_trainable], weights)

    def state(self) -> dict[str, list[NDArray[np.float32]]]:
        """Return everything that the next step depends on, but its number."""
        return {name: [value.numpy() for value in values] for name, values in self._parts().items()}

    def take(self, state: State) -> None:
        """Go on from a state."""
        self.step = int(state.facts["step"])
        for name, values in self._parts().items():
            assign(values, state.arrays[name])

    def _parts(self) -> dict[str, list[Any]]:
        return {
            "values": self._values,
            "first": self._first,
            "second": self._second,
            "averages": self._averages,
            "beside": self._non_trainable,  # so named in checkpoints of interrupted runs
        }

    def _step(self, inputs: Any, labels: Any, weights: Any, mix: Any, how: Any) -> Any:  # noqa: ANN401
        """Take one step; return the weighted mean loss and the number of hits."""
        plan, classes = self._plan, self._task.classes
        (share, order), (seed, rate) = mix, how
        inputs = tf.cast(inputs, tf.float32)
        targets = tf.one_hot(labels, classes)
        targets = targets * (1 - plan.label_smoothing) + plan.label_smoothing / classes
        if plan.mixup:
            inputs = share * inputs + (1 - share) * tf.gather(inputs, order)
            targets = share * targets + (1 - share) * tf.gather(targets, order)
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(self._values)
            logits = self._task.logits(inputs, seed)
            losses = tf.nn.softmax_cross_entropy_with_logits(targets, logits)
            loss = tf.reduce_mean(losses * weights)
        self._apply(tape.gradient(loss, self._values), rate, tf.cast(seed[1] + 1, tf.float32))
        hits = tf.reduce_sum(tf.cast(tf.argmax(logits, axis=1) == labels, tf.int32))
        return loss, hits

    def _apply(self, gradients: Sequence[Any], rate: Any, count: Any) -> None:  # noqa: ANN401
        """Update by Adam with decoupled decay of kernels. Loshchilov, Hutter, arXiv:1711.05101."""
        plan, (first, second) = self._plan, BETAS
        for k, (value, gradient) in enumerate(zip(self._values, gradients, strict=True)):
            if plan.weight_decay and value.shape.rank > 1:
                value.assign(value * (1 - rate * plan.weight_decay))
            tf.raw_ops.ResourceApplyAdam(
                var=value.handle, m=self._first[k].handle, v=self._second[k].handle,
                beta1_power=first**count, beta2_power=second**count, lr=rate,
                beta1=first, beta2=second, epsilon=TINY, grad=gradient,
            )  # fmt: skip
        for average, value in zip(self._averages, self._values, strict=False):
            average.assign(plan.average * average + (1 - plan.average) * value)


def assign(variables: Sequence[Any], values: Sequence[NDArray[Any]]) -> None:
    """Put a value into each variable."""
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def fit(task: Task, plan: Hyperparameters, epochs: Epochs, *, seed: int, last: float = 0.0) -> None:
    """Train for the epochs that are left, from the checkpoint of a killed run when there is one.

    The step size falls to `last` of the largest. Leaves the kept epoch's weights in the variables.
    Every draw depends on the seed and the number of the epoch or the step alone: a run that went on
    draws what an undisturbed one draws.
    """
    learner = Learner(task, plan, seed=seed, last=last)
    saved = epochs.resume()
    if saved is not None:
        learner.take(saved)
    saved_at = monotonic()
    while len(epochs.curves) < plan.epochs and not epochs.stopped:
        logs, broken = learner.train(np.random.default_rng((seed, len(epochs.curves))))
        if not broken and not learner.is_finite():
            epochs.break_off(learner.steps_per_epoch, "sum of the weights")
            break
        logs |= {} if broken else learner.measure()
        if broken or not all(map(math.isfinite, logs.values())):
            epochs.break_off(broken or learner.steps_per_epoch)
            break
        epochs.see(learner, logs)
        is_last = epochs.stopped or len(epochs.curves) == plan.epochs
        if is_last or monotonic() - saved_at >= epochs.checkpoint.pause:
            epochs.save(learner.state(), step=learner.step)
            saved_at = monotonic()
    epochs.restore(learner)


def head_logits(head: Any, features: Any, seed: Any) -> Any:  # noqa: ANN401
    """Apply a head of dense and dropout layers; the seed int32[2] decides what is left out."""
    for number, layer in enumerate(head.layers):
        if not isinstance(layer, keras.layers.Dropout):
            features = layer(features)
        elif seed is not None:
            drawn = tf.random.stateless_uniform(
                tf.shape(features), seed + tf.constant([number << 20, 0])
            )
            features = tf.where(drawn >= layer.rate, features / (1 - layer.rate), 0.0)
    return features
