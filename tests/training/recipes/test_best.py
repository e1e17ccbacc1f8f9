"""Train the backbone's upper part for real, on small drawn pictures."""

from pathlib import Path

import numpy as np
import pytest

from sceneset.dataset import Dataset
from sceneset.progress import Bars, Stopwatch
from training.data.augment import mirrored
from training.data.version import read_version
from training.models.backbones.table import build_base
from training.models.backend import load_backend
from training.recipes.context import Setup, Trained, val_logits
from training.recipes.from_pictures import best, calibrated_loss
from training.settings import TrainSettings

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a file of random weights for MobileNetV2."""
    path = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    build_base("mobilenet_v2", 32, None).save_weights(path)
    return path


def run(drawn: Path, weights: Path, said: list[str], fewest: int, rate: float) -> Trained:
    settings = TrainSettings(
        dataset=drawn,
        weights=str(weights),
        recipe="best",
        views=3,
        epochs=2,
        fine_tune_epochs=2,
        fine_tune_rate=rate,
        fewest_per_class=fewest,
    )
    load_backend().keras.utils.set_random_seed(1)
    version = read_version(Dataset(drawn))
    setup = Setup(settings, version, weights, Bars(None), Stopwatch(), say=said.append)
    return best(setup)


def test_few_pictures_leave_the_backbone_as_it_is(drawn: Path, weights: Path) -> None:
    said: list[str] = []
    trained = run(drawn, weights, said, 150, 3e-4)
    assert trained.facts["fine_tuned"] is False
    assert "60 training pictures per class are fewer than 150" in said[0]


@pytest.mark.parametrize("rate", [3e-3, 0.9])
def test_whatever_training_the_backbone_brings_the_better_network_stays(
    drawn: Path, weights: Path, rate: float
) -> None:
    said: list[str] = []
    head_only = run(drawn, weights, said, 150, rate)
    trained = run(drawn, weights, said, 0, rate)
    if trained.fine_tune is not None:
        head, tune = trained.phases
        assert (head.name, head.epochs, head.epochs_run) == ("head", 2, 2)
        assert (tune.name, tune.epochs, tune.batch_size) == ("fine-tune", 2, 64)
        assert trained.kept_phase == (tune if trained.facts["fine_tuned"] else head)
        assert trained.epochs.curves == trained.kept_phase.curves
    labels = read_version(Dataset(drawn)).labels("val")
    losses = [calibrated_loss(one.val_logits, labels) for one in (head_only, trained)]
    assert losses[1] <= losses[0]
    again = val_logits(trained.network, read_version(Dataset(drawn)))
    assert np.allclose(again, trained.val_logits, atol=1e-3)
    if not trained.facts["fine_tuned"]:
        assert np.allclose(again, head_only.val_logits, atol=1e-3)


def test_a_network_that_is_only_too_sure_is_no_worse() -> None:
    rng = np.random.default_rng(3)
    labels = rng.integers(0, 3, 200)
    logits = rng.normal(0, 1, (200, 3)) + 2 * np.eye(3)[labels]
    loss = calibrated_loss(logits, labels)
    assert calibrated_loss(4 * logits, labels) == pytest.approx(loss, abs=1e-6)
    assert calibrated_loss(logits + rng.normal(0, 1, logits.shape), labels) > loss
    assert not calibrated_loss(np.full((200, 3), np.nan), labels) < loss


def test_some_maps_are_mirrored() -> None:
    maps = np.arange(24, dtype=np.float16).reshape(2, 2, 3, 2)
    before = maps.copy()
    assert np.array_equal(mirrored(maps, 1.0, np.random.default_rng(0)), before[:, :, ::-1])
    assert np.array_equal(mirrored(before.copy(), 0.0, np.random.default_rng(0)), before)
