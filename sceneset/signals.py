"""Let a run end well: the first Ctrl-C or SIGTERM asks, the second insists."""

import ctypes
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import NoReturn

from sceneset.errors import InterruptedRunError

PR_SET_PDEATHSIG = 1
# Loaded here: between fork and exec a loader's lock may be held by a thread that is gone.
_LIBC = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class StopRequest:
    """Whether the user asked to stop, and by which signal."""

    signal_number: int | None = None

    def __bool__(self) -> bool:
        """Say whether to stop."""
        return self.signal_number is not None


@contextmanager
def stop_on_request() -> Iterator[StopRequest]:
    """Turn the first signal into a request and the second into InterruptedRunError."""
    request = StopRequest()

    def ask(number: int, _frame: object) -> None:
        if request:
            raise InterruptedRunError(number)
        request.signal_number = number

    with handled(ask, signal.SIGINT, signal.SIGTERM):
        yield request


def terminating() -> AbstractContextManager[None]:
    """Let SIGTERM unwind like Ctrl-C does, by InterruptedRunError."""

    def stop(number: int, _frame: object) -> NoReturn:
        raise InterruptedRunError(number)

    return handled(stop, signal.SIGTERM)


@contextmanager
def handled(handler: Callable[[int, object], None], *numbers: signal.Signals) -> Iterator[None]:
    """Handle signals in the block; off the main thread they belong to whoever runs us."""
    try:
        before = {number: signal.signal(number, handler) for number in numbers}
    except ValueError:
        before = {}
    try:
        yield
    finally:
        for number, old in before.items():
            signal.signal(number, old)


@contextmanager
def interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back in the block; processes that are started in it never see it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_with_parent() -> None:
    """Ask Linux to kill this process when the thread that started it ends, however it ends."""
    if _LIBC is not None:
        _LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
