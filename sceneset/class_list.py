"""Read and check the class list: one class per line, `Name` or `Name: query | query`."""

import hashlib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from sceneset.errors import ClassListError

MAX_NAME_BYTES = 100
_SHOWN_CHARACTERS = 60
_CURE = "correct the class list and run the same command again"
_REFUSED_CATEGORIES = {"Cc", "Cs", "Zl", "Zp"}
_BIDI_CONTROLS = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNSAFE_IN_FOLDERS = str.maketrans(dict.fromkeys('<>:"|?*', "_"))
_RESERVED = {"con", "prn", "aux", "nul"} | {f"{p}{n}" for p in ("com", "lpt") for n in range(1, 10)}


@dataclass(frozen=True)
class SceneClass:
    """One class: its display name (NFC) and the queries that find its pictures."""

    name: str
    queries: tuple[str, ...]

    @property
    def slug(self) -> str:
        """Return the folder name of this class."""
        return slug_of(self.name)


def read_class_list(path: Path) -> tuple[SceneClass, ...]:
    """Read the classes of a file, in its order.

    Raises ClassListError when the file is missing, is not UTF-8 text, is empty, or has a line
    that `parse_class_list` refuses.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ClassListError(
            f"no class list at {path}",
            cure="write one class name per line and name it: --classes FILE",
        ) from None
    except OSError as error:
        raise ClassListError(
            f"{path} cannot be read: {error.strerror}", cure="name a text file: --classes FILE"
        ) from None
    except UnicodeDecodeError:
        raise ClassListError(f"{path} is not UTF-8 text", cure="save it as UTF-8") from None
    return parse_class_list(text, source=str(path))


def parse_class_list(text: str, *, source: str = "the class list") -> tuple[SceneClass, ...]:
    """Parse lines `Name` or `Name: query | query`; blank lines and `#` comments are skipped.

    Raises ClassListError naming the line when a name is refused or given twice (equal after NFC
    and case folding), and when there is no class at all.
    """
    classes: list[SceneClass] = []
    first_line: dict[str, int] = {}
    for number, line in enumerate(text.replace("\r\n", "\n").split("\n"), start=1):
        if not line.strip(" \t") or line.lstrip(" \t").startswith("#"):
            continue
        scene_class = _parse_line(line, where=f"line {number} of {source}")
        key = scene_class.name.casefold()
        if key in first_line:
            raise ClassListError(
                f"{scene_class.name!r} on line {number} of {source} is already on line "
                f"{first_line[key]}",
                cure="give each class once; upper and lower case count as equal",
            )
        first_line[key] = number
        classes.append(scene_class)
    if not classes:
        raise ClassListError(f"{source} holds no class", cure="write one class name per line")
    return tuple(classes)


def _parse_line(line: str, *, where: str) -> SceneClass:
    name, _, rest = line.partition(":")
    name = unicodedata.normalize("NFC", name.strip(" \t"))
    problem = name_problem(name)
    if problem:
        raise ClassListError(f"{where}: the name {shown(name)} {problem}", cure=_CURE)
    queries = tuple(q for q in (part.strip() for part in rest.split("|")) if q)
    if any(_is_control(character) for query in queries for character in query):
        raise ClassListError(f"{where}: a query holds a control character", cure=_CURE)
    return SceneClass(name, queries or (name,))


def name_problem(name: str) -> str | None:
    """Say why a class name is refused, or None when it is fine."""
    size = len(name.encode(errors="replace"))
    problems = (
        (not name, "is empty"),
        (any(_is_control(character) for character in name), "holds a control character"),
        ("/" in name or "\\" in name, "holds a path separator"),
        (name in {".", ".."}, "is not a name"),
        (
            all(unicodedata.category(character)[0] in "CMZ" for character in name),
            "has no visible character",
        ),
        (size > MAX_NAME_BYTES, f"is {size} bytes long, more than {MAX_NAME_BYTES}"),
    )
    return next((problem for applies, problem in problems if applies), None)


def slug_of(name: str) -> str:
    """Return a folder name that every file system takes: the NFC name itself where it is safe.

    A name that had to change ends in six hexadecimal digits of its SHA-256, so that two names
    never share a folder.
    """
    name = unicodedata.normalize("NFC", name)
    safe = name.translate(_UNSAFE_IN_FOLDERS)
    if safe.split(".")[0].casefold() in _RESERVED or safe[0] in ".-~" or safe[-1] in ". ":
        safe = f"_{safe.rstrip('. ')}"
    if safe == name:
        return name
    return f"{safe}-{hashlib.sha256(name.encode()).hexdigest()[:6]}"


def label_order(names: Iterable[str]) -> tuple[str, ...]:
    """Sort class names by code point: a name's position is its label."""
    return tuple(sorted(names))


def shown(name: str) -> str:
    """Quote a name for a message: control characters escaped, cut when long."""
    quoted = repr(name)
    return quoted if len(quoted) <= _SHOWN_CHARACTERS else f"{quoted[:_SHOWN_CHARACTERS]}...'"


def _is_control(character: str) -> bool:
    return unicodedata.category(character) in _REFUSED_CATEGORIES or character in _BIDI_CONTROLS
