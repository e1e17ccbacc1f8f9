"""Measure a bundle on a split of the published version, or on a folder of class folders."""

import json
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from sceneset.bundle.reader import Bundle, open_bundle
from sceneset.class_list import shown, slug_of
from sceneset.dataset import Dataset
from sceneset.errors import PARTIAL, MissingInputError, UsageError
from sceneset.progress import Outcome, Output, Stopwatch, progress_bars
from training.data.version import Example, Version, check_pictures, read_version
from training.evaluation.evaluation import Evaluation, evaluate_answers, format_evaluation
from training.evaluation.metrics import Metrics, measure
from training.evaluation.predict import answer
from training.models.inference import load_model
from training.settings import EvaluateSettings

MOST_NAMED = 10
_DEFAULTS = EvaluateSettings()


def evaluate(*, settings: EvaluateSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Measure a bundle on a split of the published version, or on a folder of class folders."""
    watch = Stopwatch()
    bundle = open_bundle(settings.model)
    if settings.folder is not None:
        version, source = None, str(settings.folder)
        examples = folder_examples(settings.folder, bundle.class_names)
    else:
        version = read_version(Dataset.open(settings.dataset))
        source = f"the {settings.split} split of {settings.dataset}"
        examples = split_examples(version, settings, bundle.class_names)
    if not examples:
        raise MissingInputError(
            f"no picture to measure on in {source}", cure="name another --split or --folder"
        )
    if version is not None and bundle.record.get("dataset_version") != version.id:
        output.say(
            "the data set has changed since: its split may hold pictures the model trained on"
        )
    check_pictures(examples)
    model = load_model(bundle.path("model.keras"))
    with progress_bars(output) as bars:
        bar = bars.add("measuring", total=len(examples))
        answers = answer(model, examples, bundle.size, bundle.fit, bar)
    metrics = measure(answers.probabilities, answers.labels, bundle.class_names)
    evaluation = evaluate_answers(answers, _temperature(bundle), bundle.tag_rule)
    return _outcome(bundle, source, (metrics, evaluation), answers.unreadable, watch.total)


def _temperature(bundle: Bundle) -> float:
    """Return the temperature that a bundle states among its metrics, 1 when it states none."""
    try:
        return float(json.loads(bundle.path("metrics.json").read_bytes()).get("temperature", 1))
    except (OSError, ValueError, TypeError, AttributeError):
        return 1.0


def folder_examples(folder: Path, names: Sequence[str]) -> list[Example]:
    """Return every file of a folder that holds one folder per class.

    A folder is a class by its display name or its folder name, compared in NFC.
    Raises MissingInputError when there is no folder, UsageError naming one that is no class.
    """
    if not folder.is_dir():
        raise MissingInputError(f"{folder} is no folder", cure="name a folder: --folder DIR")
    labels = {slug_of(name): label for label, name in enumerate(names)}
    labels |= {unicodedata.normalize("NFC", name): label for label, name in enumerate(names)}
    examples: list[Example] = []
    for place in sorted(p for p in folder.iterdir() if p.is_dir()):
        label = labels.get(unicodedata.normalize("NFC", place.name))
        if label is None:
            raise UsageError(
                f"the folder {shown(place.name)} in {folder} is no class of this model",
                cure=f"rename or move it; the classes are {_few(names)}",
            )
        files = sorted(p for p in place.rglob("*") if p.is_file() and not p.name.startswith("."))
        examples += [Example(path, label) for path in files]
    return examples


def split_examples(
    version: Version, settings: EvaluateSettings, names: Sequence[str]
) -> list[Example]:
    """Return the examples of a split with the labels of a model's classes.

    Raises UsageError naming classes that the model does not know.
    """
    label_of = {name: label for label, name in enumerate(names)}
    examples = version.splits[settings.split]
    unknown = sorted({version.class_names[one.label] for one in examples} - set(label_of))
    if unknown:
        raise UsageError(
            f"the model does not know {_few(unknown)} of {settings.dataset}",
            cure="name the data set it was trained on, or train again",
        )
    return [replace(one, label=label_of[version.class_names[one.label]]) for one in examples]


def _outcome(
    bundle: Bundle,
    source: str,
    measured: tuple[Metrics, Evaluation],
    unreadable: dict[str, str],
    seconds: float,
) -> Outcome:
    metrics, evaluation = measured
    summary = {
        "bundle": str(bundle.folder),
        "images": metrics.pictures,
        "metrics": metrics.headline(),
        "nll": metrics.nll,
        "per_class": asdict(metrics)["per_class"],
        "confusion": metrics.confusion,
        **asdict(evaluation),
        "unreadable": unreadable,
        "seconds": seconds,
    }
    lines = (
        f"{metrics.pictures} pictures of {source}: {headline(metrics)}",
        *format_evaluation(evaluation, metrics.top1),
    )
    if not unreadable:
        return Outcome(summary, lines)
    first, why = next(iter(unreadable.items()))
    return Outcome(
        summary,
        lines,
        exit_code=PARTIAL,
        problem=f"{len(unreadable)} files could not be read, the first: {first}: {why}",
        cure="replace or remove them; --json names each",
    )


def headline(metrics: Metrics) -> str:
    """Say the figures in one line."""
    if not metrics.pictures:
        return "no test pictures, so nothing is measured"
    figures = {"top-1": metrics.top1, "top-3": metrics.top3, "macro-F1": metrics.macro_f1}
    shares = ", ".join(f"{name} {100 * (value or 0):.1f} %" for name, value in figures.items())
    return f"{shares}, ECE {metrics.ece:.3f}"


def _few(names: Sequence[str]) -> str:
    more = f" and {len(names) - MOST_NAMED} more" if len(names) > MOST_NAMED else ""
    return ", ".join(shown(name) for name in names[:MOST_NAMED]) + more
