"""The contract with Bing's results page, on a replica: what each item says, and where its end is."""

import html
import json
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.drawing import draw_jpeg

from scraper.engines.bing_images import BING_IMAGES
from scraper.gallery.origin import NOT_FOUND, Answer, Origin, Request, serving
from scraper.settings import SearchOptions

SHOWN, LATER = 30, 12
BLANK = "data:image/gif;base64,R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
ITEM = """<li><div class="x{n}"><a m="{record}" href="/images/search?view=detailV2&id={n}" h="ID=images">
<div><img alt="See the source" style="width:234px;height:180px;display:block" {source}></div></a>
<a href="https://site.example/{n}" target="_blank" title="The title {n}">site.example</a></div></li>"""
PAGE = """<!DOCTYPE html><title>beach - Search Images</title><header><form><input name="q"></form>
<img width=60 height=60 src="/th?id=logo"></header><div role="main"><ul id="results">{items}</ul>
<a role="button" id="more" onclick="more()">さらに表示</a></div>
<script>
for (const img of document.querySelectorAll("img[data-src]")) new IntersectionObserver((seen, one) => {{
  if (seen.some(s => s.isIntersecting)) {{ one.disconnect(); img.src = img.dataset.src; }}
}}).observe(img);
async function more() {{
  document.querySelector("#more").remove();
  const items = await (await fetch("/images/async?first=31")).text();
  document.querySelector("#results").insertAdjacentHTML("beforeend", items);
}}
</script>"""
Visitor = Callable[..., Any]


def record(n: int) -> dict[str, str]:
    return {
        "sid": "",
        "cid": f"c{n}",
        "purl": f"https://site.example/{n}",
        "murl": f"https://site.example/{n}/big.jpg",
        "turl": f"/th?id=OIP.{n}&pid=15.1",
        "md5": f"{n:032x}",
        "shkey": "x",
        "t": f'The title {n} — "海辺"',
        "mid": f"{n:040X}",
        "desc": "",
    }


def item(n: int, *, late: bool = True) -> str:
    here = f"/th?id=OIP.{n}&w=234&h=180"
    source = f'src="{here}"' if n < 9 or not late else f'src="{BLANK}" data-src="{here}"'
    return ITEM.format(n=n, record=html.escape(json.dumps(record(n))), source=source)


def respond(request: Request) -> Answer:
    if request.path == "/images/search":
        page = PAGE.format(items="".join(map(item, range(SHOWN))))
        return Answer(page.encode(), "text/html; charset=utf-8")
    if request.path == "/images/async":
        later = "".join(item(n, late=False) for n in range(SHOWN - 2, SHOWN + LATER))
        return Answer(later.encode(), "text/html; charset=utf-8")
    if request.path == "/th":
        return Answer(draw_jpeg(len(request.query["id"]), (234, 180)), "image/jpeg")
    return NOT_FOUND


@pytest.fixture(name="bing")
def _bing() -> Iterator[Origin]:
    with serving(Origin(0, respond)) as origin:
        yield origin


@pytest.mark.browser
def test_every_item_is_read_with_what_its_record_says(bing: Origin, visit: Visitor) -> None:
    seen = visit(f"{bing.url}/images/search?q=beach", BING_IMAGES)
    assert (seen.state, seen.reason) == ("results", "end of results")
    assert seen.last.strategy == "record in m"
    found = {one.result_id: one for one in seen.results}
    assert set(found) == {f"{n:040X}" for n in range(SHOWN + LATER)}
    assert len(seen.results) == len(found)
    for n in (0, 20, SHOWN + 3):
        one = found[f"{n:040X}"]
        assert one.page_url == f"https://site.example/{n}"
        assert one.title == f'The title {n} — "海辺"'
        assert one.src == f"{bing.url}/th?id=OIP.{n}&w=234&h=180"
        assert seen.body(one.src).data == draw_jpeg(len(f"OIP.{n}"), (234, 180))


@pytest.mark.browser
def test_an_item_whose_picture_never_comes_has_the_address_of_its_record(
    bing: Origin, visit: Visitor
) -> None:
    blank = item(40).replace("data-src", "data-later")
    bing.respond = lambda request: (
        Answer(f"<form><input name=q></form><ul>{item(1)}{blank}</ul>".encode(), "text/html")
        if request.path == "/images/search"
        else respond(request)
    )
    found = {
        one.page_url: one.src for one in visit(f"{bing.url}/images/search", BING_IMAGES).results
    }
    assert found["https://site.example/40"] == f"{bing.url}/th?id=OIP.40&pid=15.1"


@pytest.mark.browser
def test_a_record_that_is_no_json_costs_only_itself(bing: Origin, visit: Visitor) -> None:
    broken = item(7).replace('m="{', 'm="{,')
    bing.respond = lambda request: (
        Answer(f"<ul>{item(1)}{broken}{item(2)}</ul>".encode(), "text/html")
        if request.path == "/images/search"
        else respond(request)
    )
    seen = visit(f"{bing.url}/images/search", BING_IMAGES)
    assert [one.page_url for one in seen.results] == [
        "https://site.example/1",
        "https://site.example/2",
    ]


def test_filters_are_joined_in_one_parameter() -> None:
    asked = SearchOptions(
        size="large", type="photo", colour="red", age="week", licence="public-domain", safe=True,
        country="de", language="de",
    ).requested()  # fmt: skip
    BING_IMAGES.check(asked)
    sent = parse_qs(urlsplit(BING_IMAGES.search_url("beach at night", asked)).query)
    assert sent["q"] == ["beach at night"]
    assert sorted(sent["qft"][0].split("+filterui:")) == [
        "", "age-lt10080", "color2-FGcls_RED", "imagesize-large", "license-L1", "photo-photo",
    ]  # fmt: skip
    assert (sent["adlt"], sent["cc"], sent["setlang"]) == (["strict"], ["de"], ["de"])


def test_every_variant_is_one_that_the_engine_knows() -> None:
    for variant in BING_IMAGES.variants:
        BING_IMAGES.check(variant)
