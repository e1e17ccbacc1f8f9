"""Run the whole pipeline on drawn pictures: the one command that knows every stage."""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

import sceneset
from sceneset.errors import OK, PARTIAL
from sceneset.manifest.rows import STATUSES
from sceneset.progress import Outcome, Output, Stopwatch


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """How big the demo is, and where it goes."""

    per_class: int = 28
    """Results that the gallery draws for each of the 36 classes, planted duplicates included."""
    seed: int = 0
    """Seed of drawing, splitting and training."""
    dataset: Path = Path("datasets/demo")
    """Where the data set goes."""
    out: Path = Path("models/demo")
    """Where the model goes."""


_DEFAULTS = DemoSettings()


def demo(*, settings: DemoSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Run the whole pipeline on drawn pictures: gallery, scrape, curate, train."""
    watch = Stopwatch()
    stages: dict[str, Outcome] = {}
    for number, (name, run) in enumerate(_STAGES, start=1):
        output.say(f"{number}/{len(_STAGES)} {name}")
        with watch.step(name):
            stages[name] = run(settings, output)
        if stages[name].exit_code not in {OK, PARTIAL}:
            return stages[name]
    return _outcome(settings, stages, watch)


def _scrape(settings: DemoSettings, output: Output) -> Outcome:
    from scraper.gallery.server import running_gallery  # noqa: PLC0415  no stage before it runs
    from scraper.gallery.settings import GallerySettings  # noqa: PLC0415

    drawn = GallerySettings(
        port=0, per_class=settings.per_class, seed=settings.seed, duplicates=1 / 3, delay_ms=60
    )
    with running_gallery(drawn) as gallery:
        wanted = sceneset.ScrapeSettings(
            classes=Path(__file__).with_name("classes.txt"),
            dataset=settings.dataset,
            search_url=gallery.search_url,
            per_class=settings.per_class,
            pause=0,
        )
        return sceneset.scrape(settings=wanted, output=output)


def _curate(settings: DemoSettings, output: Output) -> Outcome:
    wanted = sceneset.CurateSettings(dataset=settings.dataset, seed=settings.seed)
    return sceneset.curate(settings=wanted, output=output)


def _train(settings: DemoSettings, output: Output) -> Outcome:
    from training.models.backbones.table import imagenet_available  # noqa: PLC0415

    why_not = imagenet_available(160)
    if why_not:
        output.say(
            f"ImageNet weights cannot be had ({why_not}): training a small network from scratch"
        )
    wanted = sceneset.TrainSettings(
        dataset=settings.dataset,
        out=settings.out,
        seed=settings.seed,
        backbone="small" if why_not else "mobilenet_v2",
        weights="none" if why_not else "imagenet",
    )
    return sceneset.train(settings=wanted, output=output)


_STAGES = (("scrape", _scrape), ("curate", _curate), ("train", _train))


def _outcome(settings: DemoSettings, stages: dict[str, Outcome], watch: Stopwatch) -> Outcome:
    curated, trained = stages["curate"].summary, stages["train"].summary
    dropped = sum(curated["dropped"].values())
    rows = stages["scrape"].summary["classes"].values()
    results = {status: sum(row[status] for row in rows) for status in STATUSES}
    reasons = {k: n for k, n in results.items() if k != "kept" and n} | curated["dropped"]
    left_out = ", ".join(f"{n} {reason}" for reason, n in reasons.items())
    top1 = trained["metrics"]["top1"]
    summary = {name: run.summary for name, run in stages.items()}
    pages = (
        f"{settings.dataset}/reports/curate/index.html and {settings.out}/current/report/index.html"
    )
    partial = next((run for run in stages.values() if run.exit_code), Outcome({}))
    start = "from scratch" if trained["weights"] == "none" else "from ImageNet weights"
    return Outcome(
        summary=summary | {"kept": curated["kept"], "dropped": dropped, "top1": top1},
        lines=(
            f"found {sum(results.values())} results, kept {curated['kept']}; dropped: {left_out}",
            f"top-1 {top1:.3f} on {trained['test_pictures']} test pictures, trained {start}",
            f"{watch.total:.0f} s; look at {pages}",
        ),
        exit_code=partial.exit_code,
        problem=partial.problem,
        cure=partial.cure,
    )
