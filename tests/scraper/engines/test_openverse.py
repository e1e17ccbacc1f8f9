from dataclasses import fields
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.errors import SettingsError
from scraper.engines.api import UnknownAnswer, read_answer
from scraper.engines.engine import SearchResult
from scraper.engines.openverse import OPENVERSE

URL = OPENVERSE.search_url("golden hour")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)
NAMES = sorted({path for paths in OPENVERSE.fields.values() for path in paths})


def image(number: int, **changes: Any) -> dict[str, Any]:  # noqa: ANN401  JSON is anything
    """Return a record as the API's documentation shows them."""
    uuid = f"4bc43a04-ef46-4544-a0c1-{number:012d}"
    return {
        "id": uuid,
        "title": f"Beach no. {number}",
        "foreign_landing_url": f"https://www.flickr.com/photos/me/{number}",
        "url": f"https://live.staticflickr.com/{number}_b.jpg",
        "creator": "Ann <3 & Bob",
        "creator_url": "https://www.flickr.com/photos/me",
        "license": "by-sa",
        "license_version": "2.0",
        "license_url": "https://creativecommons.org/licenses/by-sa/2.0/",
        "provider": "flickr",
        "source": "flickr",
        "attribution": '"Beach" by Ann is licensed under CC BY-SA 2.0.',
        "thumbnail": f"https://api.openverse.org/v1/images/{uuid}/thumb/",
        "mature": False,
        "height": 683,
        "width": 1024,
    } | changes


def answer(*images: Any, page: int = 1, pages: int = 12) -> dict[str, Any]:  # noqa: ANN401
    return {
        "result_count": 240,
        "page_count": pages,
        "page_size": 20,
        "page": page,
        "results": list(images),
    }


def test_a_record_becomes_a_result_with_its_licence_and_its_creator() -> None:
    page = read_answer(OPENVERSE, answer(image(7)), URL)
    assert page.results == (
        SearchResult(
            result_id="4bc43a04-ef46-4544-a0c1-000000000007",
            page_url="https://www.flickr.com/photos/me/7",
            title="Beach no. 7",
            site="flickr",
            src="https://api.openverse.org/v1/images/4bc43a04-ef46-4544-a0c1-000000000007/thumb/",
            licence="CC BY-SA 2.0",
            licence_url="https://creativecommons.org/licenses/by-sa/2.0/",
            creator="Ann <3 & Bob",
            attribution='"Beach" by Ann is licensed under CC BY-SA 2.0.',
        ),
    )


def test_what_a_record_leaves_out_is_empty_and_its_credit_is_put_together() -> None:
    bare = image(
        1, creator=None, attribution=None, license="pdm", license_version=None, license_url=None
    )
    found = read_answer(OPENVERSE, answer(bare), URL).results[0]
    assert (found.creator, found.licence, found.licence_url) == ("", "Public Domain Mark", "")
    assert found.attribution == (
        '"Beach no. 1", Public Domain Mark, https://www.flickr.com/photos/me/1'
    )


def test_the_first_address_stays_within_what_is_given_without_a_key() -> None:
    asked = parse_qs(urlsplit(URL).query)
    assert asked == {"q": ["golden hour"], "page_size": ["20"]}


@pytest.mark.parametrize("template", [None, "http://127.0.0.1:9/v1/images/?q={query}&page_size=5"])
def test_pages_follow_on_the_same_address_up_to_the_limit(template: str | None) -> None:
    url: str | None = OPENVERSE.search_url("beach", {"size": "large"}, template)
    start = urlsplit(str(url))
    for number in range(1, 13):
        assert url is not None
        parts = urlsplit(url)
        assert (parts.netloc, parts.path) == (start.netloc, start.path)
        asked = parse_qs(parts.query)
        assert asked.get("page", ["1"]) == [str(number)]
        assert asked["size"] == ["large"]
        assert asked["page_size"] == parse_qs(start.query)["page_size"]
        url = read_answer(OPENVERSE, answer(image(number), page=number, pages=20), url).following
    assert url is None


def test_the_last_page_has_no_next() -> None:
    assert read_answer(OPENVERSE, answer(image(1), page=3, pages=3), URL).following is None
    assert read_answer(OPENVERSE, answer(pages=0), URL).results == ()


@pytest.mark.parametrize(
    "broken",
    [
        {"detail": "Request was throttled."},
        {"results": None},
        {"results": {"0": image(1)}},
        [],
        None,
        "text",
        answer(image(1, thumbnail=None)),
        answer(image(1, id=True)),
        answer(image(1, id=None), image(2, thumbnail="ftp://x/")),
        answer("text", 3, None),
    ],
)
def test_an_answer_that_is_made_otherwise_is_told(broken: object) -> None:
    with pytest.raises(UnknownAnswer):
        read_answer(OPENVERSE, broken, URL)


def test_a_result_without_a_preview_is_left_out_among_others() -> None:
    page = read_answer(OPENVERSE, answer(image(1, thumbnail=None), image(2)), URL)
    assert [found.title for found in page.results] == ["Beach no. 2"]


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//x.example/", 5, None]
)
def test_only_addresses_of_the_web_are_kept(address: object) -> None:
    record = image(1, foreign_landing_url=address, license_url=address)
    found = read_answer(OPENVERSE, answer(record), URL).results[0]
    assert (found.page_url, found.licence_url) == ("", "")


@given(JSON)
def test_any_json_whatsoever_is_read_or_told(value: object) -> None:
    try:
        read_answer(OPENVERSE, value, URL)
    except UnknownAnswer:
        return


@given(
    st.lists(st.dictionaries(st.sampled_from(NAMES), JSON | st.just("https://x/")), max_size=3),
    JSON,
    JSON,
)
def test_any_record_whatsoever_is_read_or_told(
    records: list[dict[str, object]], page: object, pages: object
) -> None:
    broken = {"results": records, "page": page, "page_count": pages}
    try:
        results = read_answer(OPENVERSE, broken, URL).results
    except UnknownAnswer:
        return
    for found in results:
        for field in fields(SearchResult):
            text = getattr(found, field.name)
            assert text.encode("utf-8").decode() == text
            assert "\0" not in text
            assert field.name.endswith(("url", "src")) or len(text) <= 1000


def test_lone_surrogates_do_not_pass() -> None:
    found = read_answer(OPENVERSE, answer(image(1, title="a\ud800b\0c")), URL).results[0]
    assert found.title == "a?bc"


@pytest.mark.parametrize("asked", [{"colour": "red"}, {"country": "de"}, {"type": "face"}])
def test_what_it_lacks_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        OPENVERSE.check(asked)


def test_options_are_sent_as_documented() -> None:
    asked = {"size": "small", "type": "photo", "licence": "public-domain", "safe": "off"}
    sent = parse_qs(urlsplit(OPENVERSE.search_url("x", asked)).query)
    wanted = {"size": "small", "category": "photograph", "license": "cc0,pdm", "mature": "true"}
    assert {name: sent[name][0] for name in wanted} == wanted
