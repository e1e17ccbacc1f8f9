"""State what `gallery` can be told, with the defaults."""

from dataclasses import dataclass
from pathlib import Path

from cyclopts import Parameter

from pipeline.errors import SettingsError

LAST_PORT = 65535


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class GallerySettings:
    """What the gallery shows, and how it behaves."""

    port: int = 8099
    """Port of the results page on 127.0.0.1; 0 takes any free one. Previews get a second port."""
    pictures: Path | None = None
    """Serve real pictures: a folder that holds one folder of pictures per class."""
    classes: Path | None = None
    """Draw the classes of this class list in place of the 36 built-in ones."""
    per_class: int = 40
    """Results per class when pictures are drawn, planted duplicates included."""
    duplicates: float = 0.25
    """Share of the drawn results that are planted: duplicates, broken files, placeholders."""
    seed: int = 0
    """Seed of the drawn pictures: the same seed gives the same bytes."""
    batch: int = 100
    """Results per batch; the first one stands in the page."""
    automatic: int = 2
    """Further batches that scrolling loads before `More results` has to be clicked again."""
    delay_ms: int = 300
    """Longest wait before a preview in view is loaded, in milliseconds; the shortest is a sixth."""
    truth: Path | None = None
    """Write what is served, with its planted duplicates, to this JSON file; draws every class."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name, least, most in (
            ("port", 0, LAST_PORT),
            ("per_class", 1, 100_000),
            ("duplicates", 0, 0.9),
            ("batch", 1, 1000),
            ("automatic", 0, 1000),
            ("delay_ms", 0, 10_000),
        ):
            _within(name, getattr(self, name), least, most)
        if self.pictures is not None and not self.pictures.is_dir():
            raise SettingsError(
                f"--pictures {self.pictures} is not a folder",
                cure="name a folder that holds one folder of pictures per class",
            )


def _within(name: str, value: float, least: float, most: float) -> None:
    if not least <= value <= most:
        flag = "--" + name.replace("_", "-")
        raise SettingsError(
            f"{flag} is {value}", cure=f"give {flag} a value from {least} to {most}"
        )
