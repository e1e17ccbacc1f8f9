"""Find and load what is to be served: the newest bundle of a model's folder, or a .tflite file."""

from dataclasses import dataclass, replace
from pathlib import Path

from pipeline.bundle import BUNDLE_NAME, Bundle, find_bundle, open_bundle
from pipeline.checksums import file_sha256
from pipeline.errors import SettingsError
from serving.class_names import check_count, read_class_names
from serving.engine import MODEL_NAME, Engine, Scaling, read_shape
from serving.settings import ServeSettings

SCALINGS = {"0..255": Scaling(), "0..1": Scaling(0.0, 1.0), "-1..1": Scaling(-1.0, 1.0)}
Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True)
class ServedModel:
    """One loaded version of a model, ready to answer; `sha256` is that of its file."""

    name: str
    version: str
    path: Path
    sha256: str
    engine: Engine

    @property
    def class_names(self) -> tuple[str, ...]:
        """Return the class names in the order of the outputs."""
        return self.engine.class_names

    @property
    def size(self) -> int:
        """Return the side of the square that the model takes, in px."""
        return self.engine.size


def find_served(model: Path) -> Path:
    """Return the .tflite file or the bundle's folder that is to be served now.

    In a model's folder that is what `current` names, else the highest number. Raises
    MissingInputError when there is none, SettingsError for other files.
    """
    if model.is_file():
        if model.suffix.lower() != ".tflite":
            raise SettingsError(
                f"{model} is no bundle and no .tflite file",
                cure="name a bundle's folder, or a .tflite file with --class-names FILE",
            )
        return model.resolve()
    for folder in (model, model / "current"):
        if (folder / BUNDLE_NAME).is_file():
            return folder.resolve()
    numbered = [p.parent for p in model.glob(f"*/{BUNDLE_NAME}") if p.parent.name.isdecimal()]
    if numbered:
        return max(numbered, key=lambda folder: int(folder.name)).resolve()
    return find_bundle(model)


def fingerprint(path: Path) -> Fingerprint:
    """Return what changes when a bundle's folder or a file does: names, sizes, times."""
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    found = [(str(path), 0, 0)]
    for file in files:
        state = file.stat()
        found.append((str(file), state.st_size, state.st_mtime_ns))
    return tuple(found)


def load_served(settings: ServeSettings, path: Path, workers: int) -> ServedModel:
    """Check and load what `find_served` found.

    Raises DamagedDataError for an altered bundle or a model that cannot be run, SettingsError and
    MissingInputError for class names that do not fit.
    """
    if path.is_file():
        return _load_file(settings, path, workers)
    bundle = open_bundle(path)
    if settings.class_names is not None:
        names = read_class_names(settings.class_names)
        check_count(names, len(bundle.class_names), settings.class_names)
        bundle = replace(bundle, class_names=names)
    return ServedModel(
        settings.name or _folder_name(settings.model, path),
        path.name if path.name.isdecimal() else "1",
        path,
        str(bundle.record["files"].get(MODEL_NAME, "")),
        Engine(bundle, workers),
    )


def _load_file(settings: ServeSettings, path: Path, workers: int) -> ServedModel:
    if settings.class_names is None:
        raise SettingsError(
            f"{path} comes without class names",
            cure="add --class-names FILE: one name per output, in their order",
        )
    names = read_class_names(settings.class_names)
    shape = read_shape(path)
    check_count(names, shape.outputs, settings.class_names)
    bundle = Bundle(path.parent, names, shape.size, settings.fit, {})
    engine = Engine(bundle, workers, file=path.name, scaling=SCALINGS[settings.scale])
    return ServedModel(settings.name or path.stem, "1", path, file_sha256(path), engine)


def _folder_name(model: Path, bundle: Path) -> str:
    return bundle.parent.name if bundle.name.isdecimal() else bundle.name or model.name
