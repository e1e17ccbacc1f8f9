"""Run a training: from a published version to a published bundle."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from pipeline.bundle import BUNDLE_NAME
from pipeline.dataset import (
    Dataset,
    open_dataset,
    prepare_versions,
    reading_versions,
    run_lock,
    version_number,
)
from pipeline.durable import new_folder, swap_link
from pipeline.errors import OK, PARTIAL, InterruptedRunError
from pipeline.manifest import Manifest
from pipeline.progress import Bars, Outcome, Output, Stopwatch, progress_bars
from pipeline.published import numbers, read_record
from training.backbones import find_weights
from training.backend import load_backend, versions
from training.checks import check_classes, leaving_nothing, make_logs, make_out
from training.engines import choose_engine
from training.evaluate import headline
from training.evaluation import spoken
from training.exports.tensorboard import write_logs
from training.pictures import Version, read_version
from training.plans import make_plan
from training.publish import Run, write_bundle
from training.recipes import Setup, Trained, choose_recipe, recipe_name
from training.resume import check_start, choose_checkpoints
from training.review import Doubt, doubts_told, store_doubts
from training.rows import remove_maps
from training.settings import TrainSettings
from training.start import KNOWN, Start, read_start
from training.trouble import memory_told, place_told, resumable

_DEFAULTS = TrainSettings()
_DOWNLOADED = ("imagenet", "places")


def train(*, settings: TrainSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Train a classifier on the newest published version and export it as a bundle."""
    dataset = open_dataset(settings.dataset)
    with reading_versions(dataset, "train"):
        return _train(dataset, read_version(dataset), settings, output)


def _train(dataset: Dataset, version: Version, settings: TrainSettings, output: Output) -> Outcome:
    watch, name = Stopwatch(), recipe_name(settings)
    make_plan(settings, name, len(version.splits["train"]))
    choose_engine(settings.engine)
    check_classes(version)
    with leaving_nothing(settings.out, made=make_out(settings.out)):
        make_logs(settings.tensorboard)
        if settings.weights not in _DOWNLOADED:
            find_weights(settings.backbone, settings.weights, version.size)
        start = _start(settings, version, output)
        with run_lock(settings.out, "train"):
            with watch.step("check"):
                check_start(settings, version)
            setup = _setup(version, settings, start, watch, output)
            setup = replace(setup, versions=partial(_version_ids, dataset))
            with resumable():
                return _run(dataset, setup, name, output)


def _setup(
    version: Version, settings: TrainSettings, start: Start | None, watch: Stopwatch, output: Output
) -> Setup:
    """Look for the weights, which may take a download, and say what is trained."""
    weights = None if start else find_weights(settings.backbone, settings.weights, version.size)
    if recipe_name(settings) == "scratch" and start is None:
        output.say("no pretrained weights: the whole network is trained from scratch")
    pictures = len(version.splits["train"])
    output.say(f"training on {pictures} pictures of {len(version.class_names)} classes")
    return Setup(settings, version, weights, Bars(None), watch, start=start, say=output.say)


def _run(dataset: Dataset, setup: Setup, name: str, output: Output) -> Outcome:
    """Train and publish, keeping the run's states; the lock of the model's folder is held."""
    settings = setup.settings
    link_newest(settings.out)
    setup = replace(setup, checkpoints=choose_checkpoints(setup))
    with setup.watch.step("import"):
        load_backend().keras.utils.set_random_seed(settings.seed)
    with recorded(dataset, settings) as record, progress_bars(output) as bars:
        outcome, doubts = _trained(replace(setup, bars=bars), name)
        if doubts is not None:
            store_doubts(dataset.manifest_path, record["run"], doubts)
        record.update(outcome.summary)
    return outcome


def _trained(setup: Setup, name: str) -> tuple[Outcome, Sequence[Doubt] | None]:
    """Run the recipe, publish what it made, then forget its checkpoints.

    The doubts are None where none were looked for: those of an earlier run then stay.
    """
    out = setup.settings.out
    with memory_told(setup.plan(name)):
        trained = choose_recipe(setup.settings)(setup)
    number = prepare_versions(out)
    with place_told(out), new_folder(out / str(number)) as part:
        run = write_bundle(part, setup, trained, number)
    swap_link(out / "current", str(number))
    setup.checkpoints.remove()
    if name == "best":
        remove_maps(setup.embeddings)
    if setup.settings.tensorboard is not None:
        logs = setup.settings.tensorboard / f"{out.name}-{number}"
        write_logs(logs, trained.epochs.curves, run.metrics.headline())
    looked = setup.settings.suspects and trained.features is not None
    outcome = _outcome(out / str(number), run, trained, setup.watch)
    return outcome, run.doubts if looked else None


