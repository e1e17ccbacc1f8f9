"""Measure how well injected wrong labels are found, beside cleanlab on the same pictures.

DIR holds one folder per class. Its pictures are put into a data set, curated, and embedded by
MobileNetV2; a share of the labels is then made wrong at random, each picture by itself. For each
seed: the AUROC of our scores, precision, recall and F1 of what we list, and F1 of cleanlab's
`find_label_issues` given the neighbours' votes, the logistic regression's probabilities (its usual
inputs) and our mean of both. Prints one JSON object.

    python bench/training/label_issues.py DIR --weights W.h5 [--noise 0.1] [--seeds 3]
"""

import argparse
import json
import sys
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.adopt import adopt
from bench.support.peer_env import Peer, add_option
from curate.commands.curate import curate
from curate.settings import CurateSettings
from sceneset.dataset import Dataset
from sceneset.progress import Output
from training.data.version import Example, picture_batches, read_version
from training.evaluation import label_issues
from training.models.backbones.table import BACKBONES, build_base
from training.models.classifier import Trunk, embedder
from training.models.inference import forward

Floats = NDArray[np.float64]
QUIET = Output(quiet=True)


def embed(folder: Path, weights: Path, work: Path) -> tuple[NDArray[np.float32], list[Example]]:
    """Return the embeddings of all pictures that curate keeps, and the pictures."""
    root = work / "set"
    adopt(root, {p.name: sorted(p.iterdir()) for p in sorted(folder.iterdir()) if p.is_dir()})
    curate(settings=CurateSettings(dataset=root), output=QUIET)
    version = read_version(Dataset.open(root))
    examples = [example for split in version.splits.values() for example in split]
    backbone = BACKBONES["mobilenet_v2"]
    base = build_base("mobilenet_v2", version.size, weights)
    run = forward(embedder(Trunk(base, backbone.scaling, backbone.taps)))
    batches = picture_batches([example.path for example in examples], version.size, version.fit)
    return np.concatenate([run(batch) for batch in batches]), examples


def corrupt(
    true: NDArray[np.int64], classes: int, share: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return labels of which a share was moved to any other class, and which those are."""
    rng = np.random.default_rng(seed)
    wrong = rng.random(len(true)) < share
    return np.where(wrong, (true + rng.integers(1, classes, len(true))) % classes, true), wrong


def scores(listed: NDArray[np.bool_], wrong: NDArray[np.bool_]) -> dict[str, float]:
    """Return precision, recall and F1."""
    both = int((listed & wrong).sum())
    return {
        "precision": round(both / max(1, int(listed.sum())), 4),
        "recall": round(both / int(wrong.sum()), 4),
        "f1": round(2 * both / int(listed.sum() + wrong.sum()), 4),
    }


def auroc(issue_scores: Floats, wrong: NDArray[np.bool_]) -> float:
    """Return the chance that a wrong label scores higher than a right one."""
    from sklearn.metrics import roc_auc_score  # noqa: PLC0415  of the training's own extra

    return round(float(roc_auc_score(wrong, issue_scores)), 4)


def measure(
    rows: NDArray[np.float32],
    labels: NDArray[np.int64],
    wrong: NDArray[np.bool_],
    groups: NDArray[np.int64],
    peer: Peer,
) -> dict[str, Any]:
    """Return the figures of one seed."""
    classes, every = int(labels.max()) + 1, np.arange(len(labels))
    began = perf_counter()
    opinion = label_issues.judge_labels(rows, labels, groups, classes)
    listed = np.zeros(len(labels), bool)
    listed[[s.row for s in label_issues.rank_issues(opinion, labels) if s.kind == "label"]] = True
    seconds = perf_counter() - began
    short = label_issues.strongest_directions(rows)
    votes, _ = label_issues.neighbour_votes(short, labels, groups, classes)
    folds = label_issues.fold_of(labels, groups)
    probabilities = {
        "neighbours": votes,
        "regression": label_issues.regression_probabilities(short, labels, folds, classes),
        "our_mean": opinion.probabilities,
    }
    with tempfile.TemporaryDirectory() as work:
        files = {name: str(Path(work) / f"{name}.npy") for name in probabilities}
        for name, path in files.items():
            np.save(path, probabilities[name])
        answer = peer.ask("cleanlab_issues.py", {"labels": labels.tolist(), "probabilities": files})
    return {
        "ours": {"auroc": auroc(1 - opinion.probabilities[every, labels], wrong)}
        | scores(listed, wrong)
        | {"listed": int(listed.sum()), "seconds_noisy": round(seconds, 2)},
        "cleanlab": {name: scores(np.isin(every, some), wrong) for name, some in answer.items()},
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--weights", type=Path, required=True)
    parser.add_argument("--noise", type=float, default=0.1)
    parser.add_argument("--seeds", type=int, default=3)
    add_option(parser)
    options = parser.parse_args()
    peer = Peer("cleanlab", options.peers.resolve())
    with tempfile.TemporaryDirectory() as work:
        rows, examples = embed(options.folder.resolve(), options.weights, Path(work))
    true = np.array([example.label for example in examples])
    groups = np.unique([e.group for e in examples], return_inverse=True)[1]
    trials = {}
    for seed in range(100, 100 + options.seeds):
        labels, wrong = corrupt(true, int(true.max()) + 1, options.noise, seed)
        trials[seed] = measure(rows, labels, wrong, groups, peer)
    print(json.dumps({"pictures": len(true), "noise": options.noise, "seeds": trials}, indent=2))


if __name__ == "__main__":
    main()
