"""Show progress on stderr, quiet when it is not a terminal, and carry a command's outcome."""

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

if TYPE_CHECKING:
    from rich.progress import Progress, ProgressColumn


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class Output:
    """How a command speaks."""

    json: Annotated[bool, Parameter(negative="")] = False
    """Print exactly one JSON object on stdout; everything else goes to stderr."""
    quiet: Annotated[bool, Parameter(negative="")] = False
    """Show neither progress nor summary on stderr."""

    def say(self, line: str) -> None:
        """Print one line on stderr unless quiet."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Outcome:
    """What a command ended with: its JSON object, its lines for people and its exit code.

    A run that ended in part has `problem` and `cure`, which are printed as errors are.
    """

    summary: Mapping[str, Any]
    lines: tuple[str, ...] = ()
    exit_code: int = 0
    problem: str = ""
    cure: str = ""


class Bar:
    """One line of progress, or none when there is nothing to draw on."""

    def __init__(self, progress: "Progress | None", name: str, total: int | None) -> None:
        """Start at zero; `total` None means the end is not known."""
        self._progress = progress
        self._task: Any = progress and progress.add_task(name, total=total, note="")

    def advance(self, steps: int = 1, note: str = "") -> None:
        """Move on by some steps and show a note beside the bar."""
        if self._progress:
            self._progress.update(self._task, advance=steps)
            if note:
                self._progress.update(self._task, note=note)

    def finish(self, note: str) -> None:
        """Stop the bar's clock where it stands and show how it ended."""
        if self._progress:
            self._progress.stop_task(self._task)
            self._progress.update(self._task, note=note)


@dataclass(frozen=True)
class Bars:
    """Progress bars that share the terminal's last lines: drawn on `progress`, or nowhere."""

    progress: "Progress | None"

    @property
    def visible(self) -> bool:
        """Say whether anyone sees the bars."""
        return self.progress is not None

    def add(self, name: str, total: int | None = None) -> Bar:
        """Add a bar; `total` None means the end is not known."""
        return Bar(self.progress, name, total)


@contextmanager
def progress_bars(output: Output) -> Iterator[Bars]:
    """Give bars that vanish into nothing when quiet or when stderr is not a terminal."""
    if output.quiet or not sys.stderr.isatty():
        yield Bars(None)
        return
    from rich.console import Console  # noqa: PLC0415  rich costs 0.1 s
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(*_columns(), console=Console(stderr=True)) as progress:
        yield Bars(progress)


def _columns() -> "list[ProgressColumn]":
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        MofNCompleteColumn,
        ProgressColumn,
        Task,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )
    from rich.text import Text  # noqa: PLC0415

    class Rate(ProgressColumn):
        """Steps per second, nothing while it is not known."""

        def render(self, task: Task) -> Text:
            speed = task.finished_speed or task.speed
            return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")

    return [
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    ]


class Stopwatch:
    """Measure the steps of a run in seconds of wall time."""

    def __init__(self) -> None:
        """Start at zero."""
        self.seconds: dict[str, float] = {}
        self._start = perf_counter()

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Add the block's time to a step."""
        began = perf_counter()
        try:
            yield
        finally:
            self.seconds[name] = round(self.seconds.get(name, 0.0) + perf_counter() - began, 3)

    @property
    def total(self) -> float:
        """Return the seconds since the start."""
        return round(perf_counter() - self._start, 3)


STDOUT = 1
STDERR = 2


@contextmanager
def without_native_chatter(*descriptors: int) -> Iterator[None]:
    """Send to nowhere what is written to these file descriptors in the block, Python's text too.

    TensorFlow logs before any log level is read, and its converter and LiteRT whatever the level.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in descriptors}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in kept:
            os.dup2(nowhere, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
