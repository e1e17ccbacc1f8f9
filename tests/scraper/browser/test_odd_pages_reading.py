"""Pages that make reading hard, in real Chromium: every result is read, in its place."""

import gzip

import pytest
from support.drawing import draw_jpeg
from support.odd_pages import DOT, HTML, SEARCH_BOX, Site, Visitor, result, results

from sceneset.images import MAX_BYTES
from scraper.gallery.origin import Answer

pytestmark = pytest.mark.browser


def test_a_waiting_thumbnail_is_taken_from_its_relative_address(site: Site, visit: Visitor) -> None:
    waiting = f'src="{DOT}"'
    maps = "<script>google={ldi:{i2:'thumb/2'},pim:{i3:'/thumb/3'}}</script>"
    body = "".join(
        [result(1, f'{waiting} data-src="/thumb/1"'), result(2, waiting), result(3, waiting)]
    )
    page = f'{SEARCH_BOX}<base href="/elsewhere/../"><div role="main">{body}</div>{maps}'
    site.made["x"] = Answer(page.encode(), HTML)
    found = visit(site.url("x")).results
    assert [f.src for f in found] == [f"{site.pages.url}/thumb/{n}" for n in (1, 2, 3)]


def test_pictures_that_a_script_made_are_read_as_they_are(site: Site, visit: Visitor) -> None:
    page = results(1).replace('src="/thumb/1"', "") + (
        "<script>fetch('/thumb/1').then(a => a.blob()).then(b => {"
        "document.images[0].src = URL.createObjectURL(b) })</script>"
    )
    site.made["x"] = Answer(page.encode(), HTML)
    (found,) = visit(site.url("x")).results
    assert found.src.startswith("data:image/jpeg;base64,")


def test_each_bad_preview_has_its_reason_and_is_asked_for_once(site: Site, visit: Visitor) -> None:
    bomb = gzip.compress(draw_jpeg(1) + bytes(MAX_BYTES))
    site.made = {
        "/missing": Answer(b"no", "text/plain", 404),
        "/empty": Answer(b"", "image/jpeg"),
        "/drip": Answer(draw_jpeg(1), "image/jpeg", drips=True),
        "/huge": Answer(draw_jpeg(1) + bytes(MAX_BYTES), "image/jpeg"),
        "/bomb": Answer(bomb, "image/jpeg", headers={"Content-Encoding": "gzip"}),
        "/good": Answer(draw_jpeg(2), "image/jpeg"),
    }
    names = list(site.made)
    deferred = f'src="{DOT}" data-to="{{}}"'
    items = "".join(result(n, deferred.format(name)) for n, name in enumerate(names))
    script = (
        "<script>onload = () => { for (const i of document.images) i.src = i.dataset.to }</script>"
    )
    site.made["x"] = Answer(f'{SEARCH_BOX}<div role="main">{items}</div>{script}'.encode(), HTML)
    seen = visit(site.url("x"))
    answers = {}
    for found in seen.results:
        got = seen.body(found.src)
        assert got is not None, found
        answers[found.src.removeprefix(site.pages.url)] = (
            got.data if got.data is not None else got.reason
        )
    assert answers == {
        "/missing": "http_error",
        "/empty": b"",
        "/drip": "timeout",
        "/huge": "too_large",
        "/bomb": "too_large",
        "/good": draw_jpeg(2),
    }
    assert sorted(r.target for r in site.pages.requests if r.target in answers) == sorted(names)


def test_ranks_follow_what_the_viewer_sees(site: Site, visit: Visitor) -> None:
    items = "".join(
        f'<div style="position:absolute;top:{200 * (9 - n)}px">{result(n)}</div>' for n in range(10)
    )
    site.made["x"] = Answer(f'{SEARCH_BOX}<div role="main">{items}</div>'.encode(), HTML)
    assert [f.result_id for f in visit(site.url("x")).results] == [
        f"d{n}" for n in reversed(range(10))
    ]


def test_ranks_that_the_page_names_come_first(site: Site, visit: Visitor) -> None:
    item = '<div data-ri="{ri}" data-id="{n}" data-tbnid="t{n}"><img width=99 height=99 src="/thumb/{n}"></div>'
    order = [3, 0, 4, 1, 2]
    items = "".join(item.format(n=n, ri=ri) for n, ri in enumerate(order))
    site.made["x"] = Answer(f'{SEARCH_BOX}<div role="main">{items}</div>'.encode(), HTML)
    assert [f.result_id for f in visit(site.url("x")).results] == [
        f"t{order.index(n)}" for n in range(5)
    ]


def test_the_strategy_that_finds_more_thumbnails_wins(site: Site, visit: Visitor) -> None:
    """A few items with attributes among many without: attributes must not hide the rest."""
    bare = "".join(
        f'<section><div><img width=99 height=99 src="/thumb/{n}"></div><a href="https://s.example/{n}">x</a></section>'
        for n in range(12)
    )
    site.made["few"] = Answer((results(90, 91) + f'<div role="main">{bare}</div>').encode(), HTML)
    few = visit(site.url("few"))
    assert few.last is not None
    assert (few.last.strategy, few.last.last_resort, len(few.results)) == (
        "structure alone",
        True,
        12,
    )
    site.made["many"] = Answer(
        (results(*range(90, 96)) + f'<div role="main">{bare}</div>').encode(), HTML
    )
    many = visit(site.url("many"))
    assert many.last is not None
    assert (many.last.last_resort, len(many.results)) == (False, 6)


def test_a_relative_imgres_link_gives_its_ids_and_pages(site: Site, visit: Visitor) -> None:
    link = '<a href="/imgres?imgrefurl=https%3A%2F%2Fs.example%2F{n}&docid=k{n}"><img width=99 height=99 src="/thumb/{n}"></a>'
    page = SEARCH_BOX + "".join(link.format(n=n) for n in range(5))
    site.made["x"] = Answer(page.encode(), HTML)
    seen = visit(site.url("x"))
    assert [(f.result_id, f.page_url) for f in seen.results] == [
        (f"k{n}", f"https://s.example/{n}") for n in range(5)
    ]
    assert seen.last is not None
    assert seen.last.strategy == "imgres links"


def test_thumbnails_know_their_own_id(site: Site, visit: Visitor) -> None:
    link = '<a href="/imgres?docid=k{n}"><img width=99 height=99 src="/images?q=tbn:T{n}&s=10"></a>'
    page = SEARCH_BOX + "".join(link.format(n=n) for n in range(5))
    site.made |= {"x": Answer(page.encode(), HTML), "/images": Answer(draw_jpeg(1), "image/jpeg")}
    assert [f.result_id for f in visit(site.url("x")).results] == [f"T{n}" for n in range(5)]
