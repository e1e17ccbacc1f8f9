"""Gather what the report and the model card show, and write both."""

import base64
import hashlib
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, Context
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from sceneset.atomic import write_file
from training.data.version import Version
from training.evaluation.label_issues import LabelIssue
from training.evaluation.metrics import ReliabilityBin
from training.evaluation.predict import Answers
from training.exports.explain import keras_explainer
from training.exports.exporter import SPLIT_WORDS, left_out
from training.exports.saved_model import PIXELS
from training.models.backbones.networks import Pretrained
from training.models.backbones.table import BACKBONES, DOWNLOADED
from training.models.backend import versions
from training.recipes.context import KNOWN, Setup, Trained
from training.recipes.hyperparameters import RECIPE_DEFAULTS
from training.report.examples import (
    SHOWN_ISSUES,
    Album,
    confusion_cells,
    confusions,
    explain_answers,
    samples,
    show_label_issues,
    worst_and_unsure,
)
from training.settings import EXPLAIN_FILE, FILES, HEAD_FILE, TrainSettings

TEMPLATES = Path(__file__).parent
# Every character to which Markdown or HTML gives a meaning.
_MARKUP = frozenset("\\`*_{}[]()<>#+!|&~\"'")
_INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)
# Sides in px of a plot, of the reliability diagram, and of the bar of the largest class.
WIDTH, HEIGHT = 460.0, 180.0
SIDE = 220.0
STACK = 160.0
SHADES = 9
MATRIX_MOST = 120
DIGITS = 12


def render(name: str, facts: Mapping[str, Any]) -> str:
    """Fill a template of this package; every value is escaped.

    A page's policy allows its own style and script by their hashes, and nothing else.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  rarely needed

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["plain"] = plain
    hashes = {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in _INLINE.findall((TEMPLATES / name).read_text(encoding="utf-8"))
    }
    return environment.get_template(name).render(facts, hashes=hashes)


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML."""
    return "".join(f"&#{ord(c)};" if c in _MARKUP else c for c in text)


def percent(share: float | None) -> str:
    """Write a share of 0..1 as a percentage, or a dash where it is undefined."""
    return "-" if share is None else f"{100 * share:.1f} %"


def plots(curves: Sequence[Mapping[str, float]], kept: int) -> list[dict[str, Any]]:
    """Return the plots of accuracy and loss by epoch; `kept` counts epochs from 1.

    Each has the values at bottom and top, the epoch that was kept in px, and its curves' points as
    SVG takes them.
    """
    return [_plot(what, curves, kept) for what in ("accuracy", "loss")]


def _plot(what: str, curves: Sequence[Mapping[str, float]], kept: int) -> dict[str, Any]:
    lines = {
        name: [epoch[key] for epoch in curves]
        for name, key in (("training", what), ("validation", f"val_{what}"))
        if curves and key in curves[0]
    }
    values = [value for line in lines.values() for value in line if np.isfinite(value)]
    low, high = min(values, default=0.0), max(values, default=1.0)
    step = WIDTH / max(1, len(curves) - 1)
    span = (high - low) or 1.0
    return {
        "title": what,
        "low": low,
        "high": high,
        "kept": max(0, kept - 1) * step,
        "curves": [
            {
                "name": name,
                "points": " ".join(
                    f"{place * step:.1f},{HEIGHT - (value - low) / span * HEIGHT:.1f}"
                    for place, value in enumerate(line)
                    if np.isfinite(value)
                ),
                "last": line[-1],
            }
            for name, line in lines.items()
        ],
    }


def reliability_bars(bins: Sequence[ReliabilityBin]) -> list[dict[str, Any]]:
    """Return a bar in px per bin that holds pictures: as high as the share of right answers."""
    return [
        {
            "x": one.low * SIDE + 1,
            "y": SIDE - one.accuracy * SIDE,
            "width": (one.high - one.low) * SIDE - 2,
            "height": one.accuracy * SIDE,
            "title": f"{one.low:.2f} to {one.high:.2f}: {one.pictures} pictures,"
            f" sure {one.confidence:.3f}, right {one.accuracy:.3f}",
        }
        for one in bins
        if one.accuracy is not None and one.confidence is not None
    ]


def stacked(counts: Mapping[str, int], most: int) -> list[tuple[str, float, float]]:
    """Return each split's bar, its left end and its width; `most` pictures fill all 160 px."""
    widths = [STACK * count / max(1, most) for count in counts.values()]
    return list(zip(counts, accumulate(widths, initial=0.0), widths, strict=False))


