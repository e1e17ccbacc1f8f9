"""Find the optional real pictures beside the project."""

from pathlib import Path

import pytest

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of real pictures beside the project, or skip."""
    if not SHARED.is_dir():
        pytest.skip(f"no real pictures at {SHARED}")
    return SHARED
