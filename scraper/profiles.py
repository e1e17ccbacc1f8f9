"""Give each browser a profile folder of its own, and sweep those that killed runs left."""

import os
import shutil
import tempfile
from pathlib import Path

PROFILE_PREFIX = "sceneset-browser-"


def new_profile(folder: Path) -> Path:
    """Make a profile named after this process, after sweeping those of dead ones."""
    sweep_profiles(folder)
    return Path(tempfile.mkdtemp(prefix=f"{PROFILE_PREFIX}{os.getpid()}-", dir=folder))


def sweep_profiles(folder: Path) -> None:
    """Remove the browser profiles that killed runs left behind."""
    for profile in folder.glob(f"{PROFILE_PREFIX}*-*"):
        owner = profile.name.removeprefix(PROFILE_PREFIX).partition("-")[0]
        if owner.isdecimal() and not _is_alive(int(owner)):
            shutil.rmtree(profile, ignore_errors=True)


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
