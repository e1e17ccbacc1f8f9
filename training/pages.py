"""Gather what the report and the model card tell, and write both."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.durable import write_file
from training.album import Album
from training.answers import Answers
from training.backbones import BACKBONES
from training.backbones.rows import Backbone
from training.backend import versions
from training.charts import plots, reliability_bars, stacked
from training.explain import Explainer
from training.exports.listing import listed
from training.gallery import (
    cells,
    confusions,
    doubted,
    explained_shots,
    samples,
    worst_and_unsure,
)
from training.pictures import Version
from training.plans import OWN
from training.report import render
from training.review import Doubt
from training.settings import TrainSettings
from training.setup import Setup, Trained
from training.sources import Sources
from training.start import KNOWN

SHADES = 9
MATRIX_MOST = 120


@dataclass(frozen=True)
class Measured:
    """What the pages show beside the run's own values: the model read back, and its answers.

    `looked` says whether there was anything to look for doubts in.
    """

    model: Any
    answers: Answers
    doubts: Sequence[Doubt]
    looked: bool
    sources: Sources


def write_pages(
    folder: Path, setup: Setup, trained: Trained, run: Mapping[str, Any], measured: Measured
) -> None:
    """Write report/index.html with its small pictures, and model_card.md."""
    facts = _facts(setup, trained, run) | {
        "sources": measured.sources,
        "files": listed(run["exports"], setup.settings.exports),
        "suspects_looked": measured.looked,
        "doubted_labels": sum(one.kind == "label" for one in measured.doubts),
    }
    shown = _shown(folder / "report", setup.version, measured)
    page = render("report.html", facts | shown | {"run": _settings(setup, trained, run)})
    write_file(folder / "report" / "index.html", page.encode())
    write_file(folder / "model_card.md", render("model_card.md", facts).encode())


def _facts(setup: Setup, trained: Trained, run: Mapping[str, Any]) -> dict[str, Any]:
    version, settings = setup.version, setup.settings
    evaluation = run["evaluation"]
    calibration = evaluation.calibration
    return {
        **run,
        "classes": version.class_names,
        "trained_on": run["created_at"][:16].replace("T", " ") + " UTC",
        "size": version.size,
        "fit": version.fit,
        "version": version.id,
        "dataset": settings.dataset.name,
        "phases": [
            {**vars(one), "plots": plots(one.curves, one.epoch_kept)} for one in trained.phases
        ],
        "kept_phase": trained.kept_phase.name,
        "seed": settings.seed,
        "pictures": {split: len(rows) for split, rows in version.splits.items()},
        "known": KNOWN if setup.start and setup.start.may_know(version.id) else "",
        "origin": origin(settings, setup.weights),
        "mistakes": confusions(run["metrics"]),
        "intervals": evaluation.intervals,
        "calibration": calibration,
        "diagrams": [
            ("before the temperature", calibration.ece_before, calibration.before),
            (f"with T = {calibration.temperature:.2f}", calibration.ece_after, calibration.after),
        ],
        "reliability_bars": reliability_bars,
        "tags": evaluation.tags,
        "speed": evaluation.pictures_per_second,
        "class_rows": class_rows(version),
        "matrix": len(version.class_names) <= MATRIX_MOST,
        "shade": shade,
    }


def _shown(page: Path, version: Version, measured: Measured) -> dict[str, Any]:
    """Return everything with pictures; writes them beside the page."""
    answers, album = measured.answers, Album(page, version.fit)
    explainer = Explainer(measured.model)
    worst, unsure = (
        explained_shots(places, answers, version, album, explainer)
        for places in worst_and_unsure(answers)
    )
    small = len(version.class_names) <= MATRIX_MOST
    return {
        "strips": [
            ("worst", "Wrong, the surest first", worst),
            ("unsure", "Right, the least sure first", unsure),
        ],
        "cells": cells(answers, version.class_names, album) if small else [],
        "samples": samples(version, album),
        "doubts": doubted(measured.doubts, album),
        "doubted": {
            kind: sum(one.kind == kind for one in measured.doubts) for kind in ("label", "outlier")
        },
    }


def origin(settings: TrainSettings, weights: Path | None) -> Backbone | None:
    """Return the backbone whose licence and source hold for the weights, where they were its own.

    Not for a file of the user's, nor for what came from another model.
    """
    own = settings.weights in ("imagenet", "places") and settings.from_bundle is None
    return BACKBONES[settings.backbone] if own and weights is not None else None


def class_rows(version: Version) -> dict[str, dict[str, Any]]:
    """Return class -> its pictures by split and their bars, all on one scale."""
    counts: dict[str, dict[str, int]] = {
        name: dict.fromkeys(map(str, version.splits), 0) for name in version.class_names
    }
    for split, examples in version.splits.items():
        for example in examples:
            counts[version.class_names[example.label]][split] += 1
    most = max((sum(one.values()) for one in counts.values()), default=1)
    return {name: {"counts": one, "bars": stacked(one, most)} for name, one in counts.items()}


def shade(count: int, whole: int) -> int:
    """Return how dark a cell of the confusion matrix is, 1 to 9; 0 without a picture."""
    return 0 if not count else 1 + round((SHADES - 1) * count / whole)


def _settings(setup: Setup, trained: Trained, run: Mapping[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in vars(setup.settings).items() if v is not None}
    settings["weights"] = run["weights"]
    return {
        "the run": {
            "data set": f"{setup.settings.dataset.name}, version {setup.version.id}",
            "parameters": f"{run['parameters']:,}",
            **{
                f"epochs, {one.name}": f"{one.epochs_run} of at most {one.epochs},"
                f" number {one.epoch_kept} kept"
                for one in trained.phases
            },
            **{
                name.replace("_", " "): value
                for name, value in trained.plan.as_json().items()
                if name in OWN[trained.recipe]
            },
        },
        "options": {
            f"--{name.replace('_', '-')}": value.name if isinstance(value, Path) else value
            for name, value in settings.items()
        },
        "versions": versions(),
        "seconds": {name: f"{value:.1f}" for name, value in setup.watch.seconds.items()},
    }
