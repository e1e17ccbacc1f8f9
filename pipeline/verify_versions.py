"""Check every published version, the link to the newest, and the exports made of them."""

from collections.abc import Collection

from pipeline.checksums import altered_files
from pipeline.dataset import Dataset
from pipeline.errors import DamagedDataError
from pipeline.exported import Exported
from pipeline.published import current_number, numbers, read_pictures

_NAME_DIGITS = 16


def version_problems(dataset: Dataset) -> list[str]:
    """Say what is wrong with any published version: files missing, altered or added."""
    problems = _link_problems(dataset)
    for number in numbers(dataset.versions):
        try:
            altered = altered_files(dataset.versions / str(number))
        except OSError as error:
            altered = [f"its checksums cannot be read ({error.strerror})"]
        problems += [f"version {number}: {problem}" for problem in altered]
    return problems


def _link_problems(dataset: Dataset) -> list[str]:
    """Say where `current` leads to, unless that is a version or there is no such link."""
    link = dataset.current
    if not link.is_symlink():
        return ["curated/current is no link to a version"] if link.exists() else []
    if current_number(dataset) is not None:
        return []
    missing = "" if link.exists() else ", which is missing"
    return [f"curated/current points to {link.readlink()}{missing or ', which is no version'}"]


def export_problems(exports: Collection[Exported]) -> list[str]:
    """Say which files of exports are missing or altered; what users add beside them is theirs."""
    problems = []
    for export in exports:
        try:
            altered = altered_files(export.out, added=False)
        except OSError as error:
            altered = [f"its checksums cannot be read ({error.strerror})"]
        problems += [f"export {export.out}: {problem}" for problem in altered]
    return problems


def forgotten_problems(dataset: Dataset, forgotten: Collection[str]) -> list[str]:
    """Say which contents are still in raw/ or a published version that were to be forgotten."""
    raw = {path.stem for path in dataset.raw.glob("*/*")} if forgotten else set()
    problems = [f"raw/ still holds {sha256}, which is forgotten" for sha256 in raw & {*forgotten}]
    for number in numbers(dataset.versions):
        held = held_of(dataset, number, forgotten)
        problems += [f"version {number} still holds {s}, which is forgotten" for s in held]
    return sorted(problems)


def held_of(dataset: Dataset, number: int, contents: Collection[str]) -> list[str]:
    """Return which contents a version holds, by its manifest.csv or by the names of its files."""
    if not contents:
        return []
    version = dataset.versions / str(number)
    names = {path.stem for path in version.rglob("*")}
    try:
        rows = {picture.sha256 for picture in read_pictures(version)}
    except DamagedDataError:
        rows = set()
    return sorted(s for s in contents if s in rows or s[:_NAME_DIGITS] in names)
