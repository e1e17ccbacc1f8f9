"""Measure the recipes: seconds from picture files to `original`'s test accuracy, and accuracies.

Each seed curates the pictures anew, so that it has a split of its own, and trains every recipe on
it; the differences are paired. `fast` is timed from picture files to the trained head, its cache
removed first; `original` from picture files through its epochs, the frozen base evaluated in each.
Neither time holds imports and exports. Accuracies are those of the network on the test pictures.

With `--original-epochs N` below 25 only N epochs of `original` are run: its seconds are then
extrapolated, and its accuracy is that of the same head, trained 25 epochs by Keras on features
computed once, which the frozen base makes the same in every epoch. The JSON says so.

    python bench/training/recipes.py SCENES --weights W.h5 --work DIR [--sets mixed] [--best]
"""

import argparse
import json
import os
import resource
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.adopt import adopt
from curate.commands.curate import curate
from curate.settings import CurateSettings
from sceneset.checksums import file_sha256
from sceneset.dataset import Dataset
from sceneset.progress import Bars, Output, Stopwatch
from training.data.version import picture_batches, read_version
from training.models.backend import load_backend, versions
from training.models.classifier import build_head, classifier
from training.models.inference import forward
from training.recipes.context import Setup
from training.recipes.fast import embeddings, fast, make_views
from training.recipes.from_pictures import best, original
from training.settings import TrainSettings

FOLDERS = {"intel6": "intel6/seg_train", "mixed": "mixed"}
EPOCHS = 25
PUBLISHED = 1280  # values of the last feature map, which the published head reads
GOALS = {
    "speed": 15.0,
    "stretch": 30.0,
    "fast_above_original": {"intel6": 0.01, "mixed": 0.02},
    "best_above_fast": {"intel6": 0.0},
}
# Quantiles .975 of Student's t by degrees of freedom
STUDENT = {1: 12.71, 2: 4.30, 3: 3.18, 4: 2.78, 5: 2.57, 6: 2.45, 7: 2.36, 8: 2.31, 9: 2.26}


def publish(source: Path, root: Path, seed: int) -> Path:
    """Make a data set of class folders and publish it, unless an earlier run did."""
    if not (root / "curated" / "current").exists():
        shutil.rmtree(root, ignore_errors=True)
        folders = sorted(p for p in source.iterdir() if p.is_dir())
        adopt(root, {p.name: sorted(f for f in p.iterdir() if f.is_file()) for p in folders})
        curate(settings=CurateSettings(dataset=root, seed=seed), output=Output(quiet=True))
    return root


def prepare(root: Path, weights: Path, seed: int, **settings: Any) -> Setup:  # noqa: ANN401  TrainSettings' own
    """Return what a recipe starts from."""
    load_backend().keras.utils.set_random_seed(seed)
    wanted = TrainSettings(dataset=root, weights=str(weights), seed=seed, **settings)
    return Setup(wanted, read_version(Dataset(root)), weights, Bars(None), Stopwatch())


def test_accuracy(network: Any, setup: Setup) -> float:  # noqa: ANN401  Keras has no types
    """Return top-1 on the test pictures."""
    run, version = forward(network), setup.version
    batches = picture_batches(version.paths("test"), version.size, version.fit)
    guesses = np.concatenate([run(batch).argmax(axis=1) for batch in batches])
    return float(np.mean(guesses == version.labels("test")))


def measure(recipe: Callable[[Setup], Any], setup: Setup) -> dict[str, Any]:
    """Run a recipe; return its seconds, its accuracy and what it says of itself."""
    began = perf_counter()
    trained = recipe(setup)
    facts = {k: trained.facts[k] for k in ("engine", "fine_tuned", "why") if k in trained.facts}
    return {
        "seconds": {**setup.watch.seconds, "all": round(perf_counter() - began, 1)},
        "top1": test_accuracy(trained.network, setup),
        **facts,
    }


def published_head(setup: Setup) -> float:
    """Return the accuracy of the published head, trained by Keras on features computed once."""
    version, trunk = setup.version, setup.trunk(multi_scale=True)
    (rows,) = embeddings(setup, trunk, [(make_views(setup.plan)[0], "pooled")])
    middle = len(version.splits["train"])
    features = rows.take(np.arange(len(rows)))[:, -PUBLISHED:]
    head = build_head(PUBLISHED, len(version.class_names))
    keras = load_backend().keras
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    head.compile(optimizer=keras.optimizers.Adam(1e-3), loss=loss)
    labels = version.labels("train")
    head.fit(features[:middle], labels, batch_size=128, epochs=EPOCHS, verbose=0)
    published = setup.trunk(multi_scale=False)
    return test_accuracy(classifier(published, head, frozen=True), setup)


