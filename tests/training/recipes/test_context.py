from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sceneset.bundle.reader import Bundle
from sceneset.errors import DamagedDataError
from training.models.backend import load_backend
from training.recipes.context import Start, saw_labels


@pytest.mark.parametrize(
    ("metrics", "seen"),
    [
        ({"recipe": "fast"}, False),
        ({"recipe": "best", "fine_tuned": False}, False),
        ({"recipe": "best", "fine_tuned": True}, True),
        ({"recipe": "scratch", "started_from": None}, True),
        ({"recipe": "fast", "started_from": {"backbone_saw_labels": False}}, False),
        ({"recipe": "fast", "started_from": {"backbone_saw_labels": True}}, True),
        ({"recipe": "fast", "started_from": {}}, True),
    ],
)
def test_a_backbone_that_was_trained_here_or_before_saw_labels(
    metrics: dict[str, Any], *, seen: bool
) -> None:
    assert saw_labels(metrics) == seen


@pytest.mark.train
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_backbone_of_another_depth_is_refused(tmp_path: Path) -> None:
    keras = load_backend().keras

    def network(depth: int) -> Any:  # noqa: ANN401  Keras has no types
        layers = [keras.layers.Dense(4) for _ in range(depth)]
        return keras.Sequential([keras.Input((4,)), *layers])

    model = SimpleNamespace(layers=[network(3)])
    bundle = Bundle(tmp_path, ("a",), 32, "crop", {})
    for depth in (2, 4):
        start = Start(bundle, 1.0, print)
        start.__dict__["model"] = model
        with pytest.raises(DamagedDataError, match="does not fit"):
            start.put_base(network(depth))
