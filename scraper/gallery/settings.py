"""Define the settings of `gallery`, with their defaults."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, Token

from sceneset.errors import SettingsError
from scraper.gallery.behaviours import BEHAVIOURS, Behaviour, Mix, Vintage, mixed

LAST_PORT = 65535


def _separated(_type: Any, tokens: Sequence[Token]) -> tuple[str, ...]:  # noqa: ANN401  cyclopts' own
    return tuple(word for token in tokens for word in token.value.split(",") if word)


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
    vintage: Vintage = "2026"
    """Year whose results page is served."""
    behaviours: Annotated[
        tuple[Behaviour, ...],
        Parameter(
            converter=_separated,
            n_tokens=1,
            negative="",
            show_choices=False,
            help="What makes the gallery hard to read, separated by commas. "
            + "; ".join(f"{name}: {trait.summary}" for name, trait in BEHAVIOURS.items())
            + ".",
        ),
    ] = ()
    hostile: int | None = None
    """Mix behaviours and vintage by this seed, of those that a careful reader can get past."""
    loads_before_block: int = 3
    """With the behaviour `sorry`: page loads in a minute that are answered."""

    def __post_init__(self) -> None:
        """Refuse values that cannot work."""
        for name, least, most in (
            ("port", 0, LAST_PORT),
            ("per_class", 1, 100_000),
            ("duplicates", 0, 0.9),
            ("batch", 1, 1000),
            ("automatic", 0, 1000),
            ("delay_ms", 0, 10_000),
            ("loads_before_block", 0, 1000),
        ):
            value = getattr(self, name)
            if not least <= value <= most:
                flag = "--" + name.replace("_", "-")
                raise SettingsError(
                    f"{flag} is {value}", cure=f"give {flag} a value from {least} to {most}"
                )
        if self.pictures is not None and not self.pictures.is_dir():
            raise SettingsError(
                f"--pictures {self.pictures} is not a folder",
                cure="name a folder that holds one folder of pictures per class",
            )
        _ = self.mix

    @property
    def mix(self) -> Mix:
        """Return the vintage and the behaviours, with those that `hostile` draws."""
        return mixed(self.vintage, self.behaviours, self.hostile)
