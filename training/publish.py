"""Fill a bundle's folder: models, measurements by the exported file, report, card, record."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from pipeline.checksums import file_sha256
from pipeline.durable import write_file
from pipeline.manifest import now
from training.answers import Answers, answer, load_model
from training.backend import versions
from training.calibrate import fit_temperature, without_temperature
from training.export import (
    write_class_names,
    write_json,
    write_keras,
    write_preprocess,
    write_record,
    write_tflite,
)
from training.metrics import Metrics, calibration_error, measure
from training.network import exported
from training.pictures import refuse
from training.recipes import Setup, Trained
from training.report import confusions, plots, render, shots


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
    untaught: list[str]
    unmeasured: list[str]


def write_bundle(folder: Path, setup: Setup, trained: Trained, number: int) -> Run:
    """Write every file of a bundle; bundle.json, which names the hashes of the others, last."""
    version, watch = setup.version, setup.watch
    temperature = fit_temperature(trained.val_logits, version.labels("val"))
    model = exported(trained.network, temperature)
    with watch.step("export"):
        keras_file = write_keras(folder, model)
        write_tflite(folder, model)
    with watch.step("measure"):
        answers = _answers(keras_file, setup)
    run = _run(setup, trained, model.count_params(), answers, temperature, number=number)
    write_class_names(folder, version.class_names)
    write_preprocess(folder, version.size, version.fit)
    with watch.step("report"):
        _write_pages(folder, setup, trained, run, answers)
    write_json(folder / "metrics.json", _metrics_json(setup, trained, run))
    write_record(
        folder,
        {
            "name": run.name,
            "created_at": run.created_at,
            "classes": run.classes,
            "parameters": run.parameters,
            "dataset_version": run.dataset_version,
            "versions": versions(),
        },
    )
    return run


def _answers(keras_file: Path, setup: Setup) -> Answers:
    version = setup.version
    test = version.splits["test"]
    bar = setup.bars.add("measuring", total=len(test))
    answers = answer(load_model(keras_file), test, version.size, version.fit, bar)
    for path, why in answers.unreadable.items():
        refuse(Path(path), ValueError(why))
    return answers


def _run(
    setup: Setup,
    trained: Trained,
    parameters: int,
    answers: Answers,
    temperature: float,
    *,
    number: int,
) -> Run:
    version, settings = setup.version, setup.settings
    before = without_temperature(answers.probabilities, temperature)
    return Run(
        name=f"{settings.out.name} {number}",
        created_at=now(),
        backbone=settings.backbone,
        weights=_weights_name(setup),
        recipe=trained.recipe,
        classes=len(version.class_names),
        parameters=parameters,
        dataset_version=version.id,
        temperature=temperature,
        ece_before=calibration_error(before, answers.labels) if len(before) else None,
        metrics=measure(answers.probabilities, answers.labels, version.class_names),
        untaught=version.classes_without("train"),
        unmeasured=version.classes_without("test"),
    )


def _weights_name(setup: Setup) -> str:
    """Say where the backbone started, without the user's folders: bundles are passed on."""
    if setup.weights is None:
        return "none"
    return "imagenet" if setup.settings.weights == "imagenet" else setup.weights.name


def _metrics_json(setup: Setup, trained: Trained, run: Run) -> dict[str, object]:
    plan = trained.plan
    return {
        **asdict(run),
        "settings": {
            key: str(value) if isinstance(value, Path) else value
            for key, value in asdict(setup.settings).items()
        },
        "weights_sha256": file_sha256(setup.weights) if setup.weights else None,
        "epochs": plan.epochs,
        "epochs_run": len(trained.epochs.curves),
        "epoch_kept": trained.epochs.kept,
        "batch_size": plan.batch_size,
        "curves": trained.epochs.curves,
        "seconds": setup.watch.seconds,
        "versions": versions(),
    }


def _write_pages(folder: Path, setup: Setup, trained: Trained, run: Run, answers: Answers) -> None:
    version, settings, plan = setup.version, setup.settings, trained.plan
    wrong, unsure = shots(answers, version.class_names, version.size, version.fit)
    facts: dict[str, Any] = {
        **vars(run),
        "classes": version.class_names,
        "trained_on": run.created_at[:16].replace("T", " ") + " UTC",
        "size": version.size,
        "fit": version.fit,
        "version": version.id,
        "epochs": plan.epochs,
        "epochs_run": len(trained.epochs.curves),
        "kept": trained.epochs.kept,
        "batch_size": plan.batch_size,
        "seed": settings.seed,
        "pictures": {split: len(rows) for split, rows in version.splits.items()},
        "plots": plots(trained.epochs.curves, trained.epochs.kept),
        "mistakes": confusions(run.metrics),
        "strips": [
            ("Wrong, the surest first", wrong),
            ("Right, the least sure first", unsure),
        ],
        "run": {
            "data set": f"{settings.dataset}, version {version.id}",
            "parameters": f"{run.parameters:,}",
            "epochs": f"{len(trained.epochs.curves)} of at most {plan.epochs}",
            "batch size": plan.batch_size,
            "learning rate": settings.learning_rate,
            "seed": settings.seed,
            "seconds": ", ".join(f"{k} {v:.1f}" for k, v in setup.watch.seconds.items()),
            "versions": ", ".join(f"{k} {v}" for k, v in versions().items()),
        },
    }
    write_file(folder / "report" / "index.html", render("report.html", facts).encode())
    write_file(folder / "model_card.md", render("model_card.md", facts).encode())
