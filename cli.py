"""Run a command: read its options, call its stage, print the outcome, return its exit code."""

import json
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from cyclopts import App, CycloptsError, Parameter

from pipeline.errors import OK, PARTIAL, InterruptedRunError, SceneSetError, UsageError, mendable
from pipeline.progress import Outcome, Output, Stopwatch

# name, where it lives (imported only when it runs), what it does
COMMANDS = (
    ("scrape", "scraper.collect:scrape", "Collect search previews of every class."),
    ("add", "scraper.adopt:add", "Adopt a folder of class folders that you already have."),
    ("curate", "curate.build:curate", "Remove duplicates, resize, split, publish a version."),
    ("train", "training.build:train", "Train a classifier on the published version; export it."),
    ("evaluate", "training.evaluate:evaluate", "Measure a bundle on a split or a folder."),
    ("classify", "serving.classify:classify", "Name what pictures show: top 3 with probabilities."),
    ("status", "pipeline.status:status", "Count what a data set holds."),
    ("verify", "pipeline.verify:verify", "Check every stored file and invariant of a data set."),
    ("doctor", "scraper.doctor:doctor", "Say what is installed and what is missing."),
    ("gallery", "scraper.gallery.serve:gallery", "Serve a local replica of a results page."),
    ("demo", "cli:demo", "Run the whole pipeline on the embedded gallery."),
)


def build_app() -> App:
    """Return the command line; no stage is imported yet."""
    app = App(
        name="sceneset",
        help="From a list of class names to a served image classifier.",
        help_format="plaintext",
        help_formatter="plain",
        version="0.1.0",
        version_flags=["--version"],
    )
    for name, target, summary in COMMANDS:
        app.command(target, name=name, help=summary)
    return app


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or what DESIGN's table of codes says."""
    words = list(sys.argv[1:] if argv is None else argv)
    name = f"sceneset {words[0]}" if words and not words[0].startswith("-") else "sceneset"
    try:
        with _terminate_as_error():
            outcome, output = _run(words)
        _print_outcome(outcome, output, name)
    except KeyboardInterrupt:
        return _print_error(InterruptedRunError(signal.SIGINT), name, words)
    except CycloptsError as error:
        problem = " ".join(str(error).split())
        return _print_error(UsageError(problem, cure=f"{name} --help"), name, words)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if os.environ.get("SCENESET_DEBUG"):
            raise
        return _print_error(mendable(error) or _bug(error), name, words)
    return outcome.exit_code


def _run(words: Sequence[str]) -> tuple[Outcome, Output]:
    command, bound, _ = build_app().parse_args(words, print_error=False, exit_on_error=False)
    arguments = bound.arguments
    outcome = command(*bound.args, **bound.kwargs)
    if not isinstance(outcome, Outcome):
        return Outcome({}), Output(quiet=True)
    return outcome, arguments.get("output", Output())


def _print_outcome(outcome: Outcome, output: Output, name: str) -> None:
    if outcome.problem:
        print(f"{name}: {outcome.problem}\n  try: {outcome.cure}", file=sys.stderr)
    if output.json:
        print(json.dumps(outcome.summary, ensure_ascii=False))
        return
    for line in outcome.lines:
        print(line)
    sys.stdout.flush()


def _print_error(error: SceneSetError, name: str, words: Sequence[str]) -> int:
    print(f"{name}: {error.problem}\n  try: {error.cure}", file=sys.stderr)
    if "--json" in words:
        summary = {"error": error.problem, "cure": error.cure, "exit_code": error.exit_code}
        print(json.dumps(summary, ensure_ascii=False))
    return error.exit_code


def _bug(error: Exception) -> SceneSetError:
    return SceneSetError(
        f"internal error: {type(error).__name__}: {error}",
        cure="run again with SCENESET_DEBUG=1 and report what it prints",
    )


