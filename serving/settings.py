"""State what `classify` can be told, with the defaults."""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from pipeline.errors import SettingsError


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ClassifySettings:
    """Which bundle answers, and how its answers are given."""

    model: Path = Path("models/scenes")
    """The model's folder, or one of the numbered bundles in it."""
    top: int = 3
    """How many classes to name per picture, the most probable first."""
    csv: Path | None = None
    """Write a table too: Name, Prediction_0 and on, Probability_0 and on; one row per file."""
    explain: Path | None = None
    """Write a picture per file into this folder: where in it the class was seen (Grad-CAM)."""
    explain_class: str = ""
    """Explain this class instead of the most probable one."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        if self.top < 1:
            raise SettingsError(f"--top is {self.top}", cure="give --top 1 or more")
        if self.explain_class and self.explain is None:
            raise SettingsError(
                f"--explain-class {self.explain_class!r} explains nothing without a folder",
                cure="give --explain DIR too",
            )
