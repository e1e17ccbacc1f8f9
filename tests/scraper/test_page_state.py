import pytest

from scraper.page_state import PageFacts, is_sorry, page_state


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
        (facts(items=100, consent=True), "results"),
        (facts(items=9, title="Our systems have detected unusual traffic"), "results"),
        (facts(captcha=True, items=3), "blocked"),
        (facts(status=429), "blocked"),
        (facts(status=403), "blocked"),
        (facts(status=503), "blocked"),
        (facts(url="https://www.google.com/sorry/index?q=x"), "blocked"),
        (facts(url="https://sorry.google.com/x"), "blocked"),
        (facts(passed=("https://www.google.com/sorry/index?continue=x",)), "blocked"),
        (facts(javascript_wall=True), "blocked"),
        (facts(empty_main=True), "blocked"),
        (facts(consent=True), "consent"),
        (facts(consent=True, empty_main=True), "consent"),
        (facts(url="https://consent.google.com/m?continue=x"), "consent"),
        (facts(), "nothing found"),
        (facts(title="unusual traffic"), "nothing found"),
        (facts(big_pictures=40), "layout unknown"),
        (facts(big_pictures=40, empty_main=True), "layout unknown"),
        (facts(search_box=False), "layout unknown"),
    ],
)
def test_each_kind_of_page_is_told_apart(page: PageFacts, state: str) -> None:
    assert page_state(page) == state


@pytest.mark.parametrize(
    ("url", "sorry"),
    [
        ("https://www.google.com/sorry/index", True),
        ("https://sorry.google.com/", True),
        ("https://www.google.com/search?q=/sorry/index", False),
        ("https://www.google.com/search?q=sorry", False),
        ("https://notsorry.example/", False),
    ],
)
def test_a_block_page_is_known_by_its_address(url: str, sorry: bool) -> None:  # noqa: FBT001  a column of the table
    assert is_sorry(url) == sorry
