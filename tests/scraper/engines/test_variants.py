from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scraper.engines.engine import Engine, Option, variants_of

OPTIONS = ("size", "age", "type")
VALUES = st.dictionaries(st.sampled_from(OPTIONS), st.sampled_from("abc"), max_size=3)


def engine_with(*variants: Mapping[str, str]) -> Engine:
    options = {name: Option(parameter=name, values={"*": "{}"}) for name in OPTIONS}
    return Engine(name="e", template="{query}", terms="", options=options, variants=variants)


def test_variants_come_in_the_engines_order_with_what_was_asked() -> None:
    engine = engine_with({"size": "large"}, {"age": "year"})
    assert variants_of(engine, {"type": "photo"}) == [
        {"size": "large", "type": "photo"},
        {"age": "year", "type": "photo"},
    ]


@pytest.mark.parametrize("asked", [{"size": "small"}, {"size": "large"}])
def test_a_variant_that_contradicts_or_repeats_what_was_asked_is_left_out(
    asked: dict[str, str],
) -> None:
    assert variants_of(engine_with({"size": "large"}), asked) == []


def test_a_variant_that_agrees_in_part_adds_the_rest() -> None:
    engine = engine_with({"size": "large", "age": "year"})
    assert variants_of(engine, {"size": "large"}) == [{"size": "large", "age": "year"}]


@given(st.lists(VALUES, max_size=6), VALUES)
def test_what_was_asked_for_always_stays_and_no_search_comes_twice(
    variants: list[dict[str, str]], asked: dict[str, str]
) -> None:
    plan = variants_of(engine_with(*variants), asked)
    assert all(asked.items() <= variant.items() for variant in plan)
    assert all(any(v.items() <= p.items() for v in variants) for p in plan)
    searches = [frozenset(variant.items()) for variant in [asked, *plan]]
    assert len(set(searches)) == len(searches)
