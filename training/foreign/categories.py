"""Read lists of scene categories as Places365 publishes them: `/a/airfield 0`."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pipeline.class_names import check_names, read_class_names
from pipeline.errors import SettingsError

# A place below its initial, or an object of ImageNet below its number; then the label.
_PLACE = re.compile(r"/[a-z]/(\S+) (\d+)")
_OBJECT = re.compile(r"(n\d{8}) (.+) (\d+)")


def read_categories(path: Path) -> tuple[str, ...]:
    """Return the names of a published category list, or of any file of class names.

    Raises MissingInputError, SettingsError.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError):
        return read_class_names(path)  # which says what is wrong
    told = [line.strip() for line in lines if line.strip()]
    if not told or not (_PLACE.fullmatch(told[0]) or _OBJECT.fullmatch(told[0])):
        return read_class_names(path)
    return check_names(category_names(told, path), path)


def category_names(lines: Sequence[str], path: Path) -> list[str]:
    """Return the names of category lines by their labels.

    `/l/lake/natural 205` is lake-natural. An object is its first name; one that has the name of
    another class has its number too. Raises SettingsError for a line of another form.
    """
    found: dict[int, tuple[str, str]] = {}
    for line in lines:
        place, thing = _PLACE.fullmatch(line), _OBJECT.fullmatch(line)
        if place:
            found[int(place[2])] = (place[1].replace("/", "-"), "")
        elif thing:
            found[int(thing[3])] = (thing[2].split(",")[0].strip(), thing[1])
        else:
            raise _odd(path, f"the line {line!r}, which is no category and its label")
    if sorted(found) != list(range(len(lines))):
        raise _odd(path, f"{len(lines)} lines whose labels are not 0 to {len(lines) - 1}")
    counts = Counter(name for name, _ in found.values())
    ordered = [found[label] for label in range(len(lines))]
    return [
        f"{name} ({number})" if number and counts[name] > 1 else name for name, number in ordered
    ]


def _odd(path: Path, what: str) -> SettingsError:
    return SettingsError(
        f"{path} holds {what}", cure="give the published category list, or a file of class names"
    )
