"""Sum up a run: why it ended, what it counts, its exit code, and the page that shows all that."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from sceneset.atomic import write_file
from sceneset.dataset import Dataset
from sceneset.errors import BLOCKED, OK, PARTIAL
from sceneset.files.folders import passed_over_line
from sceneset.manifest.provenance import ADOPTED
from sceneset.manifest.rows import Status
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome
from scraper.reader import ResultBatch
from scraper.run.harvest import StopReason

COLUMNS = ("kept", "duplicate", "rejected", "failed", "stopped_because")
_HEAD = ("class", "kept", "duplicate", "rejected", "failed", "stopped because")


def shown_reason(reason: object, engine: str) -> str:
    """Say why a class ended: for a folder that was adopted, no search's results came to an end."""
    adopted = engine == ADOPTED and reason == "end of results"
    return "all files read" if adopted else str(reason)


def class_table(classes: Mapping[str, Mapping[str, object]], engine: str = "") -> list[str]:
    """Return the lines of a table: one row per class, widths as a terminal counts them."""
    from rich.cells import cell_len, set_cell_size  # noqa: PLC0415  only a finished run needs it

    rows = [
        _HEAD,
        *(
            (name, *(shown_reason(row[c], engine) for c in COLUMNS))
            for name, row in classes.items()
        ),
    ]
    widths = [max(cell_len(row[i]) for row in rows) for i in range(len(_HEAD))]
    lines = []
    for row in rows:
        numbers = (cell.rjust(width) for cell, width in zip(row[1:5], widths[1:5], strict=True))
        lines.append("  ".join((set_cell_size(row[0], widths[0]), *numbers, row[5])))
    return lines


SHOWN = 5
AGAIN = "run the same command again to go on"
FRESH = " (without --fresh, which would collect as many again)"
DONE = frozenset({"target reached", "end of results"})
# The first of these that any query or class met describes the whole.
_GRAVEST_FIRST: tuple[StopReason, ...] = (
    "interrupted",
    "blocked",
    "consent",
    "unreachable",
    "browser lost",
    "layout unknown",
    "stalled",
    "budget",
    "end of results",
    "nothing found",
    "target reached",
)
_CURES: dict[StopReason, str] = {
    "interrupted": AGAIN,
    "blocked": "wait some hours, raise --pause, then run the same command to go on",
    "consent": "try another --country, or another --engine: its question has no known no",
    "unreachable": "check the address and the network, then run the same command to go on",
    "browser lost": AGAIN,
    "layout unknown": "look at the page kept under reports/scrape/pages; its selectors need mending",
    "stalled": AGAIN,
    "budget": "raise --max-seconds, or run the same command again to go on",
    "nothing found": "give those classes other queries: `Name: query | query`",
}


@dataclass
class ClassResult:
    """How one class ended."""

    reason: StopReason = "target reached"
    added: int = 0
    trouble: str = ""
    strategies: set[str] = field(default_factory=set)
    last_resorts: set[str] = field(default_factory=set)

    def note(self, batch: ResultBatch) -> None:
        """Remember which strategy matched results."""
        if batch.strategy and (batch.results or batch.unloaded):
            self.strategies.add(batch.strategy)
            if batch.last_resort:
                self.last_resorts.add(batch.strategy)


def combined(reasons: Iterable[StopReason]) -> StopReason:
    """Return the one reason that describes several: the gravest."""
    met = set(reasons)
    return next((reason for reason in _GRAVEST_FIRST if reason in met), "target reached")


def exit_code(reasons: Iterable[StopReason], signal_number: int | None) -> int:
    """Return 0 when every class is done, 130/143 when interrupted, 4 at a block, else 3."""
    met = set(reasons)
    if signal_number is not None and "interrupted" in met:
        return 128 + signal_number
    if met <= DONE:
        return OK
    return BLOCKED if "blocked" in met else PARTIAL


