"""Clean up after a run that was killed: a shell that waits for our end of a pipe to close."""

import subprocess
from contextlib import suppress
from pathlib import Path

WAIT_S = 5
# A line says that all is cleaned up already; the end of the pipe without one, that we died.
_SCRIPT = """
read -r _ && exit
kill -s KILL -- "-$1" 2>/dev/null
rm -rf -- "$2" || { sleep 1; rm -rf -- "$2"; }
"""


class Guardian:
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
