import pytest

from training.report.pages import export_rows, format_size, missing_exports, round_up
from training.settings import FILES

SAME = {"pictures": 24, "largest": 2e-7, "other_top1": 0}
GATE = {"top1": 0.88, "float_top1": 0.885, "split": "train"}


def test_what_was_not_requested_is_listed_as_that_and_nothing_is_listed_twice() -> None:
    exports = {"model.keras": {"bytes": 1}, "model.onnx": {"left_out": "x"}}
    assert [one["name"] for one in export_rows(exports)] == ["model.keras"]
    missing = missing_exports(exports, ["keras"])
    others = (FILES[kind] for kind in ("saved_model", "litert", "fp16", "int8"))
    assert list(missing) == ["model.onnx", *others]
    assert list(missing.values())[:2] == ["x", "not asked for (--export saved_model)"]


def test_a_proof_names_each_signature_and_the_split_that_decided() -> None:
    parity = {"serving_default": SAME, "bytes": {**SAME, "other_top1": 1}}
    half = {"bytes": 5, "parity": {"judged": SAME}, "gate": GATE}
    whole, smaller = export_rows({"saved_model": {"bytes": 5, "parity": parity}, "x": half})
    first, second = whole["proof"].split("; ")
    assert first == "probabilities at most 2e-07 apart on 24 pictures, top-1 equal"
    assert second.startswith("bytes: probabilities at most")
    assert second.endswith("another top-1 on 1")
    assert smaller["proof"].endswith(
        "top-1 88.0 % where the model has 88.5 % (judged on training pictures)"
    )


def test_sizes_are_written_in_thousands() -> None:
    assert (format_size(9_812_345), format_size(1234)) == ("9.8 MB", "1.2 kB")


@pytest.mark.parametrize(
    ("largest", "text"), [(1.49e-4, "0.0002"), (1e-4, "0.0001"), (9.1e-5, "0.0001"), (1.0, "1")]
)
def test_at_most_is_never_less_than_what_was_found(largest: float, text: str) -> None:
    found = {**SAME, "largest": largest}
    (one,) = export_rows({"model.tflite": {"bytes": 5, "parity": {"serving_default": found}}})
    assert one["proof"].startswith(f"probabilities at most {text} apart")
    assert round_up(largest) >= largest
