import pytest

from scraper.page_state import PageFacts, page_state


def facts(**more: object) -> PageFacts:
    values: dict[str, object] = {
        "url": "https://www.google.com/search?q=beach",
        "title": "beach - Google Search",
        "items": 0,
        "captcha": False,
        "consent": False,
        "javascript_wall": False,
        "big_pictures": 0,
        "search_box": True,
        "status": 200,
    }
    return PageFacts(**(values | more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("page", "state"),
    [
        (facts(items=100), "results"),
        (facts(items=100, javascript_wall=True), "results"),
        (facts(captcha=True, items=3), "blocked"),
        (facts(status=429), "blocked"),
        (facts(url="https://www.google.com/sorry/index?q=x"), "blocked"),
        (facts(javascript_wall=True), "blocked"),
        (facts(consent=True), "consent"),
        (facts(url="https://consent.google.com/m?continue=x"), "consent"),
        (facts(), "nothing found"),
        (facts(big_pictures=40), "layout unknown"),
        (facts(search_box=False), "layout unknown"),
    ],
)
def test_each_kind_of_page_is_told_apart(page: PageFacts, state: str) -> None:
    assert page_state(page) == state
