import os
import subprocess
import sys
from pathlib import Path

from scraper.profiles import PROFILE_PREFIX, new_profile


def test_profiles_of_dead_processes_are_swept_and_others_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f"{PROFILE_PREFIX}{dead.pid}-abc").mkdir()
    (tmp_path / f"{PROFILE_PREFIX}{os.getppid()}-abc").mkdir()
    (tmp_path / "another-folder").mkdir()
    profile = new_profile(tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(
        [profile.name, f"{PROFILE_PREFIX}{os.getppid()}-abc", "another-folder"]
    )
