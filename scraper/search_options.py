"""State what a search can be narrowed to; each engine says which of it it knows."""

import re
from dataclasses import dataclass
from typing import Literal

from cyclopts import Parameter

from pipeline.errors import SettingsError

Size = Literal["large", "medium", "small"]
Kind = Literal["photo", "face", "clipart", "lineart", "animated"]
Colour = Literal[
    "colour", "gray", "transparent", "red", "orange", "yellow", "green", "teal", "blue", "purple",
    "pink", "white", "black", "brown",
]  # fmt: skip
Age = Literal["day", "week", "month", "year"]
Licence = Literal["creative-commons", "commercial", "public-domain"]

_TWO_LETTERS = re.compile(r"[A-Za-z]{2}")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class SearchOptions:
    """What to search for besides the words of the query."""

    language: str | None = None
    """Language of the results page: two letters such as en, de, ja."""
    country: str | None = None
    """Country to search from: two letters such as us, de, jp."""
    size: Size | None = None
    """Size of the pictures behind the previews."""
    type: Kind | None = None
    """Kind of picture."""
    colour: Colour | None = None
    """Main colour of the pictures."""
    age: Age | None = None
    """How old a result may be at most."""
    licence: Licence | None = None
    """Only results that the engine lists under such a licence."""
    safe: bool | None = None
    """Leave out explicit results (--no-safe: don't); by default as the engine does."""

    def __post_init__(self) -> None:
        """Refuse what cannot be a language or a country."""
        for name, example in (("language", "en"), ("country", "us")):
            value = getattr(self, name)
            if value is not None and not _TWO_LETTERS.fullmatch(value):
                raise SettingsError(
                    f"--{name} {value!r} is not a code of two letters",
                    cure=f"give --{name} two letters such as {example}",
                )

    def asked(self) -> dict[str, str]:
        """Return option name -> value of what was asked for."""
        values = {name: getattr(self, name) for name in self.__dataclass_fields__}
        if self.safe is not None:
            values["safe"] = "on" if self.safe else "off"
        return {name: value for name, value in values.items() if value is not None}