def finish_run(
    manifest: Manifest,
    run_id: int,
    results: Mapping[str, ClassResult],
    *,
    engine: str,
    source: str,
    dataset: Dataset,
    seconds: float,
    signal_number: int | None,
    wanted: int | None = None,
    fresh: bool = False,
    passed: Mapping[str, int] | None = None,
) -> Outcome:
    """Record how a run of `scrape` or `add` ended, write its report, and return its outcome."""
    outcome = scrape_outcome(
        dataset=dataset.root,
        counts=dataset.counts(),
        results=results,
        seconds=seconds,
        signal_number=signal_number,
        wanted=wanted,
        fresh=fresh,
        engine=engine,
        passed=passed,
    )
    manifest.finish_run(run_id, combined(r.reason for r in results.values()), outcome.summary)
    write_report(dataset, manifest, outcome.summary, engine, source)
    return outcome


def scrape_outcome(
    *,
    dataset: Path,
    counts: Mapping[str, Mapping[Status, int]],
    results: Mapping[str, ClassResult],
    seconds: float,
    signal_number: int | None = None,
    wanted: int | None = None,
    fresh: bool = False,
    engine: str = "",
    passed: Mapping[str, int] | None = None,
) -> Outcome:
    """Build the outcome of `scrape` and `add` from each class's counts and how it ended.

    `wanted` is how many pictures each class should have, None when any number will do; `fresh`
    says that the run collected new ones whatever was there; `passed` counts the files of `add`
    that were passed over, by why.
    """
    reasons = {name: result.reason for name, result in results.items()}
    classes = {name: {**counts[name], "stopped_because": reasons[name]} for name in results}
    kept = sum(counts[name]["kept"] for name in results)
    added = sum(result.added for result in results.values())
    unfinished = [name for name, reason in reasons.items() if reason not in DONE]
    gravest = combined(reasons[name] for name in unfinished)
    warnings = _warnings(results) + _missed(counts, results, passed)
    return Outcome(
        summary={
            "dataset": str(dataset),
            "classes": classes,
            "kept": kept,
            "added": added,
            "seconds": seconds,
            "strategies": {name: sorted(r.strategies) for name, r in results.items()},
            "warnings": warnings,
            **({} if passed is None else {"passed_over": dict(passed)}),
        },
        lines=(
            f"{added or 'nothing'} new: {kept} pictures of {_counted(len(classes))} kept in {dataset}",
            *class_table(classes, engine),
            *warnings,
            *_hint(reasons, counts, wanted),
        ),
        exit_code=exit_code(reasons.values(), signal_number),
        problem=_problem(unfinished, gravest, results),
        cure=_CURES.get(gravest, AGAIN) + (FRESH if fresh and unfinished else ""),
    )


def _hint(
    reasons: Mapping[str, StopReason],
    counts: Mapping[str, Mapping[Status, int]],
    wanted: int | None,
) -> list[str]:
    """Say what may bring more when all results are fewer than wanted."""
    short = [
        name
        for name, reason in reasons.items()
        if wanted
        and reason == "end of results"
        and counts[name]["kept"] + counts[name]["failed"] < wanted
    ]
    if not short:
        return []
    return [
        f"{_counted(len(short))} {'has' if len(short) == 1 else 'have'} fewer than {wanted}: --variants or more queries find more"
    ]


def _warnings(results: Mapping[str, ClassResult]) -> list[str]:
    """Say which classes were read by a last resort only, a line per resort."""
    by_resort: dict[str, list[str]] = {}
    for name, result in results.items():
        for resort in sorted(result.last_resorts):
            by_resort.setdefault(resort, []).append(name)
    return [
        f"only a last resort ({resort}) read the pages of {_listed(names)}; look at the pictures"
        for resort, names in by_resort.items()
    ]


def _missed(
    counts: Mapping[str, Mapping[Status, int]],
    results: Mapping[str, ClassResult],
    passed: Mapping[str, int] | None,
) -> list[str]:
    """Say how many previews could not be had, or files were passed over; the next run tries again."""
    if passed is not None:
        return passed_over_line(passed)
    failed = {name: counts[name]["failed"] for name in results}
    names = [name for name, number in failed.items() if number]
    if not names:
        return []
    return [f"{sum(failed.values())} previews of {_listed(names)} could not be had: {AGAIN}"]


