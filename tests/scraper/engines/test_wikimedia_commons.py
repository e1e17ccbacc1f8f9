from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sceneset.errors import SettingsError
from scraper.engines.api import Busy, UnknownAnswer, read_answer, without_markup
from scraper.engines.engine import SearchResult
from scraper.engines.wikimedia_commons import WIKIMEDIA_COMMONS

URL = WIKIMEDIA_COMMONS.search_url("golden hour")
FILES = "https://upload.wikimedia.org/wikipedia/commons"
ARTIST = '<a href="//commons.wikimedia.org/wiki/User:Ann" title="User:Ann">Ann &amp; Bob</a>'
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=12,
)


def file(number: int, index: int = 1, **meta: str) -> dict[str, Any]:
    """Return a page as the API's documentation shows them (formatversion 2)."""
    words = {
        "Artist": ARTIST,
        "LicenseShortName": "CC BY-SA 4.0",
        "LicenseUrl": "https://creativecommons.org/licenses/by-sa/4.0",
    } | meta
    info = {
        "thumburl": f"{FILES}/thumb/a/ab/Beach_{number}.jpg/330px-Beach_{number}.jpg",
        "thumbwidth": 330,
        "thumbheight": 220,
        "url": f"{FILES}/a/ab/Beach_{number}.jpg",
        "descriptionurl": f"https://commons.wikimedia.org/wiki/File:Beach_{number}.jpg",
        "mime": "image/jpeg",
        "extmetadata": {
            name: {"value": value, "source": "commons-desc-page"} for name, value in words.items()
        },
    }
    return {
        "pageid": number,
        "ns": 6,
        "title": f"File:Beach {number}.jpg",
        "index": index,
        "imagerepository": "local",
        "imageinfo": [info],
    }


def answer(*files: dict[str, Any], offset: int | None = None) -> dict[str, Any]:
    more = {"continue": {"gsroffset": offset, "continue": "gsroffset||"}} if offset else {}
    return {"batchcomplete": True, **more, "query": {"pages": list(files)}}


def test_a_file_becomes_a_result_with_its_licence_and_its_creator() -> None:
    page = read_answer(WIKIMEDIA_COMMONS, answer(file(7)), URL)
    assert page.results == (
        SearchResult(
            result_id="7",
            page_url="https://commons.wikimedia.org/wiki/File:Beach_7.jpg",
            title="File:Beach 7.jpg",
            site="",
            src=f"{FILES}/thumb/a/ab/Beach_7.jpg/330px-Beach_7.jpg",
            licence="CC BY-SA 4.0",
            licence_url="https://creativecommons.org/licenses/by-sa/4.0",
            creator="Ann & Bob",
            attribution='"File:Beach 7.jpg" by Ann & Bob, CC BY-SA 4.0,'
            " https://commons.wikimedia.org/wiki/File:Beach_7.jpg",
        ),
    )


def test_a_credit_that_the_creator_asks_for_is_kept() -> None:
    asked = file(1, Attribution="<p>Photo: <b>Ann</b></p>")
    found = read_answer(WIKIMEDIA_COMMONS, answer(asked), URL).results[0]
    assert found.attribution == "Photo: Ann"


def test_a_file_that_says_no_licence_is_of_an_unknown_one() -> None:
    bare = file(1)
    del bare["imageinfo"][0]["extmetadata"]
    found = read_answer(WIKIMEDIA_COMMONS, answer(bare), URL).results[0]
    assert (found.licence, found.licence_url, found.creator) == ("unknown", "", "")


def test_results_come_in_the_order_of_the_search_not_of_the_pages() -> None:
    page = read_answer(WIKIMEDIA_COMMONS, answer(file(5, 3), file(6, 1), file(9, 2)), URL)
    assert [found.result_id for found in page.results] == ["6", "9", "5"]


def test_the_first_address_asks_for_previews_with_their_licences() -> None:
    asked = {name: values[0] for name, values in parse_qs(urlsplit(URL).query).items()}
    assert asked["gsrsearch"] == "golden hour filetype:bitmap"
    assert (asked["gsrlimit"], asked["gsrnamespace"], asked["maxlag"]) == ("50", "6", "5")
    assert (asked["iiprop"], asked["iiurlwidth"]) == ("url|mime|extmetadata", "330")
    assert asked["iiextmetadatafilter"] == "Artist|LicenseShortName|LicenseUrl|Attribution"


