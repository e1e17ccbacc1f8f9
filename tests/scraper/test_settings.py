from pathlib import Path

import pytest

from sceneset.errors import SettingsError
from scraper.engines import ENGINES
from scraper.settings import ScrapeSettings, SearchOptions


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
        {"browsers": 0},
        {"grid": "127.0.0.1:4444"},
        {"engine": "altavista"},
        {"search": SearchOptions(licence="public-domain")},
        {"engine": "openverse", "grid": "http://127.0.0.1:4444"},
        {"engine": "openverse", "driver": Path("chromedriver")},
        {"engine": "openverse", "headful": True},
        {"engine": "openverse", "browsers": 2},
        {"engine": "openverse", "contact": "(me)"},
        {"contact": "me@site.example"},
        {"grid": "http://127.0.0.1:4444", "driver": Path("chromedriver")},
        {"grid": "http://["},
        {"grid": "http://127.0.0.1:99999999"},
        {"search_url": "http://[/?q={query}"},
        {"search_url": "http://host:abc/?q={query}"},
    ],
    ids=str,
)
def test_values_that_cannot_work_are_refused_with_a_cure(values: dict[str, object]) -> None:
    with pytest.raises(SettingsError) as refusal:
        ScrapeSettings(**values)  # type: ignore[arg-type]
    assert refusal.value.cure


def test_the_help_names_every_engine() -> None:
    text = Path("scraper/settings.py")
    root = Path(__file__).resolve().parents[2]
    assert all(name in (root / text).read_text() for name in ENGINES)


@pytest.mark.parametrize("name", sorted(ENGINES))
def test_every_engine_can_be_asked_for(name: str) -> None:
    assert ScrapeSettings(engine=name).engine == name


@pytest.mark.parametrize("contact", ["", " ", "a\r\nX: 1", "bücher", "(me)", "x\0"])
def test_a_contact_that_no_header_can_hold_is_refused(contact: str) -> None:
    with pytest.raises(SettingsError, match="--contact"):
        ScrapeSettings(engine="openverse", contact=contact)
