"""Export a published version in every format and read it back with the peers' own loaders.

Each peer runs in an environment of its own, made by pip (kept for the next time with --envs).
Prints one JSON object: per format and loader whether pictures, labels, class order and bytes are
those of the version. Exits with 1 when any differs.

    python bench/curate/read_exports.py DATASET [--envs DIR] [--only FORMAT]
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from time import perf_counter
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.commands import CLI
from bench.support.peer_env import SCRIPTS, Peer, requirements
from curate.export.formats import FORMATS
from curate.export.formats.imagefolder import folder_names
from sceneset.dataset import Dataset
from sceneset.versions.published import read_pictures, read_record

# reader in peers/export_readers.py, the environment it runs in, the format it reads
READERS = (
    ("datasets_imagefolder", "datasets", "imagefolder"),
    ("datasets_parquet", "datasets", "parquet"),
    ("datasets_webdataset", "datasets", "webdataset"),
    ("webdataset_shards", "webdataset", "webdataset"),
    ("tfds_imagefolder", "tfds", "imagefolder"),
    ("tfds_tfrecord", "tfds", "tfrecord"),
    ("tfdata_tfrecord", "tfds", "tfrecord"),
    ("keras_imagefolder", "tfds", "imagefolder"),
    ("mlcroissant_croissant", "mlcroissant", "croissant"),
)
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": "", "HF_HUB_OFFLINE": "1"}


def expected(dataset: Dataset) -> dict[str, Any]:
    """Return what every loader must find in the current version."""
    splits: dict[str, list[list[Any]]] = {}
    for picture in read_pictures(dataset.current):
        data = (dataset.current / picture.path).read_bytes()
        pair = [hashlib.sha256(data).hexdigest(), picture.label]
        splits.setdefault(picture.split, []).append(pair)
    record = read_record(dataset.current) or {}
    return {
        "class_names": record["class_names"],
        "folders": list(folder_names(record["class_names"], record["folders"]).values()),
        "splits": {split: sorted(pairs) for split, pairs in splits.items()},
    }


def export(dataset: Path, name: str, out: Path) -> dict[str, Any]:
    """Run the export command."""
    words = ("export", "--dataset", dataset, "--format", name, "--out", out, "--json")
    answer = subprocess.run([*CLI, *words], capture_output=True, text=True, check=False)
    if answer.returncode:
        raise SystemExit(f"export of {name} ended with {answer.returncode}: {answer.stderr}")
    summary: dict[str, Any] = json.loads(answer.stdout)
    return summary


def problems(read: Mapping[str, Any], truth: Mapping[str, Any], name: str) -> list[str]:
    """Say how what a loader read differs from the version."""
    differences = []
    names = truth["folders" if name == "imagefolder" else "class_names"]
    if read["class_names"] not in (None, names):
        differences.append(f"class names: {read['class_names']}")
    for split in sorted(truth["splits"].keys() | read["splits"].keys()):
        want = truth["splits"].get(split, [])
        got = sorted(map(list, read["splits"].get(split, [])))
        if len(got) != len(want):
            differences.append(f"{split}: {len(got)} pictures, not {len(want)}")
        elif [pair[0] for pair in got] != [pair[0] for pair in want]:
            differences.append(f"{split}: other bytes")
        elif got != want:
            differences.append(f"{split}: other labels")
    return differences


def check(
    python: Path, reader: str, name: str, folder: Path, truth: Mapping[str, Any]
) -> dict[str, Any]:
    """Read an export with one loader; return the row of the result."""
    began = perf_counter()
    words = (python, SCRIPTS / "export_readers.py", reader, folder)
    answer = subprocess.run(
        words, capture_output=True, text=True, check=False, env=os.environ | QUIET
    )
    row = {"format": name, "loader": reader, "seconds": round(perf_counter() - began, 1)}
    if answer.returncode:
        return row | {"same": False, "problems": answer.stderr.strip().splitlines()[-1:]}
    read = json.loads(answer.stdout.splitlines()[-1])
    differences = problems(read, truth, name)
    pictures = sum(map(len, read["splits"].values()))
    named = read["class_names"] is not None
    return row | {
        "same": not differences,
        "problems": differences,
        "pictures": pictures,
        "names_read": named,
    }


def main() -> int:
    """Check every format with every loader."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--envs", type=Path, help="where environments are made and kept")
    parser.add_argument("--only", choices=list(FORMATS), help="check one format")
    options = parser.parse_args()
    truth = expected(Dataset(options.dataset))
    exported: dict[str, dict[str, Any]] = {}
    checks: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        envs = options.envs or Path(scratch) / "envs"
        for chosen in FORMATS:
            if options.only in (None, chosen):
                exported[chosen] = export(options.dataset, chosen, Path(scratch) / chosen)
        for reader, env, name in READERS:
            if name in exported:
                peer = Peer(env, envs.resolve())
                peer.make()
                folder = Path(scratch) / name
                checks.append(check(peer.python, reader, name, folder, truth))
    facts = {n: {k: s[k] for k in ("files", "bytes", "seconds")} for n, s in exported.items()}
    pictures = {split: len(pairs) for split, pairs in truth["splits"].items()}
    result = {"pictures": pictures, "classes": len(truth["class_names"])}
    known = requirements()
    used = {env: known[env] for _, env, name in READERS if name in exported}
    print(json.dumps(result | {"exports": facts, "peers": used, "checks": checks}, indent=1))
    return 0 if all(row["same"] for row in checks) else 1


if __name__ == "__main__":
    sys.exit(main())
