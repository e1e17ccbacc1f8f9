from collections.abc import Mapping
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sceneset.errors import SettingsError
from scraper.engines import ENGINES
from scraper.engines.engine import Engine, Option, with_parameters

ENGINE = Engine(
    name="example",
    template="https://example.org/find?q={query}&lang=en&empty=",
    terms="be kind",
    options={
        "language": Option(parameter="lang", values={"*": "{}"}),
        "size": Option(parameter="f", values={"large": "size:l", "any": ""}),
        "colour": Option(parameter="f", values={"red": "c:red", "blue": "c:blue"}),
        "kind": Option(parameter="", values={"photo": "is:photo"}),
    },
)
ASKED = st.fixed_dictionaries(
    {},
    optional={
        "language": st.text("abcdefgh", min_size=2, max_size=2),
        "size": st.sampled_from(["large", "any"]),
        "colour": st.sampled_from(["red", "blue"]),
        "kind": st.just("photo"),
    },
)
VALUES = {
    (name, option): value
    for name, engine in ENGINES.items()
    for option, described in engine.options.items()
    for value in described.values
}


def parameters(url: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(url).query, keep_blank_values=True, errors="strict")


@given(st.text(), ASKED)
def test_an_address_gives_back_its_query_and_its_options(
    query: str, asked: Mapping[str, str]
) -> None:
    ENGINE.check(asked)
    found = parameters(ENGINE.search_url(query, asked))
    words = query + (" is:photo" if "kind" in asked else "")
    assert found["q"] == [words]
    assert found["lang"] == [asked.get("language", "en")]
    filters = {"large": "size:l", "red": "c:red", "blue": "c:blue"}
    wanted = ",".join(
        filters[v] for k, v in asked.items() if k in {"size", "colour"} and v in filters
    )
    assert found.get("f", [""]) == [wanted]


@given(st.text(), ASKED)
def test_a_templates_own_parameters_survive(query: str, asked: Mapping[str, str]) -> None:
    template = "http://127.0.0.1:8099/s?a=1&a=2&b=%C3%A9+x&q={query}&c=%26#part"
    url = ENGINE.search_url(query, asked, template)
    found = parameters(url)
    assert (found["a"], found["b"], found["c"]) == (["1", "2"], ["é x"], ["&"])
    assert urlsplit(url).netloc == "127.0.0.1:8099"
    assert urlsplit(url).fragment == "part"


@given(st.text(min_size=1))
@example("a b/c?d+e")
def test_a_query_may_stand_in_the_path(query: str) -> None:
    path = urlsplit(ENGINE.search_url(query, template="http://h.example/s/{query}/all")).path
    assert unquote(path.removeprefix("/s/").removesuffix("/all")) == query


@given(st.dictionaries(st.text(min_size=1), st.text(), max_size=4), st.text())
def test_parameters_are_set_and_others_kept(new: dict[str, str], other: str) -> None:
    url = with_parameters("https://h.example/?k=old&k=older", {"k": other})
    assert parse_qsl(urlsplit(url).query, keep_blank_values=True) == [("k", other)]
    both = parse_qsl(urlsplit(with_parameters(url, new)).query, keep_blank_values=True)
    assert dict(both) == {"k": other} | new


def test_an_option_that_an_engine_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(SettingsError, match="engine example has no such option") as refused:
        ENGINE.check({"age": "day"})
    assert "--language, --size, --colour, --kind" in refused.value.cure
    bare = Engine(name="bare", template="x", terms="")
    with pytest.raises(SettingsError) as refused:
        bare.check({"age": "day"})
    assert "no search options" in refused.value.cure


def test_a_value_that_an_engine_lacks_is_refused_with_those_it_has() -> None:
    with pytest.raises(SettingsError, match="knows no such value") as refused:
        ENGINE.check({"colour": "mauve"})
    assert "red, blue" in refused.value.cure


def test_a_value_that_is_what_the_engine_does_anyway_changes_nothing() -> None:
    assert ENGINE.search_url("x", {"size": "any"}) == ENGINE.search_url("x")


@pytest.mark.parametrize(("name", "option"), VALUES, ids=str)
def test_every_value_of_every_engine_is_sent_in_its_parameter(name: str, option: str) -> None:
    engine = ENGINES[name]
    described = engine.options[option]
    for value in described.values:
        asked = {option: "xx" if value == "*" else value}
        engine.check(asked)
        sent = described.sent(asked[option])
        found = parameters(engine.search_url("a b", asked))
        if described.parameter:
            assert sent in found[described.parameter]
        elif sent:
            assert any(f"a b {sent}" in values[0] for values in found.values())


@pytest.mark.parametrize("name", ENGINES)
def test_every_engine_can_be_asked_for_each_of_its_variants(name: str) -> None:
    engine = ENGINES[name]
    assert engine.terms
    addresses = [engine.search_url("beach")]
    for variant in engine.variants:
        engine.check(variant)
        addresses.append(engine.search_url("beach", variant))
    assert len(set(addresses)) == len(addresses)
