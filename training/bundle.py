"""Fill a bundle's folder: models, measurements by the exported file, report, card, record."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sceneset.bundle.gradcam import softmax
from sceneset.bundle.tag_rule import TagRule
from sceneset.manifest.store import now
from training.data.version import altered, count_sources
from training.evaluation.calibration import Temperature, choose_temperature
from training.evaluation.evaluation import Evaluation, evaluate_answers, fit_rule
from training.evaluation.label_issues import LabelIssue, find_label_issues
from training.evaluation.metrics import Metrics, measure
from training.evaluation.predict import Answers, answer, average
from training.exports.exporter import (
    write_exports,
    write_interface,
    write_json,
    write_keras,
    write_record,
)
from training.models.backbones.hub import PREFIXES, shown_name
from training.models.backend import versions
from training.models.classifier import exported
from training.models.inference import load_model
from training.recipes.context import SEEN, Setup, Trained
from training.report.pages import Measured, write_pages


def look_for_label_issues(setup: Setup, trained: Trained) -> list[LabelIssue] | None:
    """Judge training and validation pictures by their embeddings; None where there are none.

    The features of a network that was trained on these labels would agree with them, so only those
    of a frozen backbone count.
    """
    if trained.features is None or not setup.settings.suspects:
        return None
    version = setup.version
    examples = (*version.splits["train"], *version.splits["val"])
    with setup.watch.step("suspects"):
        embeddings = trained.features.take(np.arange(len(examples)))
        return find_label_issues(examples, embeddings, version.class_names)


def assess(
    keras_file: Path, setup: Setup, trained: Trained, temperature: Temperature
) -> tuple[Measured, Evaluation]:
    """Run the file over the test pictures.

    Those that cannot be read, or were altered since they were published, are left out and named.
    """
    version, settings = setup.version, setup.settings
    issues = look_for_label_issues(setup, trained)
    with setup.watch.step("measure"):
        model = load_model(keras_file)
        # Hours may have passed since the check at the start.
        gone = {str(path): why for path, why in altered(version.splits["test"])}
        test = [one for one in version.splits["test"] if str(one.path) not in gone]
        bar = setup.bars.add("measuring", total=len(test))
        answers = answer(model, test, version.size, version.fit, bar)
        answers = replace(answers, unreadable=gone | answers.unreadable)
        rule = tag_rule(setup, trained, temperature.chosen)
        chosen = temperature.chosen
        evaluation = evaluate_answers(answers, chosen, rule, seed=settings.seed, fit=temperature)
    sources = count_sources(settings.dataset / "manifest.db", version)
    return Measured(model, answers, issues, sources), evaluation


def tag_rule(setup: Setup, trained: Trained, temperature: float) -> TagRule:
    """Return the published rule, or with --fit-tags the one fitted on the validation pictures."""
    if not setup.settings.fit_tags:
        return TagRule()
    rule = fit_rule(softmax(trained.val_logits / temperature), setup.version.labels("val"))
    if not rule.fitted:
        setup.say("too few validation pictures to fit the tag rule on: it stays as published")
    return rule


@dataclass(frozen=True)
class Run:
    """Everything about a run that its summary, metrics.json, report and card draw on."""

    name: str
    created_at: str
    backbone: str
    weights: str
    recipe: str
    classes: int
    parameters: int
    dataset_version: str
    temperature: float
    ece_before: float | None
    metrics: Metrics
    evaluation: Evaluation
    unreadable: list[str]
    untaught: list[str]
    unmeasured: list[str]
    exports: dict[str, dict[str, object]]
    label_issues: Sequence[LabelIssue] | None
    suspects_note: str


def write_bundle(folder: Path, setup: Setup, trained: Trained, number: int) -> Run:
    """Write every file of a bundle; bundle.json, which names the hashes of the others, last."""
    version, watch = setup.version, setup.watch
    temperature = choose_temperature(trained.val_logits, version.labels("val"))
    model = exported(trained.network, temperature.chosen)
    with watch.step("export"):
        keras_file = write_keras(folder, model)
    measured, evaluation = assess(keras_file, setup, trained, temperature)
    name = f"{setup.settings.out.name} {number}"
    with watch.step("export"):
        exports = write_exports(folder, model, setup, measured.answers, name=name)
    run = _run(
        setup,
        trained,
        measured,
        evaluation,
        name=name,
        parameters=model.count_params(),
        exports={one.name: one.as_json() for one in exports},
    )
    write_interface(folder, version.class_names, version.size, version.fit)
    with watch.step("report"):
        write_pages(folder, setup, trained, vars(run), measured)
    with watch.step("mirrored"):
        mirrored = mirrored_average(model, setup, measured.answers)
    write_json(folder / "metrics.json", {**_metrics_json(setup, trained, run), **mirrored})
    write_record(
        folder,
        {
            "name": run.name,
            "created_at": run.created_at,
            "classes": run.classes,
            "parameters": run.parameters,
            "dataset_version": run.dataset_version,
            "tag_rule": run.evaluation.tags.rule.as_json(),
            "exports": run.exports,
            "versions": versions(),
        },
    )
    return run


def _run(
    setup: Setup,
    trained: Trained,
    measured: Measured,
    evaluation: Evaluation,
    *,
    name: str,
    parameters: int,
    exports: dict[str, dict[str, object]],
) -> Run:
    version, settings = setup.version, setup.settings
    answers, calibration = measured.answers, evaluation.calibration
    saw_labels = setup.start is not None and setup.start.saw_labels
    return Run(
        name=name,
        created_at=now(),
        backbone=shown_name(settings.backbone),
        weights=_weights_name(setup),
        recipe=trained.recipe,
        classes=len(version.class_names),
        parameters=parameters,
        dataset_version=version.id,
        temperature=calibration.temperature,
        ece_before=calibration.ece_before,
        metrics=measure(answers.probabilities, answers.labels, version.class_names),
        evaluation=evaluation,
        unreadable=[str(Path(p).relative_to(version.folder)) for p in answers.unreadable],
        label_issues=measured.label_issues,
        suspects_note=SEEN if saw_labels and measured.label_issues is not None else "",
        untaught=version.classes_without("train"),
        unmeasured=version.classes_without("test"),
        exports=exports,
    )


def mirrored_average(model: Any, setup: Setup, answers: Answers) -> dict[str, object]:  # noqa: ANN401  Keras has no types
    """Measure the average over test pictures and their mirror images, when that is requested.

    `answers` are the model's own. Pictures that were lost since are in no figure.
    """
    version, examples = setup.version, answers.examples
    if not (setup.settings.mirrored_test and examples):
        return {}
    bar = setup.bars.add("mirrored", total=len(examples))
    mirrored = answer(model, examples, version.size, version.fit, bar, mirror=True)
    read = [place for place, one in enumerate(examples) if str(one.path) not in mirrored.unreadable]
    averaged = average(answers.probabilities[read], mirrored.probabilities)
    metrics = measure(averaged, mirrored.labels, version.class_names)
    return {"mirrored_average": metrics.headline()}


def _weights_name(setup: Setup) -> str:
    """Say where the backbone started, without the user's folders: bundles are passed on."""
    if setup.start is not None:
        return f"the model {setup.start.bundle.record['name']}"
    if setup.weights is None:
        return "none"
    if setup.settings.backbone.startswith(PREFIXES):
        return "the preset's own"
    return "imagenet" if setup.settings.weights == "imagenet" else setup.weights.name


def _metrics_json(setup: Setup, trained: Trained, run: Run) -> dict[str, object]:
    record = asdict(run)
    record |= record.pop("evaluation")
    del record["label_issues"]
    named = {"weights": run.weights, "backbone": run.backbone}
    record["suspects"] = [one.as_json() for one in run.label_issues or ()]
    return {
        **record,
        "settings": {
            key: value.name if isinstance(value, Path) else value
            for key, value in (asdict(setup.settings) | named).items()
        },
        "weights_sha256": setup.weights_sha256 or None,
        "started_from": setup.start.as_json(setup.version.id) if setup.start else None,
        "epochs": trained.kept_phase.epochs,
        "epochs_run": trained.kept_phase.epochs_run,
        "epoch_kept": trained.kept_phase.epoch_kept,
        "batch_size": trained.kept_phase.batch_size,
        "phases": [asdict(one) for one in trained.phases],
        "plan": asdict(trained.plan),
        **trained.facts,
        "curves": trained.epochs.curves,
        "seconds": setup.watch.seconds,
        "versions": versions(),
    }
