"""From class names to a served image classifier: what a Python program may use.

>>> import sceneset
>>> scenes = sceneset.Classifier("models/scenes")  # doctest: +SKIP
>>> scenes.classify("photo.jpg")  # doctest: +SKIP
[('Beach', 0.93), ('Sunset', 0.04), ('Snow', 0.01)]

The commands are functions that take their options as a settings object and return an Outcome:

>>> settings = sceneset.CurateSettings(dataset="datasets/scenes", size=160)
>>> settings.size
160
>>> sceneset.curate(settings=settings).summary["kept"]  # doctest: +SKIP
11520

What they refuse is a SceneSetError, with its cure:

>>> try:
...     sceneset.Dataset.open("nowhere")
... except sceneset.SceneSetError as error:
...     print(error, "->", error.cure)
no data set at nowhere -> sceneset scrape --classes classes.txt --dataset nowhere, or sceneset add DIR

Each name is imported when it is first used: a stage costs nothing before, and needs its extra only then.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from curate.commands.curate import curate
    from curate.commands.export import ExportSettings, export
    from curate.settings import CurateSettings
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

_MODULES = {
    "curate.commands.curate": "curate",
    "curate.commands.export": "export ExportSettings",
    "curate.settings": "CurateSettings",
    "sceneset.dataset": "Dataset",
    "sceneset.errors": "SceneSetError",
    "sceneset.progress": "Outcome Output",
    "scraper.commands.add": "add",
    "scraper.commands.scrape": "scrape",
    "scraper.settings": "AddSettings ScrapeSettings",
    "serving.inference.classifier": "Classifier",
    "training.commands.evaluate": "evaluate",
    "training.commands.train": "train",
    "training.settings": "EvaluateSettings TrainSettings",
}

_HOMES = {name: module for module, names in _MODULES.items() for name in names.split()}


def __getattr__(name: str) -> object:
    """Import a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    globals()[name] = value = getattr(import_module(_HOMES[name]), name)
    return value


def __dir__() -> list[str]:
    """Name what may be used, imported or not."""
    return sorted({*globals(), *__all__})
