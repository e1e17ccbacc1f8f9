"""State what the commands that look at a data set can be told."""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from pipeline.dataset import DEFAULT_ROOT


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class DatasetSettings:
    """Which data set to look at."""

    dataset: Path = DEFAULT_ROOT
    """The data set's folder."""
