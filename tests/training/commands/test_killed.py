"""Kill `best` while it trains the backbone and while it exports, and go on with it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sceneset.atomic import PART_PREFIX
from sceneset.bundle.reader import open_bundle
from training.loop.history import FOLDER, Checkpoint
from training.models.backbones.table import build_base
from training.models.inference import load_model

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
ROOT = Path(__file__).resolve().parents[3]
WORDS = (
    "--recipe best --fewest-per-class 0 --views 3 --epochs 2 --fine-tune-epochs 12"
    " --fine-tune-batch 16 --export keras,fp16 --json"
)


@pytest.fixture(scope="module")
def command(drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the command without its --out: MobileNetV2 from random weights."""
    weights = tmp_path_factory.mktemp("weights") / "random.weights.h5"
    build_base("mobilenet_v2", 32, None).save_weights(weights)
    words = [sys.executable, str(ROOT / "cli.py"), "train", *WORDS.split()]
    return [*words, "--dataset", str(drawn), "--weights", str(weights)]


@pytest.fixture(scope="module")
def whole(command: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model folder of a run that nothing disturbed."""
    out = tmp_path_factory.mktemp("whole") / "m"
    subprocess.run([*command, "--out", str(out)], check=True, capture_output=True)
    return out


def is_fine_tuning(out: Path) -> bool:
    return (out / FOLDER / "fine_tune.npz").exists()


def is_exporting(out: Path) -> bool:
    return any(out.glob(f"{PART_PREFIX}*/model.keras"))


def curves(out: Path) -> list[dict[str, float]]:
    told: dict[str, Any] = json.loads((out / "current" / "metrics.json").read_text())
    phases = {phase["name"]: phase["curves"] for phase in told["phases"]}
    return [*phases["head"], *phases["fine-tune"]]


@pytest.mark.parametrize("moment", [is_fine_tuning, is_exporting])
def test_best_killed_at_any_moment_ends_like_an_undisturbed_run(
    command: list[str], whole: Path, tmp_path: Path, moment: Callable[[Path], bool]
) -> None:
    out = tmp_path / "m"
    process = subprocess.Popen(
        [*command, "--out", str(out)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    while not moment(out):
        assert process.poll() is None
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    # Whoever looks for bundles sees none: names with a dot are no bundles.
    assert [path.name for path in out.iterdir() if path.name[0] != "."] == []
    saved = Checkpoint(out / FOLDER / "fine_tune.npz").load()
    assert saved is not None
    assert len(saved.facts["curves"]) >= 1
    subprocess.run([*command, "--out", str(out), "--resume"], check=True, capture_output=True)
    names = {path.name for path in out.iterdir()}
    assert names == {"1", "current", ".lock"}
    assert open_bundle(out).folder.name == "1"
    assert curves(out) == curves(whole)
    first, second = (load_model(one / "current" / "model.keras") for one in (whole, out))
    pairs = zip(first.get_weights(), second.get_weights(), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
