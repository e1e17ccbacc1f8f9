"""Run a training: from a published version to a published bundle."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

from sceneset.atomic import new_folder, swap_link
from sceneset.bundle.reader import BUNDLE_NAME
from sceneset.dataset import (
    Dataset,
    prepare_versions,
    reading_versions,
    run_lock,
)
from sceneset.errors import OK, PARTIAL, InterruptedRunError, disk_errors, interrupts, memory_errors
from sceneset.manifest.store import Manifest
from sceneset.progress import Bars, Outcome, Output, Stopwatch, progress_bars
from sceneset.versions.published import numbers, read_record, version_number
from training.bundle import Run, write_bundle
from training.commands.evaluate import headline
from training.data.checks import check_classes, check_pictures, leaving_nothing, make_logs, make_out
from training.data.memmap import remove_maps
from training.data.version import Version, read_version
from training.evaluation.evaluation import spoken
from training.evaluation.label_issues import Doubt, doubts_told, store_doubts
from training.exports.tensorboard import write_logs
from training.loop.checkpoint import Checkpoints, begin, go_on, interrupted, require_same
from training.loop.plans import Plan, make_plan
from training.models.backbones import find_weights
from training.models.backend import load_backend, versions
from training.models.inference import choose_engine
from training.recipes.context import KNOWN, Setup, Start, Trained, read_start
from training.recipes.registry import choose_recipe, recipe_name
from training.settings import TrainSettings

RESUME = "the same command with --resume goes on from the last epoch"
_WEIGHTS = "starting weights"
_ELSEWHERE = {"dataset", "out", "weights", "from_bundle", "resume", "mirrored_test", "engine"}
_ELSEWHERE |= {"export", "fit_tags", "suspects", "tensorboard"}


def about(settings: TrainSettings, version: Version, weights: str) -> dict[str, Any]:
    """Return everything that decides a run's result, as JSON gives it back.

    The plan's values stand in the place of settings that were left out: a recipe's own may be
    others in another release.
    """
    plan = make_plan(settings, recipe_name(settings), len(version.splits["train"]))
    told = {k: v for k, v in asdict(settings).items() if k not in _ELSEWHERE}
    return told | {
        **plan.as_json(),
        "data set version": version.id,
        "published pictures": version.pixels,
        "picture size": version.size,
        "picture fit": version.fit,
        _WEIGHTS: weights,
        "engine": choose_engine(settings.engine),
    }


def check_start(settings: TrainSettings, version: Version) -> None:
    """Refuse to go on with another run, then pictures that were altered since they were published.

    A run that goes on may lack test pictures: they are left out when it is measured, and its epochs
    are not lost. Raises UsageError or DamagedDataError.
    """
    before = _gone_on_with(settings)
    splits = dict(version.splits)
    if before is not None:
        # The weights may have to be downloaded, so they are compared later.
        told = about(settings, version, before.get(_WEIGHTS, ""))
        require_same(settings.out, told, before)
        del splits["test"]
    check_pictures([example for rows in splits.values() for example in rows])


def choose_checkpoints(setup: Setup) -> Checkpoints:
    """Go on with the interrupted run when that is asked for and there is one, else begin."""
    settings = setup.settings
    told = about(settings, setup.version, setup.weights_sha256())
    before = _gone_on_with(settings)
    if before is not None:
        return go_on(settings.out, told, before)
    if settings.resume:
        setup.say(f"nothing was interrupted in {settings.out}: starting anew")
    elif interrupted(settings.out) is not None:
        setup.say(f"an interrupted run in {settings.out} is given up; --resume would have gone on")
    return begin(settings.out, told)


def _gone_on_with(settings: TrainSettings) -> Mapping[str, Any] | None:
    return interrupted(settings.out) if settings.resume else None


_DEFAULTS = TrainSettings()
_DOWNLOADED = ("imagenet", "places")


def train(*, settings: TrainSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Train a classifier on the newest published version and export it as a bundle."""
    dataset = Dataset.open(settings.dataset)
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
            with interrupts(RESUME):
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
    with memory_errors(smaller_steps(setup.plan(name))):
        trained = choose_recipe(setup.settings)(setup)
    number = prepare_versions(out)
    with disk_errors(out), new_folder(out / str(number)) as part:
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


def smaller_steps(plan: Plan) -> str:
    """Return the settings that need less memory."""
    fewer = f"--batch-size {max(1, plan.batch_size // 2)}"
    if plan.fine_tune_epochs:
        fewer += f" and --fine-tune-batch {max(1, plan.fine_tune_batch // 2)}"
    return f"{fewer}, or publish smaller pictures: sceneset curate --size"


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
