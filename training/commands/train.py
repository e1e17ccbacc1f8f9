"""Run a training: from a published version to a published bundle."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from sceneset.atomic import new_folder, swap_link
from sceneset.bundle.reader import BUNDLE_NAME
from sceneset.dataset import (
    LOCK_NAME,
    Dataset,
    prepare_versions,
    reading_versions,
    run_lock,
)
from sceneset.errors import (
    OK,
    PARTIAL,
    CannotWriteError,
    InterruptedRunError,
    LockedError,
    UsageError,
    disk_errors,
    interrupts,
    memory_errors,
)
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output, Stopwatch, progress_bars
from sceneset.versions.published import numbers, read_record
from training.bundle import Run, write_bundle
from training.commands.evaluate import headline
from training.data.memmap import remove_maps
from training.data.version import Version, check_classes, check_pictures, read_version
from training.evaluation.evaluation import format_evaluation
from training.evaluation.label_issues import LabelIssue, format_label_issues, store_label_issues
from training.exports.exporter import left_out
from training.loop.history import (
    FOLDER,
    begin_run,
    forget_run,
    interrupted_run,
    require_same,
    write_logs,
)
from training.loop.trainer import Hyperparameters
from training.models.backbones.table import DOWNLOADED, find_weights
from training.models.backend import keras, versions
from training.models.inference import choose_runtime
from training.recipes.context import Setup, Start, Trained, read_start, starting_sha256
from training.recipes.fast import fast
from training.recipes.from_pictures import best, original, scratch
from training.recipes.hyperparameters import choose_hyperparameters
from training.settings import TrainSettings

RECIPES: Mapping[str, Callable[[Setup], Trained]] = {
    "fast": fast,
    "best": best,
    "original": original,
    "scratch": scratch,
}
RESUME = "the same command with --resume goes on from the last epoch"
_WEIGHTS = "starting weights"
_ELSEWHERE = {"dataset", "out", "weights", "from_bundle", "resume", "mirrored_test", "engine"}
_ELSEWHERE |= {"export", "fit_tags", "suspects", "tensorboard"}
_DEFAULTS = TrainSettings()


def train(*, settings: TrainSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Train a classifier on the newest published version and export it as a bundle."""
    dataset, watch = Dataset.open(settings.dataset), Stopwatch()
    with reading_versions(dataset, "train"):
        version = read_version(dataset)
        # What cannot work is refused before anything is hashed, downloaded or computed.
        choose_hyperparameters(settings, len(version.splits["train"]))
        choose_runtime(settings.engine)
        check_classes(version)
        with model_folder(settings.out):
            if settings.tensorboard is not None:
                make_writable(settings.tensorboard, "--tensorboard")
            if settings.weights not in DOWNLOADED:
                find_weights(settings.backbone, settings.weights, version.size)
            start = read_start(settings, version, output.say)
            with run_lock(settings.out, "train"):
                with watch.step("check"):
                    check_start(settings, version)
                return _train(
                    dataset, version, start, settings=settings, output=output, watch=watch
                )


def _train(
    dataset: Dataset,
    version: Version,
    start: Start | None,
    *,
    settings: TrainSettings,
    output: Output,
    watch: Stopwatch,
) -> Outcome:
    """Find the weights, train and publish; the lock of the model's folder is held."""
    weights = None if start else find_weights(settings.backbone, settings.weights, version.size)
    if settings.recipe_name == "scratch" and start is None:
        output.say("no pretrained weights: the whole network is trained from scratch")
    pictures = len(version.splits["train"])
    output.say(f"training on {pictures} pictures of {len(version.class_names)} classes")
    with interrupts(RESUME):
        link_newest(settings.out)
        facts = describe_run(settings, version, starting_sha256(weights, start))
        checkpoints = choose_checkpoints(settings, facts, output.say)
        with watch.step("import"):
            keras.utils.set_random_seed(settings.seed)
        with recorded(dataset, settings) as record, progress_bars(output) as bars:
            setup = Setup(
                settings=settings,
                version=version,
                weights=weights,
                bars=bars,
                watch=watch,
                checkpoints=checkpoints,
                start=start,
                versions=partial(_version_ids, dataset),
                say=output.say,
            )
            outcome, issues = _train_and_publish(setup)
            if issues is not None:
                store_label_issues(dataset.manifest_path, record["run"], issues)
            record.update(outcome.summary)
    return outcome


def _train_and_publish(setup: Setup) -> tuple[Outcome, Sequence[LabelIssue] | None]:
    """Run the recipe, publish what it made, then forget its checkpoints.

    The label issues are None where none were looked for: those of an earlier run then stay.
    """
    settings, out = setup.settings, setup.settings.out
    with memory_errors(smaller_steps(setup.plan)):
        trained = RECIPES[settings.recipe_name](setup)
    number = prepare_versions(out)
    with disk_errors(out), new_folder(out / str(number)) as part:
        run = write_bundle(part, setup, trained, number)
    swap_link(out / "current", str(number))
    forget_run(out)
    if settings.recipe_name == "best":
        remove_maps(setup.embeddings)
    if settings.tensorboard is not None:
        logs = settings.tensorboard / f"{out.name}-{number}"
        write_logs(logs, trained.epochs.curves, run.metrics.headline())
    return _outcome(out / str(number), run, trained, setup.watch), run.label_issues


