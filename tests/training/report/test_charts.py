import numpy as np

from training.evaluation.metrics import measure, reliability
from training.report.examples import confusions
from training.report.pages import percent, plots, reliability_bars, shade, stacked

NAMES = ("a", "b", "c")


def test_plots_span_the_values_and_mark_the_epoch_that_was_kept() -> None:
    curves = [
        {"accuracy": 0.2, "loss": 3.0, "val_accuracy": 0.1, "val_loss": 3.5},
        {"accuracy": 0.6, "loss": 1.0, "val_accuracy": 0.5, "val_loss": 1.5},
        {"accuracy": 0.9, "loss": 0.5, "val_accuracy": 0.4, "val_loss": 2.5},
    ]
    accuracy, loss = plots(curves, kept=2)
    assert (accuracy["low"], accuracy["high"]) == (0.1, 0.9)
    assert [curve["name"] for curve in loss["curves"]] == ["training", "validation"]
    assert accuracy["curves"][0]["points"].split() == ["0.0,157.5", "230.0,67.5", "460.0,0.0"]
    assert accuracy["kept"] == 230.0


def test_a_flat_curve_of_one_epoch_and_a_loss_that_is_no_number_can_be_drawn() -> None:
    accuracy, loss = plots([{"accuracy": 0.5, "loss": float("nan")}], kept=1)
    assert accuracy["curves"][0]["points"] == "0.0,180.0"
    assert loss["curves"][0]["points"] == ""


def test_the_most_frequent_mistakes_come_first() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2])
    metrics = measure(np.eye(3)[[1, 1, 0, 1, 2, 2]], labels, NAMES)
    assert confusions(metrics) == [("a", "b", 2), ("b", "c", 1)]


def test_what_is_not_defined_is_a_dash() -> None:
    assert (percent(None), percent(0.0), percent(0.9876)) == ("-", "0.0 %", "98.8 %")


def test_no_epoch_at_all_can_be_drawn() -> None:
    accuracy, _ = plots([], kept=0)
    assert accuracy["curves"] == []


def test_a_bar_of_the_reliability_diagram_is_as_high_as_the_share_of_right_answers() -> None:
    answers = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    low, high = reliability_bars(reliability(answers, np.array([0, 0, 0, 1])))
    assert (low["height"], high["height"]) == (110, 220)
    assert low["y"] + low["height"] == high["y"] + high["height"] == 220
    assert "2 pictures, sure 0.900, right 1.000" in high["title"]


def test_the_largest_class_fills_the_bar() -> None:
    bars = stacked({"train": 6, "val": 2, "test": 2}, 10)
    assert bars == [("train", 0, 96), ("val", 96, 32), ("test", 128, 32)]
    assert stacked({"train": 0}, 0) == [("train", 0, 0)]


def test_a_cell_is_darker_the_larger_its_share_and_bare_without_pictures() -> None:
    assert [shade(count, 100) for count in (0, 1, 50, 100)] == [0, 1, 5, 9]
