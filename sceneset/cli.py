"""Run a command: read its options, call its stage, print the outcome, return its exit code."""

import json
import os
import signal
import sys
import textwrap
from collections.abc import Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING

from sceneset.errors import InterruptedRunError, SceneSetError, UsageError, translate_error

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.help.protocols import HelpFormatter
    from rich.console import Console

    from sceneset.progress import Outcome, Output


VERSION = "0.1.0"
SUMMARY = "From a list of class names to a served image classifier."

# name, where it lives (imported only when it runs), what it does
COMMANDS = (
    ("scrape", "scraper.commands.scrape:scrape", "Collect search previews of every class."),
    ("add", "scraper.commands.add:add", "Adopt a folder of class folders that you already have."),
    (
        "curate",
        "curate.commands.curate:curate",
        "Remove duplicates, resize, split, publish a version.",
    ),
    (
        "train",
        "training.commands.train:train",
        "Train a classifier on the published version; export it.",
    ),
    ("evaluate", "training.commands.evaluate:evaluate", "Measure a bundle on a split or a folder."),
    (
        "classify",
        "serving.commands.classify:classify",
        "Name what pictures show: top 3 with probabilities.",
    ),
    ("serve", "serving.commands.serve:serve", "Answer requests from a bundle, and show a page."),
    (
        "convert",
        "training.commands.convert:convert",
        "Make a bundle of a model that was trained elsewhere.",
    ),
    ("places365", "training.commands.convert:places365", "Make a bundle of VGG16 for Places365."),
    (
        "export",
        "curate.commands.export:export",
        "Write a published version in formats others read.",
    ),
    ("forget", "curate.commands.forget:forget", "Take pictures out for good, everywhere."),
    ("status", "sceneset.versions.status:status", "Count what a data set holds."),
    (
        "verify",
        "sceneset.versions.verify:verify",
        "Check every stored file and invariant of a data set.",
    ),
    ("doctor", "scraper.commands.doctor:doctor", "Say what is installed and what is missing."),
    ("gallery", "scraper.gallery.server:gallery", "Serve a local replica of a results page."),
    ("demo", "sceneset.demo:demo", "Run the whole pipeline on the embedded gallery."),
)


def build_app() -> "App":
    """Return the command line; no stage is imported yet."""
    from cyclopts import App  # noqa: PLC0415  costs 0.3 s, which plain --help need not wait for

    app = App(
        name="sceneset",
        help=SUMMARY,
        help_format="plaintext",
        help_formatter=_paragraphs(),
        version=VERSION,
    )
    for name, target, summary in COMMANDS:
        app.command(target, name=name, help=summary)
    return app


def overview() -> str:
    """Return what `--help` without a command prints."""
    lines = ["Usage: sceneset COMMAND [OPTIONS]", "", SUMMARY, "", "Commands:"]
    lines += [f"  {name:9} {summary}" for name, _, summary in COMMANDS]
    lines += ["", "sceneset COMMAND --help tells a command's options. All take --json and --quiet."]
    return "\n".join(lines)


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code: 0, or what the README's table says."""
    words = list(sys.argv[1:] if argv is None else argv)
    try:
        code = _answer(words)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader has seen enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _answer(words: list[str]) -> int:
    if not words or words[0] in {"-h", "--help", "--version"}:
        print(f"sceneset {VERSION}" if words == ["--version"] else overview())
        return 0
    from sceneset.signals import terminating  # noqa: PLC0415  plain --help needs none

    name = f"sceneset {words[0]}"
    try:
        with terminating():
            end, output = _run(words)
        return _print_end(end, name, as_json=output.json)
    except KeyboardInterrupt:
        return _print_end(InterruptedRunError(signal.SIGINT), name, as_json="--json" in words)
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("SCENESET_DEBUG"):
            raise
        problem = translate_error(error) or _bug(error)
        return _print_end(problem, name, as_json="--json" in words)


def _run(words: Sequence[str]) -> "tuple[Outcome, Output]":
    _check_command(words[0])
    from cyclopts import CycloptsError  # noqa: PLC0415  plain --help need not wait for it

    from sceneset.progress import Outcome, Output  # noqa: PLC0415  imports cyclopts

    try:
        command, bound, _ = build_app().parse_args(words, print_error=False, exit_on_error=False)
    except CycloptsError as error:
        problem = " ".join(str(error).split())
        raise UsageError(problem, cure=f"sceneset {words[0]} --help") from error
    outcome = command(*bound.args, **bound.kwargs)
    if not isinstance(outcome, Outcome):
        return Outcome({}), Output(quiet=True)
    return outcome, bound.arguments.get("output", Output())


def _check_command(word: str) -> None:
    names = [name for name, *_ in COMMANDS]
    if word not in names:
        close = get_close_matches(word, names, n=1)
        raise UsageError(
            f"there is no command {word!r}",
            cure=f"sceneset {close[0]}" if close else "sceneset --help",
        )


def _print_end(end: "Outcome | SceneSetError", name: str, *, as_json: bool) -> int:
    """Print how a command ended; return its exit code."""
    if end.problem:
        print(f"{name}: {end.problem}\n  try: {end.cure}", file=sys.stderr)
    if as_json:
        problem = {"error": end.problem, "cure": end.cure, "exit_code": end.exit_code}
        summary = {**getattr(end, "summary", {}), **(problem if end.problem else {})}
        print(json.dumps(summary, ensure_ascii=False))
    else:
        for line in getattr(end, "lines", ()):
            print(line)
    return end.exit_code


def _bug(error: Exception) -> SceneSetError:
    return SceneSetError(
        f"internal error: {type(error).__name__}: {error}",
        cure="run again with SCENESET_DEBUG=1 and report what it prints",
    )


def _paragraphs() -> "HelpFormatter":
    """Return cyclopts' plain formatter, but without the line breaks that the source has."""
    from cyclopts.help.formatters.plain import PlainFormatter  # noqa: PLC0415

    class Paragraphs(PlainFormatter):
        def _print_plain(self, console: "Console", text: str) -> None:
            lines = paragraph(text, console.width)
            console.print(*lines, sep="\n", highlight=False, markup=False, soft_wrap=True)

    return Paragraphs()


def paragraph(text: str, width: int) -> list[str]:
    """Return a text as lines of at most `width` columns; those after an indented one hang deeper."""
    indent = text[: len(text) - len(text.lstrip())]
    return textwrap.wrap(
        " ".join(text.split()),
        width,
        initial_indent=indent,
        subsequent_indent=3 * indent,
        break_long_words=False,
        break_on_hyphens=False,
    )