@contextmanager
def model_folder(out: Path) -> Iterator[None]:
    """Make the model's folder; after an error remove it if it was made here and nothing is in it.

    Raises UsageError when a file is in the way, or CannotWriteError.
    """
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"--out {out} cannot be a folder: {path} is a file", cure="name a folder: --out DIR"
            )
    is_new = not out.exists()
    make_writable(out, "--out")
    try:
        yield
    except BaseException:
        if is_new:
            _remove_unused(out)
        raise


def make_writable(folder: Path, flag: str) -> None:
    """Make a folder that an option names, and see that files can be made in it.

    Raises CannotWriteError.
    """
    problem = "no folder can be made at"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        problem = "nothing can be written to"
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise CannotWriteError(
            f"{problem} {flag} {folder} ({error.strerror})", cure=f"name another: {flag} DIR"
        ) from error


def _remove_unused(out: Path) -> None:
    """Remove a folder that holds a lock at most, and no run."""
    with suppress(LockedError, OSError), run_lock(out, "train"):
        if {path.name for path in out.iterdir()} == {LOCK_NAME}:
            (out / LOCK_NAME).unlink()
            out.rmdir()


def describe_run(settings: TrainSettings, version: Version, weights: str) -> dict[str, Any]:
    """Return everything that decides a run's result, as JSON gives it back.

    The plan's values stand in the place of settings that were left out: a recipe's own may be
    others in another release.
    """
    plan = choose_hyperparameters(settings, len(version.splits["train"]))
    chosen = {name: value for name, value in asdict(settings).items() if name not in _ELSEWHERE}
    return chosen | {
        **asdict(plan),
        "data set version": version.id,
        "published pictures": version.pixels,
        "picture size": version.size,
        "picture fit": version.fit,
        _WEIGHTS: weights,
        "engine": choose_runtime(settings.engine),
    }


def check_start(settings: TrainSettings, version: Version) -> None:
    """Refuse to go on with another run, then pictures that were altered since they were published.

    A run that goes on may lack test pictures: they are left out when it is measured, and its epochs
    are not lost. Raises UsageError or DamagedDataError.
    """
    before = interrupted_run(settings.out) if settings.resume else None
    splits = dict(version.splits)
    if before is not None:
        # The weights may have to be downloaded, so they are compared later.
        facts = describe_run(settings, version, before.get(_WEIGHTS, ""))
        require_same(settings.out, facts, before)
        del splits["test"]
    check_pictures([example for examples in splits.values() for example in examples])


def choose_checkpoints(
    settings: TrainSettings, facts: Mapping[str, Any], say: Callable[[str], None]
) -> Path:
    """Go on with the interrupted run when that is requested and there is one, else begin.

    Returns the folder of the run's states.
    """
    before = interrupted_run(settings.out)
    if settings.resume and before is not None:
        require_same(settings.out, facts, before)
        return settings.out / FOLDER
    if settings.resume:
        say(f"nothing was interrupted in {settings.out}: starting anew")
    elif before is not None:
        say(f"an interrupted run in {settings.out} is given up; --resume would have gone on")
    return begin_run(settings.out, facts)


def smaller_steps(plan: Hyperparameters) -> str:
    """Return the settings that need less memory."""
    fewer = f"--batch-size {max(1, plan.batch_size // 2)}"
    if plan.fine_tune_epochs:
        fewer += f" and --fine-tune-batch {max(1, plan.fine_tune_batch // 2)}"
    return f"{fewer}, or publish smaller pictures: sceneset curate --size"


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
    bundles = [n for n in numbers(out) if (out / str(n) / BUNDLE_NAME).is_file()]
    current = out / "current"
    if bundles and not (current.is_symlink() and current.readlink().name == str(bundles[-1])):
        swap_link(current, str(bundles[-1]))


def _outcome(bundle: Path, run: Run, trained: Trained, watch: Stopwatch) -> Outcome:
    metrics, unmeasured = run.metrics, run.unmeasured
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
        "suspects": dict(Counter(one.kind for one in run.label_issues or ())),
        "unreadable": run.unreadable,
        "untaught": run.untaught,
        "unmeasured": unmeasured,
        "exports": run.exports,
        "seconds": {**watch.seconds, "total": watch.total},
    }
    lines = [
        f"bundle: {bundle}",
        f"on {metrics.pictures} test pictures: {headline(metrics)}",
        *format_evaluation(run.evaluation, metrics.top1),
        *format_label_issues(run.label_issues or (), run.suspects_note),
        f"report: {bundle / 'report' / 'index.html'}",
    ]
    if unmeasured and metrics.pictures:
        lines.insert(2, f"without a test picture, so unmeasured: {', '.join(unmeasured)}")
    lines += [f"left out {name}: {why}" for name, why in left_out(run.exports).items()]
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
