import base64
import hashlib
import json
import re

import pytest

from scraper.gallery.catalogue import Catalogue, ServedResult
from scraper.gallery.faults import Previews, Start
from scraper.gallery.page import (
    LAYOUTS,
    TEXTS,
    View,
    empty_page,
    later_batch,
    results_page,
    start_page,
)
from scraper.gallery.settings import Mix

ITEM = re.compile(r'data-docid="([^"]+)" data-ref-docid="([^"]+)" data-lpage="([^"]+)"')
COLUMNS, END_TEXT = LAYOUTS["2026"].columns, TEXTS["en"]["end"]
OPTIONS = {"automatic": 2, "delay_ms": 0}
JPEG = b"\xff\xd8\xff"


def _results(count: int, title: str = "A title") -> list[ServedResult]:
    return [
        ServedResult(
            "Beach", n, f"doc{n}", f"thumb{n}", f"https://a.example/{n}", "a.example", title, bytes
        )
        for n in range(count)
    ]


class PlayedPreviews(Previews):
    """Previews that can all be had at once."""

    def read(self, result: ServedResult) -> bytes:
        return b"" if result.position == 1 else JPEG + f"picture {result.position}".encode()

    def earliest(self, result: ServedResult) -> Start:
        return "inline"


PREVIEWS = PlayedPreviews(Catalogue([]), Mix())


def _page(count: int = 100, eid: str = "page-load-1", title: str = "A title") -> str:
    view = View(eid, "http://127.0.0.1:1", PREVIEWS)
    return results_page("beach", _results(count, title), 250, view, OPTIONS)


def test_every_result_is_one_item_inside_a_wrapper_with_its_docid() -> None:
    html = _page()
    assert len(ITEM.findall(html)) == 100
    assert html.count('data-docid="doc7"') == 2
    assert html.count('data-attrid="images universal"') == 100


def test_results_go_round_the_columns_in_rank_order() -> None:
    columns = re.split(r'data-l="\d+"', _page())[1:]
    assert len(columns) == COLUMNS
    ids = [[docid for docid, _, _ in ITEM.findall(column)] for column in columns]
    assert [ids[rank % COLUMNS][rank // COLUMNS] for rank in range(100)] == [
        f"doc{rank}" for rank in range(100)
    ]


def test_thumbnails_start_inline_then_plain_then_as_placeholders() -> None:
    html = _page()
    sources = re.findall(r'<img id="dimg_page-load-1_(\d+)" alt="A title" src="([^"]+)"', html)
    plain = {int(rank) for rank, src in sources if src.startswith("http")}
    waiting = {len(src) for _, src in sources if src.startswith("data:")}
    assert plain == {1, *range(23, 60)}
    assert waiting == {82}
    assert html.count("_setImagesSrc(ii,s)") == 22


def test_inline_bytes_are_whole_behind_their_escapes() -> None:
    scripts = re.findall(r"var s='([^']+)';var ii=\['dimg_page-load-1_(\d+)'\]", _page())
    for data, rank in scripts:
        assert "=" not in data
        body = data.partition(",")[2].replace(r"\x3d", "=")
        assert base64.b64decode(body, validate=True) == PREVIEWS.read(_results(100)[int(rank)])


def test_the_maps_hold_an_address_for_every_thumbnail_that_waits() -> None:
    html = _page()
    found = re.search(r"google\.ldi, (\{.*?\})\); Object\.assign\(google\.pim, (\{.*?\})\)", html)
    assert found is not None
    assert r"images?q\u003dtbn:thumb60\u0026s\u003d10" in found[1]
    ldi, pim = json.loads(found[1]), json.loads(found[2])
    assert len(ldi) == 40
    assert len(pim) == 22
    assert ldi["dimg_page-load-1_60"] == "http://127.0.0.1:1/images?q=tbn:thumb60&s=10"


def test_class_names_change_with_each_page_load_and_attributes_stay() -> None:
    first, second = _page(eid="one"), _page(eid="two")
    names = [set(re.findall(r'class="([^"]+)"', html)) for html in (first, second)]
    assert len(names[0]) > 8
    assert not names[0] & names[1]
    assert ITEM.findall(first) == ITEM.findall(second)


def test_only_the_favicons_have_a_class_among_the_pictures_of_an_item() -> None:
    column = _page(count=1).split('data-l="0"')[1].split('data-l="1"')[0]
    thumbnail, favicon = re.findall(r"<img [^>]+>", column)
    assert "class=" not in thumbnail
    assert "class=" in favicon
    assert 'width="16" height="16"' in favicon


def test_the_end_text_stands_as_an_attribute_from_the_start() -> None:
    html = _page()
    assert f'data-emptymessage="{END_TEXT.replace(chr(39), "&#39;")}"' in html
    assert 'jsname="oHxHid" aria-label="More results"' in html
    assert 'jsname="a79Lwf"' in html


@pytest.mark.parametrize("title", ['"><script>alert(1)</script>', "a & b <i>"])
def test_titles_and_queries_are_escaped(title: str) -> None:
    view = View("x", "http://127.0.0.1:1", PREVIEWS)
    assert title not in _page(count=3, title=title)
    assert title not in empty_page(title, view)


def test_a_later_batch_goes_on_counting_with_the_class_names_of_its_page() -> None:
    view = View("page-load-1", "http://127.0.0.1:1", PREVIEWS)
    batch = later_batch(100, _results(5), view)
    assert len(batch["items"]) == 5
    assert list(batch["ldi"]) == [f"dimg_page-load-1_{rank}" for rank in range(100, 105)]
    assert view.names["wrapper"] in batch["items"][0]
    assert view.names["wrapper"] in _page()


def test_the_page_without_results_has_a_search_box_and_no_item() -> None:
    html = empty_page("nothing at all", View("x", "http://127.0.0.1:1", PREVIEWS))
    assert 'name="q"' in html
    assert "did not match any image results" in html
    assert "data-docid" not in html


# What the gallery of 2026 without behaviours wrote before it had any; a new digest is a new default.
DEFAULT_DIGESTS = {
    "page": "8734e87447c8ba5ce2b0d23d3242c2358e464a7becb0ab1cf6c91cf398c0f735",
    "batch": "58c1c870932c84862848cf72880bcd5106eddcee6741efffa501f9ca75de82ef",
    "empty": "c09cc003c31e098d42a53acfc224e86473445aba7bc8345e8b78efbb1a25b040",
    "start": "2ce343df4917430a003d5bad42f0cd4f3eb9cde5980ccbd18a52b0d29af269ea",
}


def test_the_bytes_of_the_default_gallery_never_change() -> None:
    view = View("page-load-1", "http://127.0.0.1:1", PREVIEWS)
    options = {"automatic": 2, "delay_ms": 300}
    served = {
        "page": results_page("beach", _results(100, "A title é"), 250, view, options),
        "batch": json.dumps(later_batch(100, _results(5, "A title é"), view)),
        "empty": empty_page("nothing", view),
        "start": start_page(["Beach", "Cat"], view),
    }
    digests = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in served.items()}
    assert digests == DEFAULT_DIGESTS