@contextmanager
def _terminate_as_error() -> Iterator[None]:
    """Let SIGTERM unwind like Ctrl-C does, with its own exit code."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise InterruptedRunError(number)

    try:
        before = signal.signal(signal.SIGTERM, stop)
    except ValueError:  # not the main thread: a test or an embedding program owns the signals
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """How big the demo is, and where it goes."""

    per_class: int = 24
    """Results that the gallery draws for each of the 36 classes, planted duplicates included."""
    seed: int = 0
    """Seed of drawing, splitting and training."""
    dataset: Path = Path("datasets/demo")
    """Where the data set goes."""
    out: Path = Path("models/demo")
    """Where the model goes."""


_DEMO = DemoSettings()


def demo(*, settings: DemoSettings = _DEMO, output: Output = Output()) -> Outcome:
    """Run the whole pipeline on drawn pictures: gallery, scrape, curate, train."""
    watch = Stopwatch()
    stages: dict[str, Outcome] = {}
    for number, (name, run) in enumerate(_DEMO_STAGES, start=1):
        output.say(f"{number}/{len(_DEMO_STAGES)} {name}")
        with watch.step(name):
            stages[name] = run(settings, output)
        if stages[name].exit_code not in {OK, PARTIAL}:
            return stages[name]
    return _demo_outcome(stages, watch)


def _demo_scrape(settings: DemoSettings, output: Output) -> Outcome:
    from scraper.collect import scrape  # noqa: PLC0415  no stage before its command runs
    from scraper.gallery.serve import running_gallery  # noqa: PLC0415
    from scraper.gallery.settings import GallerySettings  # noqa: PLC0415
    from scraper.settings import ScrapeSettings  # noqa: PLC0415

    drawn = GallerySettings(port=0, per_class=settings.per_class, seed=settings.seed, delay_ms=60)
    with running_gallery(drawn) as gallery:
        wanted = ScrapeSettings(
            classes=Path(__file__).with_name("classes.txt"),
            dataset=settings.dataset,
            search_url=gallery.search_url,
            per_class=settings.per_class,
            pause=0,
        )
        return scrape(settings=wanted, output=output)


def _demo_curate(settings: DemoSettings, output: Output) -> Outcome:
    from curate.build import curate  # noqa: PLC0415
    from curate.settings import CurateSettings  # noqa: PLC0415

    return curate(
        settings=CurateSettings(dataset=settings.dataset, seed=settings.seed), output=output
    )


def _demo_train(settings: DemoSettings, output: Output) -> Outcome:
    from training.build import train  # noqa: PLC0415

    from training.backbones import imagenet_available  # noqa: PLC0415
    from training.settings import TrainSettings  # noqa: PLC0415

    why_not = imagenet_available(160)
    if why_not:
        output.say(
            f"ImageNet weights cannot be had ({why_not}): training a small network from scratch"
        )
    chosen = {"backbone": "small", "weights": "none"} if why_not else {}
    return train(
        settings=TrainSettings(
            dataset=settings.dataset, out=settings.out, seed=settings.seed, **chosen
        ),
        output=output,
    )


_DEMO_STAGES = (("scrape", _demo_scrape), ("curate", _demo_curate), ("train", _demo_train))


def _demo_outcome(stages: dict[str, Outcome], watch: Stopwatch) -> Outcome:
    curated, trained = stages["curate"].summary, stages["train"].summary
    dropped = sum(curated["dropped"].values())
    top1 = trained["metrics"]["top1"]
    summary = {name: dict(outcome.summary) for name, outcome in stages.items()}
    return Outcome(
        summary=summary | {"kept": curated["kept"], "dropped": dropped, "top1": top1},
        lines=(
            f"found {stages['scrape'].summary['kept']}, kept {curated['kept']}, dropped {dropped}",
            f"top-1 {top1:.3f} on test pictures, with {trained['weights']} weights",
            f"{watch.total:.0f} s; look at {curated['report']} and {trained['report']}",
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
