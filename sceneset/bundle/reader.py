"""Read and check a bundle's folder: what training writes and serving, evaluate and classify read."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sceneset.bundle.tag_rule import TagRule, read_tag_rule
from sceneset.checksums import file_problem
from sceneset.class_names import read_class_names
from sceneset.errors import DamagedDataError, MissingInputError, SettingsError
from sceneset.images import Fit, fit_of

BUNDLE_NAME = "bundle.json"
_GRAPH = "saved_model.pb"
_KERAS = frozenset({".keras", ".h5", ".hdf5"})
FORMAT = 1


@dataclass(frozen=True)
class Bundle:
    """One exported model: its folder, class names by label, input size in px, record and tag rule."""

    folder: Path
    class_names: tuple[str, ...]
    size: int
    fit: Fit
    record: dict[str, Any]
    tag_rule: TagRule = field(default_factory=TagRule)

    def path(self, name: str) -> Path:
        """Return the path of one of the bundle's files."""
        return self.folder / name


def find_bundle(model: Path) -> Path:
    """Return the bundle's folder that a model names: its own, that of `current`, or the newest.

    One rule for every command: a folder that is a bundle; in a model's folder what its link
    `current` names, and without one the highest number. Raises MissingInputError when there is
    none or the link names none, SettingsError for a model that is no bundle.
    """
    link = model / "current"
    for folder in (model, link):
        if (folder / BUNDLE_NAME).is_file():
            return folder.resolve()
    if link.is_symlink():  # no other version stands in for the one that was chosen
        raise MissingInputError(
            f"{link} names {link.readlink()}, where there is no bundle",
            cure=f"point it at a version that is there, or name one: --model {model}/NUMBER",
        )
    numbered = [p.parent for p in model.glob(f"*/{BUNDLE_NAME}") if p.parent.name.isdecimal()]
    if numbered:
        return max(numbered, key=lambda folder: int(folder.name)).resolve()
    if model.is_file() or (model / _GRAPH).is_file():
        raise SettingsError(f"{model} is no bundle", cure=_cure(model))
    raise MissingInputError(
        f"no bundle at {model}", cure="train one (sceneset train) or name another: --model DIR"
    )


def _cure(model: Path) -> str:
    """Say how a model that is no bundle becomes one."""
    kind = model.suffix.lower()
    if kind == ".tflite":
        return f"add --class-names FILE: classify and serve then take {model.name} as it is"
    named = model if model.is_dir() or kind in _KERAS else "MODEL.keras"
    command = f"sceneset convert {named} --class-names FILE --out DIR"
    if named is model:
        return command
    return f"save it with Keras as .keras or as a SavedModel, then: {command}"


def open_bundle(model: Path) -> Bundle:
    """Open a bundle after checking the SHA-256 of every file in it, at any depth.

    Raises what `find_bundle` raises, DamagedDataError when a file is altered, missing or was added,
    or when the record cannot be read.
    """
    folder = find_bundle(model)
    try:
        record = json.loads((folder / BUNDLE_NAME).read_text(encoding="utf-8"))
        expected: dict[str, str] = dict(record["files"])
        for name, digest in expected.items():
            problem = file_problem(folder / name, digest, "is not the file that was exported")
            if problem:
                raise _altered(folder, f"{name} {problem}")
        _refuse_added(folder, set(expected))
        preprocess = json.loads((folder / "preprocess.json").read_text(encoding="utf-8"))
        names = read_class_names(folder / "class_names.json")
        size, fit = int(preprocess["size"]), fit_of(str(preprocess["fit"]))
        return Bundle(folder, names, size, fit, record, _stated_rule(folder, record))
    except (KeyError, TypeError, ValueError, AttributeError, FileNotFoundError) as error:
        raise _altered(folder, f"its record cannot be read ({error})") from error
    except (MissingInputError, SettingsError) as error:  # of the class names
        raise _altered(folder, error.problem) from error


def _stated_rule(folder: Path, record: dict[str, Any]) -> TagRule:
    """Return the tag rule of the record; older bundles state it among their metrics, or nowhere."""
    metrics = folder / "metrics.json"
    if "tag_rule" in record or not metrics.is_file():
        return read_tag_rule(record.get("tag_rule"))
    return read_tag_rule(json.loads(metrics.read_bytes()).get("tags", {}).get("rule"))


def _refuse_added(folder: Path, listed: set[str]) -> None:
    """Raise DamagedDataError for a file that the export did not write.

    File managers leave hidden files of their own wherever they are opened.
    """
    files = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    added = sorted(files - listed - {BUNDLE_NAME})
    strange = [name for name in added if Path(name).name[0] != "."]
    if strange:
        raise _altered(folder, f"{strange[0]} was added to it")


def _altered(folder: Path, what: str) -> DamagedDataError:
    return DamagedDataError(
        f"the bundle at {folder} is damaged: {what}", cure="train again or restore it from a copy"
    )
