"""Read every format with the peers' own loaders, in environments made for them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support.curate_exports import ODD_NAMES, drawn, publish

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.slow
def test_every_loader_finds_the_same_pictures_labels_and_names(tmp_path: Path) -> None:
    """The peers weigh gigabytes, so they are only installed where a folder for them is named."""
    envs = os.environ.get("SCENESET_PEERS")
    if envs is None:
        pytest.skip("set SCENESET_PEERS to a folder for the peers' environments (3 GB)")
    pytest.importorskip("pyarrow", reason="needs the extra formats")
    dataset = publish(tmp_path / "odd set", drawn(ODD_NAMES))
    answer = subprocess.run(
        [sys.executable, ROOT / "bench/curate/read_exports.py", dataset.root, "--envs", envs],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "pip" in answer.stderr and "CalledProcessError" in answer.stderr:
        pytest.skip("the peers cannot be installed here")
    assert answer.stdout, answer.stderr[-2000:]
    result = json.loads(answer.stdout)
    assert [row for row in result["checks"] if not row["same"]] == []
    assert {row["pictures"] for row in result["checks"]} == {5 * len(ODD_NAMES)}
    assert {row["format"] for row in result["checks"]} == {
        "imagefolder", "parquet", "webdataset", "tfrecord", "croissant",
    }  # fmt: skip