def measure_seed(root: Path, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Measure every recipe on one split."""
    shutil.rmtree(root / "cache", ignore_errors=True)
    engine = {"engine": options.engine}
    quick = engine | {"views": options.views}
    figures = {"fast": measure(fast, prepare(root, options.weights, seed, **quick))}
    epochs = options.original_epochs
    setup = prepare(root, options.weights, seed, recipe="original", epochs=epochs)
    figures["original"] = measure(original, setup)
    figures["original"]["epochs"] = epochs
    train = figures["original"]["seconds"]["train"]
    figures["original"]["seconds_of_25_epochs"] = round(train * EPOCHS / epochs, 1)
    if epochs != EPOCHS:
        figures["original"]["extrapolated"] = True
        again = prepare(root, options.weights, seed, engine="tensorflow")
        figures["original"]["top1"] = published_head(again)
    if options.best:
        setup = prepare(root, options.weights, seed, recipe="best", **engine)
        figures["best"] = measure(best, setup)
    seconds = figures["fast"]["seconds"]
    figures["fast"]["from_files"] = round(seconds["embed"] + seconds["train"], 1)
    return figures


def interval(differences: Sequence[float]) -> dict[str, float]:
    """Return mean and 95 % interval of paired differences (Student's t)."""
    mean = float(np.mean(differences))
    if len(differences) == 1:
        return {"mean": round(mean, 4)}
    std_error = float(np.std(differences, ddof=1)) / len(differences) ** 0.5
    wide = STUDENT.get(len(differences) - 1, 2.0) * std_error
    return {"mean": round(mean, 4), "low": round(mean - wide, 4), "high": round(mean + wide, 4)}


def summarize(runs: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return mean accuracies, paired differences and the ratio of seconds of one set."""
    recipes = [name for name in ("original", "fast", "best") if name in runs[0]]
    top1 = {name: [run[name]["top1"] for run in runs] for name in recipes}
    pairs = [("fast", "original"), ("best", "fast")]
    slow = sum(run["original"]["seconds_of_25_epochs"] for run in runs)
    quick = sum(run["fast"]["from_files"] for run in runs)
    return {
        "top1_mean": {name: round(float(np.mean(values)), 4) for name, values in top1.items()},
        "differences": {
            f"{a}_above_{b}": interval(np.subtract(top1[a], top1[b]).tolist())
            for a, b in pairs
            if a in top1 and b in top1
        },
        "original_s": round(slow, 1),
        "fast_s": round(quick, 1),
        "ratio": round(slow / quick, 1),
        "runs": runs,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scenes", type=Path, help="a folder that holds intel6/seg_train and mixed")
    parser.add_argument("--weights", type=Path, required=True, help="MobileNetV2 without its top")
    parser.add_argument("--work", type=Path, required=True, help="where data sets are made")
    parser.add_argument("--sets", nargs="+", choices=FOLDERS, default=list(FOLDERS))
    parser.add_argument("--seeds", type=int, default=5, help="splits per set (%(default)s)")
    parser.add_argument("--original-epochs", type=int, default=EPOCHS, help="(%(default)s)")
    parser.add_argument("--engine", choices=["auto", "tensorflow", "openvino"], default="auto")
    parser.add_argument("--views", type=int, help="of `fast`; by default the recipe's own")
    parser.add_argument("--best", action="store_true", help="measure `best` too: minutes")
    options = parser.parse_args()
    load_backend()
    sets = {}
    for name in options.sets:
        runs = []
        for seed in range(options.seeds):
            root = publish(options.scenes / FOLDERS[name], options.work / f"{name}-{seed}", seed)
            runs.append(measure_seed(root, seed, options))
            print(f"{name} seed {seed}: {json.dumps(runs[-1])}", file=sys.stderr, flush=True)
        sets[name] = summarize(runs)
    slow, quick = (sum(one[key] for one in sets.values()) for key in ("original_s", "fast_s"))
    figures = {
        "sets": sets,
        "together": {
            "ratio": round(slow / quick, 1),
            "fast_reaches_original": all(
                one["top1_mean"]["fast"] >= one["top1_mean"]["original"] for one in sets.values()
            ),
        },
        "goals": GOALS,
        "engine": options.engine,
        "views_of_fast": options.views or "the recipe's",
        "extrapolated": options.original_epochs != EPOCHS,
        "weights_sha256": file_sha256(options.weights),
        "versions": versions(),
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "load_average": os.getloadavg(),
    }
    print(json.dumps(figures, indent=2))


if __name__ == "__main__":
    main()
