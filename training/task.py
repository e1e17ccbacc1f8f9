"""Say what is trained on what, for how long, and by how large steps."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from training.plans import Plan

# Inputs, labels int64[N], weight of each picture float32[N]
Batch = tuple[NDArray[Any], NDArray[np.int64], NDArray[np.float32]]


@dataclass(frozen=True, kw_only=True)
class Schedule:
    """How long and how far to step: warm-up, then a cosine down to `last` of the largest step."""

    epochs: int
    rate: float
    decay: float
    warmup: float
    smoothing: float
    average: float
    mixup: float
    seed: int
    last: float = 0.0

    def rate_at(self, step: int, steps: int) -> float:
        """Return the step size of a step, counted from 0, of so many."""
        rising = max(1, round(self.warmup * steps))
        if step < rising:
            return self.rate * (step + 1) / rising
        share = (step - rising) / max(1, steps - rising)
        return self.rate * (self.last + (1 - self.last) * (1 + math.cos(math.pi * share)) / 2)


def schedule_of(plan: Plan, seed: int) -> Schedule:
    """Return the schedule of a plan's own epochs; fine-tuning has values beside them."""
    return Schedule(
        epochs=plan.epochs,
        rate=plan.learning_rate,
        decay=plan.weight_decay,
        warmup=plan.warmup,
        smoothing=plan.label_smoothing,
        average=plan.average,
        mixup=plan.mixup,
        seed=seed,
    )


@dataclass(frozen=True, kw_only=True)
class Task:
    """What is trained on what.

    `logits` takes a batch of inputs and a seed tensor int32[2], or None outside training. `train`
    gives an epoch's batches, drawn with a generator; `steps` is their number.
    """

    variables: Sequence[Any]
    logits: Callable[[Any, Any], Any]
    shape: tuple[int, ...]
    dtype: Any
    classes: int
    steps: int
    train: Callable[[np.random.Generator], Iterator[Batch]]
    val: Callable[[], Iterator[Batch]]
    beside: Sequence[Any] = ()
    """Variables that change without a gradient, as the means of batch normalisation do."""