def _listed(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (f" and {len(names) - SHOWN} more" if names[SHOWN:] else "")


def _problem(unfinished: list[str], gravest: StopReason, results: Mapping[str, ClassResult]) -> str:
    if not unfinished:
        return ""
    trouble = next((results[n].trouble for n in unfinished if results[n].reason == gravest), "")
    detail = f" ({trouble})" if trouble and gravest != "interrupted" else ""
    return f"{gravest}: {_counted(len(unfinished))} not finished: {_listed(unfinished)}{detail}"


def _counted(classes: int) -> str:
    return "1 class" if classes == 1 else f"{classes} classes"


SHOWN_PER_CLASS = 48
WORDS_PER_CLASS = 8
_FOLDER = Path(__file__).parent
_COUNTED = {
    "queries": ("query", "query <> ''"),
    "sites": ("site", "site <> ''"),
    "reasons": ("reason", "reason <> ''"),
    "licences": ("licence", "licence <> 'unknown'"),
}


def write_report(
    dataset: Dataset, manifest: Manifest, summary: Mapping[str, object], engine: str, source: str
) -> None:
    """Write reports/scrape/index.html and report.json of a data set; `source` is in words."""
    classes = manifest.classes()
    folder = dataset.report("scrape")
    report = dict(summary) | {
        "dataset": dataset.name,
        "engine": engine,
        "source": source,
        "unread": {
            row.name: f"pages/{row.slug}.html"
            for row in classes
            if (folder / "pages" / f"{row.slug}.html").exists()
        },
        "found": {row.name: _counts(manifest, row.id) for row in classes},
    }
    page = render_report(report, {row.name: _sheet(manifest, row.id) for row in classes})
    write_file(folder / "index.html", page.encode())
    write_file(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=2).encode())


def keep_page(dataset: Dataset, slug: str, text: str, png: bytes) -> Path:
    """Keep a page that could not be read, as text and as a picture; return the text's path."""
    place = dataset.report("scrape") / "pages" / f"{slug}.html"
    write_file(place, text.encode(errors="replace"))
    if png:
        write_file(place.with_suffix(".png"), png)
    return place


def render_report(
    report: Mapping[str, object], sheets: Mapping[str, Sequence[Mapping[str, object]]]
) -> str:
    """Return the page's HTML: every text escaped, no script, no URL but the pictures'."""
    from jinja2 import Environment  # noqa: PLC0415  only a finished run needs it

    style = (_FOLDER / "report.css").read_text(encoding="utf-8")
    template = (_FOLDER / "report.html").read_text(encoding="utf-8")
    return (
        Environment(autoescape=True)
        .from_string(template)
        .render(
            report=report,
            sheets=sheets,
            done=DONE,
            shown_reason=shown_reason,
            style=style,
            style_hash=base64.b64encode(hashlib.sha256(style.encode()).digest()).decode(),
        )
    )


def _counts(manifest: Manifest, class_id: int) -> dict[str, dict[str, int]]:
    """Return column -> word -> number of results, the most frequent first."""
    return {
        what: dict(
            manifest.query(
                f"SELECT {column}, count(*) n FROM sightings WHERE class_id = ? AND {wanted}"  # noqa: S608  own words
                f" GROUP BY 1 ORDER BY n DESC, 1 LIMIT {WORDS_PER_CLASS}",
                (class_id,),
            )
        )
        for what, (column, wanted) in _COUNTED.items()
    }


def _sheet(manifest: Manifest, class_id: int) -> list[dict[str, object]]:
    """Return the best-ranked pictures of a class."""
    rows = manifest.query(
        "SELECT i.path, s.title, s.site, min(s.rank) FROM sightings s JOIN images i USING (sha256)"
        " WHERE s.class_id = ? AND s.status = 'kept' GROUP BY i.sha256"
        " ORDER BY 4, i.sha256 LIMIT ?",
        (class_id, SHOWN_PER_CLASS),
    )
    return [dict(zip(("path", "title", "site", "rank"), row, strict=True)) for row in rows]
