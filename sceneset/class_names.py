"""Read class names from files of others: lines, a JSON list, or a table."""

import csv
import json
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from sceneset.errors import MissingInputError, SettingsError

_ONCE = "name every class once, in the order of the model's outputs"
_CURE = "give a .txt of lines, a .json list, or a .csv with the header `keys` or `category,label`"


def read_class_names(path: Path) -> tuple[str, ...]:
    """Return the names in the order of the model's outputs.

    A table has one column `keys` in that order, or the columns `category` and `label`, of which one
    holds the positions from 0. Raises MissingInputError, SettingsError.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        raise MissingInputError(f"no class names at {path}", cure=_CURE) from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise SettingsError(f"{path} is not a UTF-8 text file", cure=_CURE) from error
    except OSError as error:
        raise SettingsError(
            f"the class names {path} cannot be read: {error.strerror}",
            cure="let the user that serves read the file, such as with chmod u+r",
        ) from error
    return check_names(_names(path, text), path)


def check_names(names: Sequence[str], path: Path) -> tuple[str, ...]:
    """Return names as they are; refuse none at all, an empty one, one that stands there twice.

    Raises SettingsError.
    """
    if not names:
        raise SettingsError(f"{path} holds no class names", cure=_CURE)
    for place, name in enumerate(names):
        if not name.strip() or any(unicodedata.category(sign) == "Cc" for sign in name):
            raise SettingsError(
                f"class {place} of {path} is {name!r}, which is no name",
                cure="name each class, in the order of the model's outputs",
            )
    counts = Counter(names)
    name, times = counts.most_common(1)[0]
    if times > 1:
        raise SettingsError(f"{path} names {name!r} {times} times", cure=_ONCE)
    return tuple(names)


def check_count(names: tuple[str, ...], outputs: int, path: Path) -> None:
    """Refuse names that are not as many as the model's outputs. Raises SettingsError."""
    if len(names) != outputs:
        raise SettingsError(
            f"{path} holds {len(names)} class names, the model has {outputs} outputs",
            cure=_ONCE,
        )


def _names(path: Path, text: str) -> list[str]:
    kind = path.suffix.lower()
    if kind == ".json":
        return _from_json(path, text)
    if kind == ".csv":
        return _from_table(path, text)
    return [line.strip() for line in text.splitlines() if line.strip()]


def _from_json(path: Path, text: str) -> list[str]:
    try:
        names = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SettingsError(f"{path} is not JSON: {error}", cure=_CURE) from error
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise SettingsError(f"{path} is not a JSON list of names", cure=_CURE)
    return names


def _from_table(path: Path, text: str) -> list[str]:
    # With their ends: a name of two lines is then refused, and a quote that is never closed.
    lines = text.splitlines(keepends=True)
    try:
        header, *rows = [row for row in csv.reader(lines, strict=True) if row] or [[]]
    except csv.Error as error:
        raise SettingsError(f"{path} is no table: {error}", cure=_CURE) from error
    columns = [column.strip().lower() for column in header]
    if columns == ["keys"]:
        odd = next((row for row in rows if len(row) > 1), None)
        if odd is not None:
            raise SettingsError(
                f"{path} holds {len(odd)} values in the row {','.join(odd)!r}",
                cure="put a name that holds a comma in double quotes",
            )
        return [row[0].strip() for row in rows]
    if sorted(columns) != ["category", "label"] or {len(row) for row in rows} - {len(columns)}:
        raise SettingsError(f"{path} has the header {','.join(header)!r}", cure=_CURE)
    for place in (columns.index("label"), columns.index("category")):
        by_position = {row[place].strip(): row[1 - place].strip() for row in rows}
        positions = [str(n) for n in range(len(rows))]
        if sorted(by_position) == sorted(positions):
            return [by_position[position] for position in positions]
    raise SettingsError(
        f"neither column of {path} holds the positions 0 to {len(rows) - 1}", cure=_CURE
    )
