"""Describe a search engine as data: its URL, its terms, its options, its results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

from sceneset.errors import SettingsError

ANY = "*"
COLOURS = (
    "red", "orange", "yellow", "green", "teal", "blue", "purple", "pink", "white", "black", "brown",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """How one search option is sent: in which parameter, each value as what.

    The key `*` of `values` takes any value and puts it in place of `{}`. Options that share a
    parameter are joined by `separator`. An empty `parameter` adds the text to the query itself.
    A value that is sent as nothing is what the engine does anyway.
    """

    parameter: str
    values: Mapping[str, str]
    separator: str = ","

    def sent(self, value: str) -> str | None:
        """Return what is sent for a value, None when the engine knows no such value."""
        if value in self.values:
            return self.values[value]
        return self.values[ANY].replace("{}", value) if ANY in self.values else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """What every engine has.

    `variants` are option values that split one query into several with other results, tried in
    order when a query's own results end before the target. `previews_per_minute` is how many
    previews the source gives in a minute, None for any number.
    """

    name: str
    template: str
    terms: str
    options: Mapping[str, Option] = field(default_factory=dict)
    variants: tuple[Mapping[str, str], ...] = ()
    previews_per_minute: int | None = None

    def check(self, requested: Mapping[str, str]) -> None:
        """Raise SettingsError for an option or a value that this engine does not know."""
        for name, value in requested.items():
            flag = f"--{name}"
            option = self.options.get(name)
            if option is None:
                known = ", ".join(f"--{other}" for other in self.options) or "no search options"
                raise SettingsError(
                    f"{flag} {value}: engine {self.name} has no such option",
                    cure=f"leave it out; {self.name} knows {known}",
                )
            if option.sent(value) is None:
                raise SettingsError(
                    f"{flag} {value}: engine {self.name} knows no such value",
                    cure=f"give {flag} one of {', '.join(option.values)}",
                )

    def search_url(
        self, query: str, options: Mapping[str, str] | None = None, template: str | None = None
    ) -> str:
        """Return the URL of a query's results; `template` stands in for the engine's own."""
        words, parameters = [query], dict[str, str]()
        for name, value in (options or {}).items():
            option = self.options[name]
            sent = option.sent(value)
            if not sent:
                continue
            if not option.parameter:
                words.append(sent)
            elif option.parameter in parameters:
                parameters[option.parameter] += option.separator + sent
            else:
                parameters[option.parameter] = sent
        return with_parameters(_filled(template or self.template, " ".join(words)), parameters)


def with_parameters(url: str, parameters: Mapping[str, str]) -> str:
    """Set parameters of a URL; those it has already are replaced, all others stay."""
    if not parameters:
        return url
    parts = urlsplit(url)
    kept = [
        pair for pair in parse_qsl(parts.query, keep_blank_values=True) if pair[0] not in parameters
    ]
    return urlunsplit(parts._replace(query=urlencode([*kept, *parameters.items()], safe=":,")))


def _filled(template: str, words: str) -> str:
    """Put the words in place of {query}: a space is a plus in a query string only."""
    path, mark, query = template.partition("?")
    return (
        path.replace("{query}", quote(words, safe=""))
        + mark
        + query.replace("{query}", quote_plus(words))
    )


def encodable(text: str) -> str:
    """Return text that any encoding can hold: no lone surrogates."""
    return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class SearchResult:
    """One result as the page shows it; `src` is a data URI or the thumbnail's URL."""

    result_id: str
    page_url: str
    title: str
    site: str
    src: str
    licence: str = "unknown"
    licence_url: str = ""
    creator: str = ""
    attribution: str = ""


def variants_of(engine: Engine, requested: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the option values of each variant, in the engine's order, each once.

    What was requested stays; a variant that contradicts it, or adds nothing to it, is left out.
    """
    plan: list[dict[str, str]] = []
    for variant in engine.variants:
        merged = {**variant, **requested}
        kept = all(merged[name] == value for name, value in variant.items())
        if kept and merged != dict(requested) and merged not in plan:
            plan.append(merged)
    return plan


StrategyKind = Literal["attributes", "record", "structure", "links"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One way to find result items, and when pages of that kind were seen.

    `attributes`: the innermost elements that match `item`; `id_attribute` holds the result id.
    `record`: the same, and `id_attribute` holds a JSON record; `keys` names what is read from it,
    for each of `id`, `page`, `title` and `thumb` the first key that has a text.
    `structure`: inside `item`, the smallest elements with one picture and one outbound link, at
    least three alike. `links`: the links that match `item` and hold a picture.
    A last resort is taken only when the others find far fewer valid thumbnails.
    """

    name: str
    seen: str
    item: str
    kind: StrategyKind = "attributes"
    id_attribute: str = ""
    keys: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    last_resort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultsPage(Engine):
    """One engine whose results are read in a browser.

    `end_attributes` hold the page's own words for its end, in its own language. A control of
    `refusal_controls`, or one that says one of `refusal_texts`, refuses consent.
    """

    strategies: tuple[Strategy, ...]
    more_controls: tuple[str, ...] = ()
    end_texts: tuple[str, ...] = ()
    end_attributes: tuple[str, ...] = ()
    refusal_controls: tuple[str, ...] = ()
    refusal_texts: tuple[str, ...] = ()


# Structure outlives attributes as these outlive class names: any page of pictures with links.
STRUCTURE = Strategy(
    name="structure alone",
    seen="any",
    kind="structure",
    item="[role=main], main, #rso, #islrg, #search",
    last_resort=True,
)