@pytest.mark.parametrize(
    "template", [None, "http://127.0.0.1:9/w/api.php?generator=search&gsrsearch={query}"]
)
def test_the_next_answer_is_asked_for_at_the_same_address(template: str | None) -> None:
    url = WIKIMEDIA_COMMONS.search_url("beach", {"size": "large"}, template)
    for offset in (50, 100):
        following = read_answer(WIKIMEDIA_COMMONS, answer(file(1), offset=offset), url).following
        assert following is not None
        before, after = urlsplit(url), urlsplit(following)
        assert (before.netloc, before.path) == (after.netloc, after.path)
        changed = {"gsroffset": [str(offset)], "continue": ["gsroffset||"]}
        assert parse_qs(after.query) == parse_qs(before.query) | changed
        url = following
    assert read_answer(WIKIMEDIA_COMMONS, answer(file(1)), url).following is None


def test_a_search_that_finds_nothing_leaves_its_results_out() -> None:
    assert read_answer(WIKIMEDIA_COMMONS, {"batchcomplete": True}, URL).results == ()


def test_a_lagging_server_asks_for_patience() -> None:
    lag = {"error": {"code": "maxlag", "info": "Waiting for a database server", "lag": 6.1}}
    with pytest.raises(Busy):
        read_answer(WIKIMEDIA_COMMONS, lag, URL)


@pytest.mark.parametrize(
    "broken",
    [
        {"error": {"code": "badvalue", "info": "Unrecognized value"}},
        {"error": {"code": {"a": 1}}},
        {"query": {}},
        {"query": {"pages": {"7": file(7)}}},
        {},
        [],
        None,
        answer({"pageid": 7, "title": "File:Gone.jpg", "missing": True}),
    ],
)
def test_an_answer_that_is_made_otherwise_is_told(broken: object) -> None:
    with pytest.raises(UnknownAnswer):
        read_answer(WIKIMEDIA_COMMONS, broken, URL)


NEAR = st.dictionaries(
    st.sampled_from(["query", "error", "continue", "batchcomplete"]),
    st.dictionaries(st.sampled_from(["pages", "code", "gsroffset"]), JSON) | JSON,
)


@given(NEAR)
def test_any_json_whatsoever_is_read_or_told(value: object) -> None:
    try:
        read_answer(WIKIMEDIA_COMMONS, value, URL)
    except (UnknownAnswer, Busy):
        return


@given(st.dictionaries(st.text(), JSON))
def test_any_token_whatsoever_leads_on_at_the_same_address(named: dict[str, object]) -> None:
    following = read_answer(WIKIMEDIA_COMMONS, answer(file(1)) | {"continue": named}, URL).following
    assert following is None or urlsplit(following).netloc == "commons.wikimedia.org"


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("plain", "plain"),
        ("<bdi><a href='x'>Ann</a></bdi> (talk)", "Ann (talk)"),
        ("a &lt;b&gt; &amp; c&#39;s", "a <b> & c's"),
        ("<style data-x>.mw{color:red}</style><b>Jo</b>hn<br/>Doe", "John Doe"),
        ("<ul><li>Ann</li><li>Bob</li></ul>", "Ann Bob"),
        ("<![foo[ <!-- x --> y", "<![foo[ y"),
    ],
)
def test_markup_is_left_out(html: str, words: str) -> None:
    assert " ".join(without_markup(html).split()) == words


@given(st.text(alphabet="<>!&;/-[] \nabstyle", max_size=300))
def test_no_markup_whatsoever_raises(html: str) -> None:
    without_markup(html)


def test_endless_markup_takes_no_time() -> None:
    assert without_markup("<style" * 100_000)
    assert without_markup("<" * 100_000)


def test_options_become_words_of_the_search() -> None:
    asked = {"size": "large", "type": "photo", "licence": "public-domain"}
    sent = parse_qs(urlsplit(WIKIMEDIA_COMMONS.search_url("a b", asked)).query)["gsrsearch"][0]
    assert sent == ("a b fileres:>1000 filemime:image/jpeg haslicense:unrestricted filetype:bitmap")
    free = WIKIMEDIA_COMMONS.search_url("a b", {"licence": "commercial"})
    assert free == WIKIMEDIA_COMMONS.search_url("a b")


@pytest.mark.parametrize("asked", [{"colour": "red"}, {"safe": "on"}, {"age": "day"}])
def test_what_it_lacks_is_refused(asked: dict[str, str]) -> None:
    with pytest.raises(SettingsError):
        WIKIMEDIA_COMMONS.check(asked)