def _start(settings: TrainSettings, version: Version, output: Output) -> Start | None:
    if settings.from_bundle is None:
        return None
    say = output.say
    start = read_start(settings.from_bundle, settings.backbone, version.class_names, say)
    if start.may_know(version.id):
        say(f"{KNOWN}: the figures may be too good")
    return start


def _version_ids(dataset: Dataset) -> frozenset[str]:
    """Return the first 16 digits of the ids of all published versions that are there."""
    records = [read_record(dataset.versions / str(n)) for n in numbers(dataset.versions)]
    return frozenset(str(record["version"])[:16] for record in records if record)


@contextmanager
def recorded(dataset: Dataset, settings: TrainSettings) -> Iterator[dict[str, Any]]:
    """Record the run in the manifest, which is open only for a moment at each end."""
    with Manifest(dataset.manifest_path) as manifest:
        run_id = manifest.start_run("train", asdict(settings), versions())
    counts: dict[str, Any] = {"run": run_id}
    ended = "failed"
    try:
        yield counts
        ended = "trained"
    except (KeyboardInterrupt, InterruptedRunError):
        ended = "interrupted"
        raise
    finally:
        with Manifest(dataset.manifest_path) as manifest:
            manifest.finish_run(run_id, ended, counts)


def link_newest(out: Path) -> None:
    """Point `current` at the newest bundle, which a run killed at its very end left unlinked."""
    found = (version_number(path.parent.name) for path in out.glob(f"*/{BUNDLE_NAME}"))
    bundles = [number for number in found if number is not None]
    current = out / "current"
    if bundles and (not current.is_symlink() or current.readlink().name != str(max(bundles))):
        swap_link(current, str(max(bundles)))


def _outcome(bundle: Path, run: Run, trained: Trained, watch: Stopwatch) -> Outcome:
    metrics, untaught, unmeasured = run.metrics, run.untaught, run.unmeasured
    summary: Mapping[str, object] = {
        "bundle": str(bundle),
        "version": int(bundle.name),
        "dataset_version": run.dataset_version,
        "classes": run.classes,
        "recipe": run.recipe,
        "backbone": run.backbone,
        "weights": run.weights,
        "temperature": run.temperature,
        "metrics": metrics.headline(),
        "test_pictures": metrics.pictures,
        **asdict(run.evaluation),
        "suspects": dict(Counter(one.kind for one in run.doubts)),
        "unreadable": run.unreadable,
        "untaught": untaught,
        "unmeasured": unmeasured,
        "exports": run.exports,
        "seconds": {**watch.seconds, "total": watch.total},
    }
    lines = [
        f"bundle: {bundle}",
        f"on {metrics.pictures} test pictures: {headline(metrics)}",
        *spoken(run.evaluation, metrics.top1),
        *doubts_told(run.doubts, run.suspects_note),
        f"report: {bundle / 'report' / 'index.html'}",
    ]
    if unmeasured and metrics.pictures:
        lines.insert(2, f"without a test picture, so unmeasured: {', '.join(unmeasured)}")
    lines += [f"left out {name}: {why}" for name, why in run.left_out.items()]
    problem, cure = _shortfall(run, trained)
    code = PARTIAL if problem else OK
    return Outcome(summary, tuple(lines), exit_code=code, problem=problem, cure=cure)


def _shortfall(run: Run, trained: Trained) -> tuple[str, str]:
    """Return what the bundle lacks and what to do about it; the gravest alone, or nothing."""
    if trained.epochs.diverged:
        return (
            f"{trained.epochs.diverged}; the bundle holds epoch {trained.epochs.kept}",
            trained.epochs.cure,
        )
    if run.unreadable:
        first = run.unreadable[0]
        return (
            f"{len(run.unreadable)} unreadable or altered test pictures are in no figure, the first: {first}",
            "sceneset verify lists what is damaged; sceneset curate publishes a new version",
        )
    if run.untaught:
        return (
            f"{len(run.untaught)} classes have no training picture: {', '.join(run.untaught)}",
            "scrape or add pictures of them, then curate and train again",
        )
    return "", ""
