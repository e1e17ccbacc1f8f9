"""Run a command: read its options, call its stage, print the outcome, return its exit code."""

import json
import os
import signal
import sys
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, NoReturn

from sceneset.errors import InterruptedRunError, SceneSetError, UsageError, translate_error

if TYPE_CHECKING:
    from cyclopts import App
    from cyclopts.help import HelpEntry, HelpPanel
    from rich.console import Console, ConsoleOptions

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
        help_formatter=ParagraphFormatter(),
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
    name = f"sceneset {words[0]}"
    try:
        with _terminate_as_error():
            outcome, output = _run(words)
        _print_outcome(outcome, output, name)
    except KeyboardInterrupt:
        return _print_error(InterruptedRunError(signal.SIGINT), name, words)
    except BrokenPipeError:
        raise
    except Exception as error:
        if os.environ.get("SCENESET_DEBUG"):
            raise
        return _print_error(translate_error(error) or _bug(error), name, words)
    return outcome.exit_code


def _run(words: Sequence[str]) -> "tuple[Outcome, Output]":
    _check_command(words[0])
    from cyclopts import CycloptsError  # noqa: PLC0415  the same

    from sceneset.progress import Outcome, Output  # noqa: PLC0415  the same

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


def _print_outcome(outcome: "Outcome", output: "Output", name: str) -> None:
    if outcome.problem:
        print(f"{name}: {outcome.problem}\n  try: {outcome.cure}", file=sys.stderr)
    if output.json:
        told = dict(outcome.summary)
        if outcome.problem:
            told |= {"error": outcome.problem, "cure": outcome.cure, "exit_code": outcome.exit_code}
        print(json.dumps(told, ensure_ascii=False))
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


_INDENT, _HANGING = "  ", "      "
# Wider than any text: what is rendered has the line breaks of its source and no others.
_ENDLESS = 100_000


class ParagraphFormatter:
    """cyclopts' plain formatter, but without the line breaks that a docstring has in the source."""

    def __call__(self, console: "Console", options: "ConsoleOptions", panel: "HelpPanel") -> None:
        """Print a panel: its title, and a paragraph for each of its entries."""
        if not panel.entries:
            return
        lines = [f"{panel.title}:"] if panel.title else []
        for entry in panel.entries:
            lines += paragraph(_words(entry, console, options), options.max_width)
        _print(console, "\n".join(lines))

    def render_usage(self, console: "Console", options: "ConsoleOptions", usage: Any) -> None:  # noqa: ANN401  what rich can render
        """Print which words the command takes."""
        _print(console, f"Usage: {_text(usage, console, options)}")

    def render_description(
        self,
        console: "Console",
        options: "ConsoleOptions",
        description: Any,  # noqa: ANN401  the same
    ) -> None:
        """Print what the command does."""
        text = _text(description, console, options)
        if text:
            _print(console, textwrap.fill(text, options.max_width))


def paragraph(text: str, width: int) -> list[str]:
    """Return a text of one entry as lines of at most `width` columns; the first stands out."""
    return textwrap.wrap(
        text,
        width,
        initial_indent=_INDENT,
        subsequent_indent=_HANGING,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _words(entry: "HelpEntry", console: "Console", options: "ConsoleOptions") -> str:
    told = [_text(entry.description, console, options)]
    if entry.choices:
        told.append(f"[choices: {', '.join(entry.choices)}]")
    if entry.default is not None:
        told.append(f"[default: {entry.default}]")
    if entry.required:
        told.append("[required]")
    names = ", ".join(entry.display_labels_with_metavar)
    return f"{names}: {' '.join(filter(None, told))}"


def _text(shown: Any, console: "Console", options: "ConsoleOptions") -> str:  # noqa: ANN401  the same
    """Return what rich would print as one line."""
    if not shown:
        return ""
    wide = options.update(width=_ENDLESS)
    return " ".join("".join(part.text for part in console.render(shown, wide)).split())


def _print(console: "Console", text: str) -> None:
    console.print(text, end="\n\n", highlight=False, markup=False, soft_wrap=True)
