"""From class names to a served image classifier: what a Python program may use.

The commands are functions; they take the options of the command line as a settings object and
return an Outcome. `scrape` collects pictures, `add` adopts a folder of class folders:

>>> from pathlib import Path
>>> import sceneset
>>> scenes = Path("datasets/scenes")
>>> sceneset.add(Path("pictures"), settings=sceneset.AddSettings(dataset=scenes)).summary["kept"]
8
>>> outcome = sceneset.curate(settings=sceneset.CurateSettings(dataset=scenes, size=64))
>>> outcome.exit_code, outcome.summary["kept"]
(0, 8)

A data set says what is in it:

>>> dataset = sceneset.Dataset.open(scenes)
>>> dataset.counts()["Beach"]
{'kept': 4, 'duplicate': 0, 'rejected': 0, 'failed': 0}
>>> sorted({row.class_name for row in dataset.rows()})
['Beach', 'Night']

A trained model names pictures, given as paths, bytes, PIL images or arrays:

>>> classifier = sceneset.Classifier("models/scenes")
>>> [(name, round(probability, 2)) for name, probability in classifier.classify("photo.jpg", top=2)]
[('red', 1.0), ('green', 0.0)]

What cannot work is a SceneSetError, which knows its cure:

>>> sceneset.Dataset.open("nowhere")
Traceback (most recent call last):
sceneset.errors.MissingInputError: no data set at nowhere

Each name is imported when it is first used, and with it what its stage needs.
"""

from importlib import import_module
from inspect import isfunction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.commands.curate import curate
    from curate.commands.export import export
    from curate.settings import CurateSettings, ExportSettings
    from sceneset.dataset import Dataset
    from sceneset.errors import SceneSetError
    from sceneset.progress import Outcome, Output
    from scraper.commands.add import add
    from scraper.commands.scrape import scrape
    from scraper.settings import AddSettings, ScrapeSettings
    from serving.inference.classifier import Classifier
    from training.commands.evaluate import evaluate
    from training.commands.train import train
    from training.settings import EvaluateSettings, TrainSettings

__all__ = [
    "AddSettings",
    "Classifier",
    "CurateSettings",
    "Dataset",
    "EvaluateSettings",
    "ExportSettings",
    "Outcome",
    "Output",
    "SceneSetError",
    "ScrapeSettings",
    "TrainSettings",
    "add",
    "curate",
    "evaluate",
    "export",
    "scrape",
    "train",
]

_HOMES = {
    "AddSettings": "scraper.settings",
    "Classifier": "serving.inference.classifier",
    "CurateSettings": "curate.settings",
    "Dataset": "sceneset.dataset",
    "EvaluateSettings": "training.settings",
    "ExportSettings": "curate.settings",
    "Outcome": "sceneset.progress",
    "Output": "sceneset.progress",
    "SceneSetError": "sceneset.errors",
    "ScrapeSettings": "scraper.settings",
    "TrainSettings": "training.settings",
    "add": "scraper.commands.add",
    "curate": "curate.commands.curate",
    "evaluate": "training.commands.evaluate",
    "export": "curate.commands.export",
    "scrape": "scraper.commands.scrape",
    "train": "training.commands.train",
}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sceneset.errors import extras_named  # noqa: PLC0415  importing sceneset costs nothing

    with extras_named():
        value = getattr(import_module(_HOMES[name]), name)
    if isfunction(value):  # a command, which imports what it needs when it runs
        value = extras_named()(value)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """Name what may be used, imported or not."""
    return sorted({*globals(), *__all__})
