"""Tell trouble with the machine in the middle of a training for what it is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sceneset.errors import InterruptedRunError, SettingsError
from training.loop.plans import Plan


@contextmanager
def resumable() -> Iterator[None]:
    """Say how to go on when a signal ends the block."""
    try:
        yield
    except (KeyboardInterrupt, InterruptedRunError) as error:
        code = getattr(error, "exit_code", 128 + signal.SIGINT)
        told = InterruptedRunError(code - 128)
        told.cure = "the same command with --resume goes on from the last epoch"
        raise told from error


@contextmanager
def memory_told(plan: Plan) -> Iterator[None]:
    """Raise SettingsError naming the setting to lower when the block runs out of memory."""
    try:
        yield
    except Exception as error:
        if not is_exhausted(error):
            raise
        raise SettingsError(f"memory ran out: {_first_line(error)}", cure=_cure(plan)) from error


@contextmanager
def place_told(folder: Path) -> Iterator[None]:
    """Name the folder in an error of the disk that names no file, as full disks and libraries do."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(folder)
        raise


def is_exhausted(error: Exception) -> bool:
    """Say whether memory ran out: Python's own error, or a library's by its name."""
    names = {kind.__name__ for kind in type(error).__mro__}
    return bool(names & {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"})


def _cure(plan: Plan) -> str:
    fewer = f"--batch-size {max(1, plan.batch_size // 2)}"
    if plan.fine_tune_epochs:
        fewer += f" and --fine-tune-batch {max(1, plan.fine_tune_batch // 2)}"
    return f"{fewer}, or publish smaller pictures: sceneset curate --size"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
