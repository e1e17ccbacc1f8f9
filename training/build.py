"""Run a training: from a published version to a published bundle."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pipeline.bundle import BUNDLE_NAME
from pipeline.dataset import Dataset, open_dataset, prepare_versions, run_lock
from pipeline.durable import new_folder, swap_link
from pipeline.errors import PARTIAL, InterruptedRunError, MissingInputError, UsageError
from pipeline.manifest import Manifest
from pipeline.progress import Outcome, Output, Stopwatch, progress_bars
from training.backbones import find_weights
from training.backend import load_backend, versions
from training.evaluate import headline
from training.pictures import Version, read_version
from training.publish import Run, write_bundle
from training.recipes import Setup, choose_recipe
from training.settings import TrainSettings

_DEFAULTS = TrainSettings()


def train(*, settings: TrainSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Train a classifier on the newest published version and export it as a bundle."""
    watch = Stopwatch()
    dataset = open_dataset(settings.dataset)
    version = read_version(dataset)
    _check_classes(version)
    weights = find_weights(settings.backbone, settings.weights, version.size)
    recipe = choose_recipe(settings, weights)
    if weights is None:
        output.say("no pretrained weights: the whole network is trained from scratch")
    pictures = len(version.splits["train"])
    output.say(f"training on {pictures} pictures of {len(version.class_names)} classes")
    _check_out(settings.out)
    with run_lock(settings.out, "train"):
        link_newest(settings.out)
        with watch.step("import"):
            load_backend().keras.utils.set_random_seed(settings.seed)
        with recorded(dataset, settings) as record, progress_bars(output) as bars:
            setup = Setup(settings, version, weights, bars, watch)
            trained = recipe(setup)
            number = prepare_versions(settings.out)
            with new_folder(settings.out / str(number)) as part:
                run = write_bundle(part, setup, trained, number)
            swap_link(settings.out / "current", str(number))
            outcome = _outcome(settings.out / str(number), run, watch)
            record.update(outcome.summary)
    return outcome


@contextmanager
def recorded(dataset: Dataset, settings: TrainSettings) -> Iterator[dict[str, Any]]:
    """Record the run in the manifest, which is open only for a moment at each end."""
    with Manifest(dataset.manifest_path) as manifest:
        run_id = manifest.start_run("train", asdict(settings), versions())
    counts: dict[str, Any] = {}
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


def _check_classes(version: Version) -> None:
    taught = {example.label for example in version.splits["train"]}
    if len(taught) < 2:  # noqa: PLR2004  one class needs no classifier
        raise MissingInputError(
            f"{len(taught)} of {len(version.class_names)} classes have training pictures;"
            " two are needed",
            cure="scrape or add more classes, then sceneset curate",
        )


def _check_out(out: Path) -> None:
    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise UsageError(
                f"--out {out} cannot be a folder: {path} is a file", cure="name a folder: --out DIR"
            )


def link_newest(out: Path) -> None:
    """Point `current` at the newest bundle, which a run killed at its very end left unlinked."""
    bundles = [
        int(p.parent.name) for p in out.glob(f"*/{BUNDLE_NAME}") if p.parent.name.isdecimal()
    ]
    current = out / "current"
    if bundles and (not current.is_symlink() or current.readlink().name != str(max(bundles))):
        swap_link(current, str(max(bundles)))


def _outcome(bundle: Path, run: Run, watch: Stopwatch) -> Outcome:
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
        "untaught": untaught,
        "unmeasured": unmeasured,
        "seconds": {**watch.seconds, "total": watch.total},
    }
    lines = [
        f"bundle: {bundle}",
        f"on {metrics.pictures} test pictures: {headline(metrics)}",
        f"report: {bundle / 'report' / 'index.html'}",
    ]
    if unmeasured and metrics.pictures:
        lines.insert(2, f"without a test picture, so unmeasured: {', '.join(unmeasured)}")
    if not untaught:
        return Outcome(summary, tuple(lines))
    return Outcome(
        summary,
        tuple(lines),
        exit_code=PARTIAL,
        problem=f"{len(untaught)} classes have no training picture: {', '.join(untaught)}",
        cure="scrape or add pictures of them, then curate and train again",
    )