def export_rows(exports: Mapping[str, Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return name, size, SHA-256 and proof of every export of metrics.json that was not left out."""
    return [
        {
            "name": name,
            "size": format_size(int(record["bytes"])),
            "sha256": str(record.get("sha256", ""))[:DIGITS],
            "proof": _format_proof(name, record),
        }
        for name, record in exports.items()
        if "left_out" not in record
    ]


def missing_exports(
    exports: Mapping[str, Mapping[str, Any]], requested: Sequence[str]
) -> dict[str, str]:
    """Return why an export is not there: left out, or not requested."""
    others = [kind for kind in FILES if kind not in requested and FILES[kind] not in exports]
    unasked = {FILES[kind]: f"not asked for (--export {kind})" for kind in others}
    return left_out(exports) | unasked


def _format_proof(name: str, record: Mapping[str, Any]) -> str:
    if name == FILES["keras"]:
        return "measured itself; the others are compared with it"
    if name == HEAD_FILE:
        return f"proved with {EXPLAIN_FILE}"
    parts = [_format_parity(how, one) for how, one in record.get("parity", {}).items()]
    gate = record.get("gate")
    if gate:
        parts.append(
            f"top-1 {100 * gate['top1']:.1f} % where the model has {100 * gate['float_top1']:.1f} %"
            f" (judged on {SPLIT_WORDS[gate['split']]} pictures)"
        )
    return "; ".join(parts) or "not compared"


def _format_parity(how: str, parity: Mapping[str, Any]) -> str:
    by = {PIXELS: "", "judged": "", HEAD_FILE: f"with {HEAD_FILE}: "}.get(how, f"{how}: ")
    other, largest = parity["other_top1"], parity["largest"]
    apart = f"at most {round_up(largest):.1g} apart" if largest else "equal"
    top1 = f"another top-1 on {other}" if other else "top-1 equal"
    return f"{by}probabilities {apart} on {parity['pictures']} pictures, {top1}"


def round_up(value: float) -> float:
    """Return the next number of one digit that is not smaller: what differs at most, never less."""
    return float(Context(prec=1, rounding=ROUND_CEILING).create_decimal(repr(float(value))))


def format_size(count: int) -> str:
    """Write a number of bytes as kB or MB, thousands of them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"  # noqa: PLR2004  a MB


@dataclass(frozen=True)
class Measured:
    """What the pages show beside the run's own values: the model read back, and its answers.

    The label issues are None when there was nothing to look for them in.
    """

    model: Any
    answers: Answers
    label_issues: Sequence[LabelIssue] | None
    sources: Mapping[str, Any]


def write_pages(
    folder: Path, setup: Setup, trained: Trained, run: Mapping[str, Any], measured: Measured
) -> None:
    """Write report/index.html with its small pictures, and model_card.md."""
    issues = measured.label_issues or ()
    facts = _facts(setup, trained, run) | {
        "sources": measured.sources,
        "files": export_rows(run["exports"]),
        "missing": missing_exports(run["exports"], setup.settings.exports),
        "suspects_looked": measured.label_issues is not None,
        "issue_counts": {kind: sum(one.kind == kind for one in issues) for kind in SHOWN_ISSUES},
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
    explain = keras_explainer(measured.model)
    worst, unsure = (
        explain_answers(places, answers, version, album, explain)
        for places in worst_and_unsure(answers)
    )
    small = len(version.class_names) <= MATRIX_MOST
    return {
        "strips": [
            ("worst", "Wrong, the surest first", worst),
            ("unsure", "Right, the least sure first", unsure),
        ],
        "cells": confusion_cells(answers, version.class_names, album) if small else [],
        "samples": samples(version, album),
        "label_issues": show_label_issues(measured.label_issues or (), album),
    }


def origin(settings: TrainSettings, weights: Path | None) -> Pretrained | None:
    """Return whose licence and source hold for the weights, where they were the backbone's own.

    Not for a file of the user's, nor for what came from another model.
    """
    own = settings.weights in DOWNLOADED and settings.from_bundle is None
    return BACKBONES[settings.backbone].pretrained if own and weights is not None else None


def class_rows(version: Version) -> dict[str, dict[str, Any]]:
    """Return class -> its pictures by split and their bars, all on one scale."""
    counts = Counter(
        (example.label, split) for split in version.splits for example in version.splits[split]
    )
    most = max(Counter(label for label, _ in counts.elements()).values(), default=1)
    rows = [
        {str(split): counts[label, split] for split in version.splits}
        for label in range(len(version.class_names))
    ]
    return {
        name: {"counts": row, "bars": stacked(row, most)}
        for name, row in zip(version.class_names, rows, strict=True)
    }


def shade(count: int, whole: int) -> int:
    """Return how dark a cell of the confusion matrix is, 1 to 9; 0 without a picture."""
    return 0 if not count else 1 + round((SHADES - 1) * count / whole)


def _settings(setup: Setup, trained: Trained, run: Mapping[str, Any]) -> dict[str, Any]:
    settings = {k: v for k, v in vars(setup.settings).items() if v is not None}
    settings |= {name: run[name] for name in ("weights", "backbone")}
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
                for name, value in vars(trained.plan).items()
                if name in RECIPE_DEFAULTS[trained.recipe]
            },
        },
        "options": {
            f"--{name.replace('_', '-')}": value.name if isinstance(value, Path) else value
            for name, value in settings.items()
        },
        "versions": versions(),
        "seconds": {name: f"{value:.1f}" for name, value in setup.watch.seconds.items()},
    }
