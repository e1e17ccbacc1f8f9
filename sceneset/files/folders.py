"""List the files below a folder, and count what is passed over and why."""

import os
import stat
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

NO_FOLDER = "folder that cannot be read"
LINKED_FOLDER = "link to a folder"
LOST_LINK = "link that leads nowhere"
SPECIAL = "pipe or device"


def files_below(folder: Path) -> tuple[list[Path], Counter[str]]:
    """Return the regular files below a folder, sorted, and how many entries are none, by why.

    Links to files are followed, links to folders are not.
    """
    files: list[Path] = []
    passed: Counter[str] = Counter()

    def unreadable(_error: OSError) -> None:
        passed[NO_FOLDER] += 1

    for place, folders, names in os.walk(folder, onerror=unreadable):
        passed[LINKED_FOLDER] += sum(Path(place, name).is_symlink() for name in folders)
        for path in (Path(place, name) for name in names):
            problem = _problem(path)
            if problem:
                passed[problem] += 1
            else:
                files.append(path)
    return sorted(files), +passed


def passed_over_line(passed: Mapping[str, int]) -> list[str]:
    """Return the line that says what was passed over, none when nothing was."""
    parts = [f"{count} {why}" for why, count in sorted(passed.items()) if count]
    return [f"passed over: {'; '.join(parts)}"] if parts else []


def _problem(path: Path) -> str:
    try:
        mode = path.stat().st_mode
    except OSError:
        return LOST_LINK
    return "" if stat.S_ISREG(mode) else SPECIAL
