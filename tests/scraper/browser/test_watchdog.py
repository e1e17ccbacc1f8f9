"""A process that dies without a word leaves nothing behind."""

import subprocess
import sys
import time
from pathlib import Path

from scraper.browser.driver import watchdog


def sleeper() -> subprocess.Popen[bytes]:
    """Start a process with a group of its own."""
    return subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"], process_group=0)


def test_whoever_dies_takes_group_and_profile_along(tmp_path: Path) -> None:
    profile = tmp_path / "a profile"
    (profile / "Default").mkdir(parents=True)
    victim = sleeper()
    code = f"""
import os, pathlib, sys
sys.path.insert(0, {str(Path(__file__).resolve().parents[3])!r})
from scraper.browser.driver import watchdog
guardian = watchdog({victim.pid}, pathlib.Path({str(profile)!r}))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", code], check=False)
    assert victim.wait(10) == -9
    deadline = time.monotonic() + 10
    while profile.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not profile.exists()


def test_a_released_guardian_touches_nothing(tmp_path: Path) -> None:
    victim = sleeper()
    watchdog(victim.pid, tmp_path).communicate(b"\n", timeout=5)
    assert victim.poll() is None
    assert tmp_path.exists()
    victim.kill()
    victim.wait()
