import sqlite3

import pytest

from sceneset.manifest.database import WAIT_S, retried


class Clock:
    """A clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


def trouble(code: int) -> sqlite3.OperationalError:
    error = sqlite3.OperationalError("database is locked")
    error.sqlite_errorcode = code
    return error


@pytest.mark.parametrize("code", [sqlite3.SQLITE_BUSY, sqlite3.SQLITE_BUSY_RECOVERY])
def test_a_file_that_others_hold_is_asked_again_until_they_let_go(code: int) -> None:
    clock, errors = Clock(), [trouble(code)] * 3

    def command() -> None:
        if errors:
            raise errors.pop()

    retried(command, clock=clock, sleep=clock.sleep)
    assert errors == []


def test_a_file_that_stays_held_is_given_up() -> None:
    clock = Clock()

    def command() -> None:
        raise trouble(sqlite3.SQLITE_BUSY)

    with pytest.raises(sqlite3.OperationalError, match="locked"):
        retried(command, clock=clock, sleep=clock.sleep)
    assert clock.now == pytest.approx(WAIT_S, abs=0.1)


def test_any_other_trouble_passes_at_once() -> None:
    clock = Clock()

    def command() -> None:
        raise trouble(sqlite3.SQLITE_FULL)

    with pytest.raises(sqlite3.OperationalError):
        retried(command, clock=clock, sleep=clock.sleep)
    assert clock.now == 0
