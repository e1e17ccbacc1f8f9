"""Describe an engine's API as data, and read its answers: JSON in, results out."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from scraper.engines.engine import Engine, SearchResult, encodable, with_parameters

MAX_TEXT = 1000
MAX_HTML = 5_000
_HIDDEN = re.compile(r"<(style|script)\b.*?</\1\s*>", re.DOTALL | re.IGNORECASE)
_BLOCK = re.compile(r"</?(?:br|div|p|li|ul|ol|tr|td|th|table)\b[^<>]*>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]*>")
_REQUIRED = ("result_id", "src")
_URLS = frozenset({"page_url", "licence_url", "src"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Pages:
    """Paginate by page numbers: where they stand in an answer, how many may be requested."""

    parameter: str
    number: str
    count: str
    most: int

    def following(self, answer: object) -> dict[str, str]:
        """Return the parameters of the next page, none at the end."""
        number, count = look(answer, self.number), look(answer, self.count)
        if not isinstance(number, int) or not isinstance(count, int):
            return {}
        return {self.parameter: str(number + 1)} if 0 < number < min(count, self.most) else {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """Paginate by the parameters that the answer itself names."""

    at: str

    def following(self, answer: object) -> dict[str, str]:
        """Return the parameters of the next page, none at the end."""
        named = look(answer, self.at)
        if not isinstance(named, dict):
            return {}
        return {str(name): text for name, value in named.items() if (text := _plain(value))}


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiEngine(Engine):
    """One engine whose results come from a public API as JSON.

    Names are dotted paths into the JSON. `results` is the list of results; `empty_sign` stands in
    an answer that leaves it out because there are none. `fields` says for each field of SearchResult where
    its words stand in a result; `html` names those that hold HTML; `spelled` gives some words
    another spelling. `order` is where a result's rank stands, if the list is not in order.
    `busy_codes` are error codes that ask to retry later.
    """

    results: str
    fields: Mapping[str, tuple[str, ...]]
    paging: Pages | Token
    html: frozenset[str] = frozenset()
    spelled: Mapping[str, str] = field(default_factory=dict)
    order: str = ""
    empty_sign: str = ""
    error_code: str = ""
    busy_codes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class ApiPage:
    """One answer's results, and the URL of the next one, None at the end."""

    results: tuple[SearchResult, ...]
    following: str | None


class Busy(Exception):  # noqa: N818  a state of the world, as Unreachable is
    """The answer is an error that asks to retry later."""


class UnknownAnswer(Exception):  # noqa: N818  a state of the world, as Unreachable is
    """The answer is not made as the engine's description says."""


def read_answer(engine: ApiEngine, answer: object, url: str) -> ApiPage:
    """Return the results of an answer that came from `url`. Raises Busy or UnknownAnswer."""
    code = look(answer, engine.error_code) if engine.error_code else None
    if code is not None:
        if _plain(code) in engine.busy_codes:
            raise Busy(_plain(code))
        raise UnknownAnswer(f"the API answers with the error {_plain(code) or '?'}")
    records = look(answer, engine.results)
    if records is None and engine.empty_sign and look(answer, engine.empty_sign) is not None:
        records = []
    if not isinstance(records, list):
        raise UnknownAnswer(f"the answer has no list {engine.results}")
    if engine.order and all(isinstance(look(r, engine.order), int) for r in records):
        records = sorted(records, key=lambda record: look(record, engine.order))
    results = [one for record in records if (one := _result(engine, record))]
    if records and not results:
        wanted = ", ".join(".".join(engine.fields[name]) for name in _REQUIRED)
        raise UnknownAnswer(f"no result has what is needed: {wanted}")
    following = engine.paging.following(answer)
    return ApiPage(tuple(results), with_parameters(url, following) if following else None)


def look(value: object, path: str) -> Any:  # noqa: ANN401  JSON is anything
    """Return what stands at a dotted path of a JSON value, None when nothing does."""
    for step in path.split("."):
        if isinstance(value, dict):
            value = value.get(step)
        elif isinstance(value, list) and step.isdecimal() and int(step) < len(value):
            value = value[int(step)]
        else:
            return None
    return value


def without_markup(text: str) -> str:
    """Return the words of a piece of HTML: tags, styles and scripts left out, entities resolved."""
    shown = _BLOCK.sub(" ", _HIDDEN.sub(" ", text[:MAX_HTML]))
    return unescape(_TAG.sub("", shown))


def _result(engine: ApiEngine, record: object) -> SearchResult | None:
    """Return a result, None when it lacks its id or its preview's URL."""
    values = {name: _words(engine, record, name) for name in engine.fields}
    if not all(values[name] for name in _REQUIRED):
        return None
    whole = {"page_url": "", "title": "", "site": "", "creator": ""} | values
    whole["licence"] = whole.get("licence") or "unknown"
    if not whole.get("attribution"):  # credit a work that comes without a line of its own
        creator = f" by {whole['creator']}" if whole["creator"] else ""
        parts = (f'"{whole["title"]}"{creator}', whole["licence"], whole["page_url"])
        whole["attribution"] = ", ".join(part for part in parts if part)
    return SearchResult(**whole)


def _words(engine: ApiEngine, record: object, name: str) -> str:
    parts = [_plain(look(record, path)) for path in engine.fields[name]]
    if name in engine.html:
        parts = [without_markup(part) for part in parts]
    if name == "licence":
        parts = [engine.spelled.get(part, part) for part in parts]
    text = " ".join(" ".join(parts).split())
    if name in _URLS:
        return text if text.startswith(("http://", "https://")) else ""
    return text[:MAX_TEXT]


def _plain(value: object) -> str:
    """Return a string or a whole number as text that any encoding can hold; else nothing."""
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    return encodable(str(value)).replace("\0", "")
