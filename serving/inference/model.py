"""Find and load what is to be served: the newest bundle of a model's folder, or a .tflite file."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from sceneset.bundle.reader import Bundle, find_bundle, open_bundle
from sceneset.bundle.tag_rule import TagRule
from sceneset.checksums import file_sha256
from sceneset.class_names import check_count, read_class_names
from sceneset.errors import SettingsError, UsageError
from serving.inference.engine import BYTES, Engine, read_shape
from serving.inference.explainer import HEAD_NAME, MODEL_NAME, Explainer
from serving.inference.interpreter_pool import Background
from serving.settings import FILES, ModelSettings, ServeSettings, choose_runtime

SCALINGS = {"0..255": BYTES, "0..1": (0.0, 1.0), "-1..1": (-1.0, 1.0)}
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ServedModel:
    """One loaded version of a model, ready to answer; `sha256` is that of its file.

    `explainer` draws where classes were seen; None when the bundle has no files for that.
    """

    name: str
    version: str
    sha256: str
    engine: Engine
    explainer: Explainer | None = None
    tag_rule: TagRule = field(default_factory=TagRule)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the class names in the order of the outputs."""
        return self.engine.bundle.class_names

    @property
    def size(self) -> int:
        """Return the side of the square that the model takes, in px."""
        return self.engine.bundle.size


def find_served(model: Path) -> Path:
    """Return the .tflite file or the bundle's folder that is to answer now; see `find_bundle`.

    Raises MissingInputError when there is none, SettingsError for other models, which can be
    converted.
    """
    if model.is_file() and model.suffix.lower() == ".tflite":
        return model.resolve()
    return find_bundle(model)


def fingerprint(path: Path) -> Fingerprint:
    """Return what changes when a bundle's folder or a file does: names, sizes, times."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    states = [(str(file), file.stat()) for file in files]
    return ((str(path), 0, 0), *((name, one.st_size, one.st_mtime_ns) for name, one in states))


def load_served(
    settings: ServeSettings, path: Path, workers: int, background: Background | None = None
) -> ServedModel:
    """Check and load what `find_served` found; `background` is for its engine.

    Raises DamagedDataError for an altered bundle or a model that cannot be run, SettingsError and
    MissingInputError for class names that do not fit.
    """
    engine = load_engine(settings, path, workers, background)
    if path.is_file():
        return ServedModel(settings.name or path.stem, "1", file_sha256(path), engine)
    bundle = engine.bundle
    files = bundle.record["files"]
    return ServedModel(
        settings.name or _folder_name(settings.model, path),
        path.name if path.name.isdecimal() else "1",
        str(files.get(FILES[engine.runtime], "")),
        engine,
        Explainer(bundle, workers) if {MODEL_NAME, HEAD_NAME} <= set(files) else None,
        bundle.tag_rule,
    )


def load_engine(
    settings: ModelSettings, path: Path, workers: int, background: Background | None = None
) -> Engine:
    """Check what `find_served` found, and load what runs it. Raises as `load_served` does.

    The engine's bundle is the one checked, or stands for it with a lone file.
    """
    if path.is_file():
        return _load_file(settings, path, workers, background)
    _check_bundle_settings(settings, path)
    bundle = open_bundle(path)
    if settings.class_names is not None:
        names = read_class_names(settings.class_names)
        check_count(names, len(bundle.class_names), settings.class_names)
        bundle = replace(bundle, class_names=names)
    runtime = choose_runtime(settings.engine, path)
    return Engine(bundle, workers, runtime=runtime, background=background)


def _check_bundle_settings(settings: ModelSettings, path: Path) -> None:
    """Raise SettingsError for settings of a lone file: a bundle has its own in preprocess.json."""
    for flag, value in (("--fit", settings.fit), ("--scale", settings.scale)):
        if value is not None:
            raise SettingsError(
                f"{flag} {value} is for a .tflite file alone; the bundle at {path} has its own",
                cure=f"leave {flag} out",
            )


def _load_file(
    settings: ModelSettings, path: Path, workers: int, background: Background | None
) -> Engine:
    if settings.class_names is None:
        raise SettingsError(
            f"{path} comes without class names",
            cure="add --class-names FILE: one name per output, in their order",
        )
    if settings.engine == "onnx":
        raise SettingsError(
            f"--engine onnx cannot run {path}", cure="leave --engine out, or name a bundle"
        )
    names = read_class_names(settings.class_names)
    size, outputs = read_shape(path)
    check_count(names, outputs, settings.class_names)
    bundle = Bundle(path.parent, names, size, settings.fit or "crop", {})
    scaling = SCALINGS[settings.scale or "0..255"]
    return Engine(bundle, workers, file=path.name, scaling=scaling, background=background)


def _folder_name(model: Path, bundle: Path) -> str:
    return bundle.parent.name if bundle.name.isdecimal() else bundle.name or model.name


def find_label(name: str, class_names: Sequence[str]) -> int | None:
    """Return the label of a class, whatever its case; None when no class has that name."""
    if name in class_names:  # two names of others' models may differ by case alone
        return class_names.index(name)
    labels = {_fold_case(one): label for label, one in enumerate(class_names)}
    return labels.get(_fold_case(name))


def known_label(name: str, class_names: Sequence[str], option: str = "") -> int:
    """Return the label of a class, whatever its case. Raises UsageError, which names the option."""
    label = find_label(name, class_names)
    if label is None:
        raise UsageError(
            f"{option}{name!r} is no class of this model",
            cure=f"name one of {', '.join(class_names)}",
        )
    return label


def _fold_case(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()
