"""Describe a search engine as data: its address, its terms, its options, its results."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, quote_plus, urlencode, urlsplit, urlunsplit

from sceneset.errors import SettingsError

ANY = "*"


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
    order when a query's own results end before the target.
    """

    name: str
    template: str
    terms: str
    options: Mapping[str, Option] = field(default_factory=dict)
    variants: tuple[Mapping[str, str], ...] = ()

    def check(self, asked: Mapping[str, str]) -> None:
        """Raise SettingsError for an option or a value that this engine does not know."""
        for name, value in asked.items():
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

    def address(
        self, query: str, asked: Mapping[str, str] | None = None, template: str | None = None
    ) -> str:
        """Return the address of a query's results; `template` stands in for the engine's own."""
        words, parameters = [query], dict[str, str]()
        for name, value in (asked or {}).items():
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
    """Set parameters of an address; those it has already are replaced, all others stay."""
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


@dataclass(frozen=True, slots=True)
class Found:
    """One result as the page shows it; `src` is a data URI or the thumbnail's address."""

    result_id: str
    page_url: str
    title: str
    site: str
    src: str
    licence: str = "unknown"
    licence_url: str = ""
    creator: str = ""
    attribution: str = ""


def variants_of(engine: Engine, asked: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the option values of each variant, in the engine's order, each once.

    What was asked for stays; a variant that contradicts it, or adds nothing to it, is left out.
    """
    plan: list[dict[str, str]] = []
    for variant in engine.variants:
        merged = {**variant, **asked}
        kept = all(merged[name] == value for name, value in variant.items())
        if kept and merged != dict(asked) and merged not in plan:
            plan.append(merged)
    return plan
