"""Find the optional real pictures beside the project; let property tests take their time."""

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# No test is about time: a busy machine must not fail one.
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real pictures beside the project, or skip."""
    if not SHARED.is_dir():
        pytest.skip(f"no real pictures at {SHARED}")
    return SHARED


@pytest.fixture(autouse=True)
def _log_handlers() -> Iterator[None]:
    """Take back the handlers of a `serve` that a test ran: their stderr is gone after the test."""
    loggers = [logging.getLogger(name) for name in ("serving", "uvicorn.error")]
    before = [(one, one.handlers[:], one.level, one.propagate) for one in loggers]
    yield
    for one, handlers, level, propagate in before:
        one.handlers, one.level, one.propagate = handlers, level, propagate


@pytest.fixture
def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the extra `heic` look as if it were not installed."""
    monkeypatch.setitem(sys.modules, "pi_heif", None)
