import pytest

from sceneset.errors import SettingsError
from scraper.settings import SearchOptions


def test_only_what_was_asked_for_is_sent() -> None:
    assert SearchOptions().requested() == {}
    asked = SearchOptions(language="de", size="large", licence="commercial").requested()
    assert asked == {"language": "de", "size": "large", "licence": "commercial"}


def test_safe_search_is_on_off_or_the_engines_own_choice() -> None:
    assert SearchOptions(safe=True).requested() == {"safe": "on"}
    assert SearchOptions(safe=False).requested() == {"safe": "off"}
    assert SearchOptions(safe=None).requested() == {}


@pytest.mark.parametrize("value", ["", "e", "eng", "en-US", "e1", "é1", "ДЕ", "en\n", "&gl=x", "*"])
def test_a_language_or_country_that_is_no_code_of_two_letters_is_refused(value: str) -> None:
    for name in ("language", "country"):
        with pytest.raises(SettingsError, match=f"--{name} ") as refused:
            SearchOptions(**{name: value})  # type: ignore[arg-type]
        assert "two letters" in refused.value.cure


@pytest.mark.parametrize("value", ["en", "JA"])
def test_a_code_of_two_letters_is_taken(value: str) -> None:
    assert SearchOptions(language=value, country=value).requested()["country"] == value
