"""Give each browser a profile folder of its own, and clean up after a run that was killed."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

PROFILE_PREFIX = "sceneset-browser-"
LIST_S = 5
END_S = 5
PAUSE_S = 0.02
Processes = Iterable[tuple[int, str]]


def new_profile(folder: Path) -> Path:
    """Make a profile named after this process, after sweeping those of dead ones."""
    sweep_profiles(folder)
    return Path(tempfile.mkdtemp(prefix=f"{PROFILE_PREFIX}{os.getpid()}-", dir=folder))


def sweep_profiles(folder: Path, processes: Callable[[], Processes] | None = None) -> None:
    """Remove the browser profiles that killed runs left behind, and browsers that still use them.

    On Linux browsers end with the run that started them; elsewhere a killed run leaves them.
    """
    orphaned = [profile for profile in folder.glob(f"{PROFILE_PREFIX}*-*") if _is_orphan(profile)]
    if not orphaned:
        return
    end_users(orphaned, processes)
    for profile in orphaned:
        shutil.rmtree(profile, ignore_errors=True)


def end_users(profiles: Sequence[Path], processes: Callable[[], Processes] | None = None) -> None:
    """Kill what still uses one of the profiles until nothing does, for at most END_S.

    A killed browser lives on while its memory is given back, and writes into a folder just removed.
    """
    until = monotonic() + END_S
    while users := users_of(profiles, (processes or running_processes)()):
        ours = [process_id for process_id in users if _kill(process_id)]
        if not ours or monotonic() > until:
            return
        sleep(PAUSE_S)


def users_of(profiles: Iterable[Path], processes: Processes) -> list[int]:
    """Return the ids of processes whose command line names one of the profiles."""
    options = [f"--user-data-dir={profile}" for profile in profiles]
    return [
        process_id
        for process_id, command in processes
        if any(option in command.split() for option in options)
    ]


def running_processes() -> list[tuple[int, str]]:
    """Return (id, command line) of every process; none where `ps` is missing."""
    words = ["ps", "-axww", "-o", "pid=,command="]
    try:
        listed = subprocess.run(  # noqa: S603  fixed words
            words, capture_output=True, text=True, timeout=LIST_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return []
    pairs = (line.strip().partition(" ") for line in listed.splitlines())
    return [(int(pid), command) for pid, _, command in pairs if pid.isdecimal()]


def _kill(process_id: int) -> bool:
    """Kill a process; say whether we may."""
    try:
        os.kill(process_id, signal.SIGKILL)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return True


def _is_orphan(profile: Path) -> bool:
    owner = profile.name.removeprefix(PROFILE_PREFIX).partition("-")[0]
    return owner.isdecimal() and not _is_alive(int(owner))


def _is_alive(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


WAIT_S = 5
# A line says that all is cleaned up already; the end of the pipe without one, that we died.
_SCRIPT = """
read -r _ && exit
kill -s KILL -- "-$1" 2>/dev/null
rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"""


class Watchdog:
    """End a driver's process group and remove its profile if this process dies, however it dies.

    The shell has a session of its own, so that no signal of the terminal reaches it.
    """

    def __init__(self, group: int, profile: Path) -> None:
        """Watch from now on; `group` is the id of the driver's process group."""
        self._shell = subprocess.Popen(  # noqa: S603  fixed words, a number and our own folder
            ["/bin/sh", "-c", _SCRIPT, "sh", str(group), str(profile)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def release(self) -> None:
        """Say that nothing is left to clean up."""
        with suppress(OSError, subprocess.TimeoutExpired):
            self._shell.communicate(b"\n", timeout=WAIT_S)
