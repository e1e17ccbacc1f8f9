import pytest

from pipeline.errors import SettingsError
from scraper.settings import ScrapeSettings


@pytest.mark.parametrize(
    ("values", "limit"),
    [
        ({}, 20),
        ({"pause": 0}, None),
        ({"pause": 0, "max_per_minute": 7}, 7),
        ({"max_per_minute": 60}, 60),
    ],
)
def test_an_asked_limit_always_holds_and_no_pause_means_no_limit_of_ours(
    values: dict[str, int], limit: int | None
) -> None:
    assert ScrapeSettings(**values).loads_per_minute == limit  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"per_class": 0},
        {"attempts": 0},
        {"max_per_minute": 0},
        {"pause": -1},
        {"pause": float("nan")},
        {"max_seconds": 0},
        {"search_url": "http://host/search"},
        {"search_url": "ftp://host/{query}"},
        {"search_url": "{query}"},
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused_with_a_cure(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as refusal:
        ScrapeSettings(**values)  # type: ignore[arg-type]
    assert refusal.value.cure
