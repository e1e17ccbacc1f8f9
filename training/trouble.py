"""Tell trouble with the machine in the middle of a training for what it is."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import InterruptedRunError, SettingsError
from training.backend import load_backend
from training.plans import Plan


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
    exhausted = load_backend().tf.errors.ResourceExhaustedError
    try:
        yield
    except (MemoryError, exhausted) as error:
        raise SettingsError(f"memory ran out: {_first_line(error)}", cure=_cure(plan)) from error


def _cure(plan: Plan) -> str:
    fewer = f"--batch-size {max(1, plan.batch_size // 2)}"
    if plan.fine_tune_epochs:
        fewer += f" and --fine-tune-batch {max(1, plan.fine_tune_batch // 2)}"
    return f"{fewer}, or publish smaller pictures: sceneset curate --size"


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
