"""Make a bundle of a model that was trained elsewhere: any Keras model, or VGG-16 for Places365."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sceneset.class_names import read_class_names
from sceneset.progress import Outcome, Output, Stopwatch
from training.exports.exporter import left_out
from training.imported.bundling import (
    check_out,
    make_bundle,
)
from training.imported.opening import ImportedModel, check_kind, open_imported
from training.imported.vgg16 import (
    fetch_file,
    find_file,
    find_list,
    is_published,
    open_vgg16,
    read_categories,
    read_list,
)
from training.settings import ConvertSettings, PlacesSettings


def convert(
    file: Annotated[
        Path,
        Parameter(
            help="A .keras file, a whole .h5 model, or a SavedModel's folder. A SavedModel is a"
            " program, which can read and write files: convert only those that you trust."
        ),
    ],
    /,
    *,
    settings: ConvertSettings,
    output: Output = Output(),
) -> Outcome:
    """Make a bundle of FILE, a Keras model or a SavedModel from elsewhere, and prove it."""
    watch = Stopwatch()
    check_kind(file)
    check_out(settings.out)
    names = read_class_names(settings.class_names)
    model = open_imported(file)
    return _bundle(model, settings, names, {"made_from": file.resolve().name}, output, watch=watch)


def places365(*, settings: PlacesSettings, output: Output = Output()) -> Outcome:
    """Make a bundle of VGG16-Places365 or VGG16-Hybrid1365 from its published weights."""
    watch = Stopwatch()
    check_out(settings.out)
    names_file = settings.class_names
    names = None if names_file is None else read_categories(names_file)
    path = find_file(settings.weights, fetch_file)
    model, channels, why = open_vgg16(path, settings.channels, published=is_published(path))
    if names is None or names_file is None:
        classes = int(model.gives[1] or 0)
        names_file = find_list(classes, fetch_file)
        names = read_list(names_file, classes)
    order = f"channels {channels}: {why}"
    output.say(order)
    # The published network saw whole pictures, stretched to a square.
    stated = ConvertSettings(
        class_names=names_file,
        out=settings.out,
        scaling="caffe",
        outputs="probabilities",
        fit="stretch",
        export=settings.export,
    )
    facts = {"made_from": path.name, "channels": channels}
    return _bundle(model, stated, names, facts, output, watch=watch, channels=order)


def _bundle(
    model: ImportedModel,
    settings: ConvertSettings,
    names: tuple[str, ...],
    facts: Mapping[str, object],
    output: Output,
    *,
    watch: Stopwatch,
    channels: str = "",
) -> Outcome:
    """Make the bundle; `channels` says in which order a first dense layer reads them, and why."""
    summary = make_bundle(model, settings, names, facts, output.say)
    found_by = summary["found_by"]
    lines = (
        f"bundle: {settings.out}",
        f"{len(names)} classes, {summary['size']} px",
        f"takes {summary['scaling']}: {found_by['scaling']}",
        f"gives {summary['outputs']}: {found_by['outputs']}",
        *([channels] if channels else []),
        *(f"left out {name}: {why}" for name, why in left_out(summary["exports"]).items()),
        f"serve it: sceneset serve --model {settings.out}",
    )
    if channels:
        found_by["channels"] = channels
    return Outcome({**summary, "seconds": {"total": watch.total}}, lines)
