from pathlib import Path

import numpy as np

from training.answers import Answers
from training.metrics import measure
from training.pictures import Example
from training.report import confusions, percent, plots, shots

NAMES = ("a", "b", "c")


def test_plots_span_the_values_and_mark_the_epoch_that_was_kept() -> None:
    curves = [
        {"accuracy": 0.2, "loss": 3.0, "val_accuracy": 0.1, "val_loss": 3.5},
        {"accuracy": 0.6, "loss": 1.0, "val_accuracy": 0.5, "val_loss": 1.5},
        {"accuracy": 0.9, "loss": 0.5, "val_accuracy": 0.4, "val_loss": 2.5},
    ]
    accuracy, loss = plots(curves, kept=2)
    assert (accuracy.low, accuracy.high) == (0.1, 0.9)
    assert [curve.name for curve in loss.curves] == ["training", "validation"]
    assert accuracy.curves[0].points.split() == ["0.0,157.5", "230.0,67.5", "460.0,0.0"]
    assert accuracy.kept == 230.0


def test_a_flat_curve_of_one_epoch_and_a_loss_that_is_no_number_can_be_drawn() -> None:
    accuracy, loss = plots([{"accuracy": 0.5, "loss": float("nan")}], kept=1)
    assert accuracy.curves[0].points == "0.0,180.0"
    assert loss.curves[0].points == ""


def test_the_most_frequent_mistakes_come_first() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    metrics = measure(np.eye(3)[[1, 1, 0, 1, 2, 2]], labels, NAMES)
    assert confusions(metrics) == [("a", "b", 2), ("b", "c", 1)]


def test_the_surest_mistakes_and_the_least_sure_hits_are_shown(drawn: Path) -> None:
    (file, *_) = sorted(drawn.rglob("*.jpg"))
    probabilities = np.array(
        [[0.9, 0.1, 0], [0.6, 0.4, 0], [0.3, 0.7, 0], [0.8, 0.1, 0.1], [1.0, 0, 0]]
    )
    labels = (0, 0, 0, 1, 1)
    answers = Answers(probabilities, tuple(Example(file, label) for label in labels), {})
    wrong, right = shots(answers, NAMES, 32, "crop")
    assert [(one.truth, one.guess, one.probability) for one in wrong] == [
        ("b", "a", 1.0),
        ("b", "a", 0.8),
        ("a", "b", 0.7),
    ]
    assert [one.probability for one in right] == [0.6, 0.9]
    assert right[0].source.startswith("data:image/jpeg;base64,")


def test_what_is_not_defined_is_a_dash() -> None:
    assert (percent(None), percent(0.0), percent(0.9876)) == ("-", "0.0 %", "98.8 %")
