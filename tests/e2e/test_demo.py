"""The whole pipeline as `make demo` runs it, small."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.browser, pytest.mark.train, pytest.mark.slow]


def sceneset(*words: object) -> subprocess.CompletedProcess[str]:
    """Run a command as a user does."""
    return subprocess.run(
        [sys.executable, "cli.py", *map(str, words)],
        cwd=ROOT, capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip


def test_the_demo_leaves_a_data_set_and_a_bundle_that_work(tmp_path: Path) -> None:
    dataset, model = tmp_path / "set", tmp_path / "model"
    where = ("--dataset", dataset, "--out", model)
    answer = sceneset("demo", "--per-class", 10, *where, "--json", "--quiet")
    assert answer.returncode == 0, answer.stderr
    summary = json.loads(answer.stdout)
    assert summary["dropped"] > 36
    assert summary["kept"] > 180
    assert summary["curate"]["leaks"] == 0
    assert sceneset("verify", "--dataset", dataset).returncode == 0
    pictures = sorted((dataset / "curated" / "current" / "test").glob("*/*.jpg"))
    classified = sceneset("classify", *pictures[:5], "--model", model, "--json")
    predictions = json.loads(classified.stdout)["predictions"]
    assert [len(p["labels"]) for p in predictions] == [3] * 5
    assert all(0 <= label["probability"] <= 1 for p in predictions for label in p["labels"])
    measured = sceneset("evaluate", "--model", model, "--dataset", dataset, "--json")
    assert json.loads(measured.stdout)["metrics"]["top1"] == summary["top1"]
