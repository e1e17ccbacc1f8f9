r"""Define the settings of `gallery`, and what it can do to a reader, one behaviour per row.

Always there, whatever is switched on: class names drawn anew per page load (2026), favicons inside
each item, a wrapper that repeats its item's data-docid, previews that start as 1x1 GIFs or as inline
bytes set by script with `\x3d` escapes, the maps google.ldi and google.pim, anchors without href,
columns filled in turn, so that the order in the document is not the rank, batches on scroll, then
`More results`, the end text as an attribute from the start, previews on a second origin without
CORS, Unicode titles, chips with pictures.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from cyclopts import Parameter, Token

from sceneset.errors import SettingsError
from scraper.gallery.scenes import seeded

Vintage = Literal["2022", "2024", "2026"]
Behaviour = Literal[
    "renamed",
    "no-attributes",
    "imgres-only",
    "masonry",
    "virtualised",
    "decoys",
    "japanese",
    "early-end-marker",
    "few",
    "duplicates-across-batches",
    "slow-previews",
    "bad-bytes",
    "dripping",
    "late-batches",
    "failed-batch",
    "stall",
    "consent",
    "consent-dialog",
    "retry-later",
    "sorry",
    "soft-block",
    "no-results",
]
VINTAGES: tuple[Vintage, ...] = get_args(Vintage)
SHARE_DRAWN = 0.4


@dataclass(frozen=True, slots=True)
class Trait:
    """One behaviour: what it does, what else it excludes, and whether a hostile mix may hold it.

    Of one `group` only one can be had. `only_2026` ones are changes to the page of 2026.
    """

    summary: str
    group: str = ""
    drawn: bool = True
    only_2026: bool = False


BEHAVIOURS: dict[Behaviour, Trait] = {
    "renamed": Trait(
        "every class, jsname and jscontroller random, labels in another language",
        group="layout",
        only_2026=True,
    ),
    "no-attributes": Trait(
        "no data-docid, data-lpage or other attribute on results: structure alone",
        group="layout",
        only_2026=True,
    ),
    "imgres-only": Trait(
        "results are nothing but a link to /imgres? around a picture",
        group="layout",
        only_2026=True,
    ),
    "masonry": Trait("within a batch the document's order is the reverse of what is seen"),
    "virtualised": Trait("results 1.5 windows out of view leave the document for spacers"),
    "decoys": Trait("carousel, doodle, advertisements and related pictures around the results"),
    "japanese": Trait("texts as with hl=ja, titles with emoji"),
    "early-end-marker": Trait("the end text stands in the document, unseen, before the end"),
    "few": Trait("37 results at most"),
    "duplicates-across-batches": Trait(
        "later batches repeat results, and some results share their bytes with another"
    ),
    "slow-previews": Trait("each preview is answered after 50 to 800 ms"),
    "bad-bytes": Trait(
        "previews of wrong type, cut, missing, empty or HTML among good PNG, WebP and GIF"
    ),
    "dripping": Trait("one preview in 40 comes at a byte a second"),
    "late-batches": Trait("later batches are answered after 1 to 2 s"),
    "failed-batch": Trait("the first later batch of each page load answers 500 once"),
    "stall": Trait("the second later batch is never answered", drawn=False),
    "consent": Trait("the first visit is sent to a consent page on another origin", "consent"),
    "consent-dialog": Trait("a dialog covers the page; results come after a choice", "consent"),
    "retry-later": Trait("the first page load answers 503 with Retry-After: 1"),
    "sorry": Trait(
        "after --loads-before-block page loads in a minute: /sorry, status 429", drawn=False
    ),
    "soft-block": Trait("status 200 and a normal title, but nothing in it", "empty", drawn=False),
    "no-results": Trait("an honest page without results for every query", "empty", drawn=False),
}


@dataclass(frozen=True, slots=True)
class Mix:
    """What a gallery does: the vintage of its page and its behaviours."""

    vintage: Vintage = "2026"
    names: frozenset[Behaviour] = frozenset()

    def __contains__(self, name: Behaviour) -> bool:
        """Say whether a behaviour is on."""
        return name in self.names


def mixed(vintage: Vintage, names: Iterable[Behaviour], hostile: int | None = None) -> Mix:
    """Return the mix of these behaviours and, with a seed, of what that draws to them.

    Raises SettingsError for an unknown name and for behaviours that exclude each other.
    """
    chosen: list[Behaviour] = []
    for name in names:
        if name not in BEHAVIOURS:
            raise SettingsError(
                f"--behaviours {name!r} is no behaviour",
                cure=f"name any of {', '.join(BEHAVIOURS)}",
            )
        if obstacle := _obstacle(name, vintage, chosen):
            raise SettingsError(
                f"--behaviours {name} and {obstacle} exclude each other",
                cure="leave one of them out",
            )
        chosen.append(name)
    return Mix(vintage, frozenset(chosen)) if hostile is None else _drawn(vintage, chosen, hostile)


def _drawn(vintage: Vintage, chosen: list[Behaviour], seed: int) -> Mix:
    """Add drawn behaviours; a vintage other than 2026, or a change to 2026's page, stays."""
    rng = seeded("hostile", seed)
    other: Vintage = rng.choice(VINTAGES)
    if vintage == "2026" and not any(BEHAVIOURS[name].only_2026 for name in chosen):
        vintage = other
    for name in rng.sample(list(BEHAVIOURS), len(BEHAVIOURS)):
        wanted = rng.random() < SHARE_DRAWN and BEHAVIOURS[name].drawn
        if wanted and name not in chosen and not _obstacle(name, vintage, chosen):
            chosen.append(name)
    return Mix(vintage, frozenset(chosen))


def _obstacle(name: Behaviour, vintage: Vintage, chosen: Iterable[Behaviour]) -> str:
    """Say what keeps a behaviour from joining the others; empty when nothing does."""
    trait = BEHAVIOURS[name]
    if trait.only_2026 and vintage != "2026":
        return f"--vintage {vintage}"
    rivals = (o for o in chosen if o != name and trait.group and BEHAVIOURS[o].group == trait.group)
    return next(rivals, "")


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
