import os
import subprocess
import sys
from pathlib import Path

from scraper.browser.driver import PROFILE_PREFIX, end_users, new_profile, running_processes


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


def test_a_user_of_a_profile_is_gone_when_it_was_ended_and_others_live(tmp_path: Path) -> None:
    wait = [sys.executable, "-c", "import time; time.sleep(60)"]
    user = subprocess.Popen([*wait, f"--user-data-dir={tmp_path}"])
    other = subprocess.Popen([*wait, f"--user-data-dir={tmp_path}-other"])
    end_users([tmp_path])
    assert f"--user-data-dir={tmp_path}" not in " ".join(c for _, c in running_processes()).split()
    assert other.poll() is None
    other.kill()
    assert (user.wait(), other.wait()) == (-9, -9)


def test_a_process_that_takes_its_time_to_end_is_waited_for(tmp_path: Path) -> None:
    listings = [[(2**22 + 1, f"chromium --user-data-dir={tmp_path}")]] * 3 + [[]]
    end_users([tmp_path], lambda: listings.pop(0))
    assert listings == []
