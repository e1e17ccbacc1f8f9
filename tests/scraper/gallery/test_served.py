"""What each vintage and behaviour puts on the wire, without a browser: the pages of results."""

import http.client
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from support.gallery import BATCH, COUNT, END, TBNID, Serve, ids, more, search, truth_ids, whole

from scraper.gallery.page import OTHER_LANGUAGES, TEXTS
from scraper.gallery.server import Gallery


@pytest.mark.parametrize("vintage", ["2024", "2026"])
def test_results_of_2024_and_later_have_docid_and_landing_page(serve: Serve, vintage: str) -> None:
    gallery = serve(vintage=vintage)
    assert sorted(ids(whole(gallery))) == sorted(map(str, truth_ids(gallery)))


def test_the_page_of_2022_has_tbnids_lazy_addresses_and_its_own_controls(serve: Serve) -> None:
    gallery = serve(vintage="2022")
    html = search(gallery)
    records = gallery.truth()["Lake"]
    assert ids(whole(gallery), TBNID) == truth_ids(gallery) == [r["thumb_id"] for r in records]
    assert html.count("_setImagesSrc(ii,s)") == 20
    assert html.count(" data-src=") == 1
    assert "docid" not in html.replace("data-ref-docid", "")
    assert 'type="button" value="Show more results"' in html
    assert f'data-emptymessage="{END.replace(chr(39), "&#39;")}"' in html
    inside, _, outside = html.partition('id="islsp"')
    assert inside.count('data-rel="1"') == 0
    assert outside.count('data-rel="1"') == 12


def test_the_page_of_2024_gives_favicons_the_thumbnails_class(serve: Serve) -> None:
    html = search(serve(vintage="2024"))
    assert html.count('class="YQ4gaf"') == BATCH
    assert html.count('class="YQ4gaf zr758c"') == BATCH
    assert html.count("<g-img>") == 2 * BATCH
    assert html.count('href="/imgres?') == 3
    assert html.rindex('data-rel="1"') > html.rindex('class="YQ4gaf"')


def test_renamed_pages_keep_attributes_and_lose_every_known_name(serve: Serve) -> None:
    gallery = serve("renamed")
    html = whole(gallery)
    assert sorted(ids(html)) == sorted(map(str, truth_ids(gallery)))
    assert not any(name in html for name in ("dTDiAc", "qQjpJ", "oHxHid", "a79Lwf", "More results"))
    labels = re.findall(r'aria-label="([^"]+)" role="button"', html)
    assert labels in [[TEXTS[lang]["more"], TEXTS[lang]["again"]] for lang in OTHER_LANGUAGES]
    names = re.findall(r'jsname="(\w+)" aria-label', html)
    assert names != re.findall(r'jsname="(\w+)" aria-label', search(gallery))
    assert all(f"[jsname={name}]" in html for name in names)


def test_without_attributes_only_structure_is_left(serve: Serve) -> None:
    gallery = serve("no-attributes")
    html = whole(gallery)
    items = html.partition("<div data-q=")[2]
    assert not re.search(r'data-(docid|ref-docid|lpage|attrid|ri|tbnid|id|l)="', html)
    assert len(re.findall(r'target="_blank"', items)) == COUNT
    assert all(str(record["page"]) in html for record in gallery.truth()["Lake"])
    assert truth_ids(gallery) == [None] * COUNT


def test_imgres_links_hold_everything_there_is_to_know(serve: Serve) -> None:
    gallery = serve("imgres-only")
    html = whole(gallery)
    links = [
        parse_qs(urlsplit(link.replace("&amp;", "&")).query)
        for link in re.findall(r'href="(/imgres[^"]+)"', html)
    ]
    told = {(link["docid"][0], link["tbnid"][0], link["imgrefurl"][0]) for link in links}
    assert told == {(r["docid"], r["thumb_id"], r["page"]) for r in gallery.truth()["Lake"]}
    assert 'target="_blank"' not in html
    assert not re.search(r'data-(docid|lpage)="', html)


@pytest.mark.parametrize("vintage", ["2022", "2024", "2026"])
def test_masonry_turns_each_batch_around_in_the_document(serve: Serve, vintage: str) -> None:
    gallery = serve("masonry", vintage=vintage)
    orders = [int(order) for order in re.findall(r"order:(\d+)", search(gallery))]
    later = [
        int(order) for html in more(gallery, BATCH)[1] for order in re.findall(r"order:(\d+)", html)
    ]
    wide = 6 if vintage == "2026" else 1
    expected = [rank for first in range(wide) for rank in range(BATCH)[first::wide][::-1]]
    assert orders == expected
    assert sorted(later) == list(range(BATCH, 2 * BATCH))
    assert later[0] > later[wide]


def test_virtualised_pages_say_so_in_their_script(serve: Serve) -> None:
    assert "takeAway(item, box)" in search(serve("virtualised"))
    assert "takeAway" not in search(serve())


def test_decoys_stand_outside_the_results(serve: Serve) -> None:
    gallery = serve("decoys")
    html = search(gallery)
    before, _, rest = html.partition('<div id="search">')
    grid, _, after = rest.partition('role="status"')
    assert before.count("/decoy?") == 1 + 8 + 5
    assert grid.count("/decoy?") == 0
    assert after.count('data-rel="1"') == 12
    assert "https://shop0.example" in before
    address = re.search(r'src="([^"]+/decoy[^"]+)"', html)
    assert address is not None
    connection = http.client.HTTPConnection(urlsplit(address[1]).netloc, timeout=10)
    connection.request("GET", address[1].removeprefix(gallery.thumbs.url))
    assert len(connection.getresponse().read()) > 2000
    connection.close()


def test_japanese_pages_have_japanese_words_and_emoji_titles(serve: Serve) -> None:
    gallery = serve("japanese")
    html = search(gallery)
    assert 'lang="ja"' in html
    assert TEXTS["ja"]["more"] in html
    assert "More results" not in html
    titles = [str(record["title"]) for record in gallery.truth()["Lake"][:BATCH]]
    assert all(f'alt="{title}"' in html for title in titles)
    assert any("📷" in title for title in titles)
    assert TEXTS["ja"]["nothing"][1] in search(gallery, "unknown")


def test_the_end_text_stands_unseen_in_a_page_that_has_more(serve: Serve) -> None:
    html = search(serve("early-end-marker")).replace("&#39;", "'")
    assert html.count(f">{END}<") == 5
    assert f">{END}<" not in search(serve()).replace("&#39;", "'")


def test_few_are_all_there_are(serve: Serve) -> None:
    gallery = serve("few")
    assert len(ids(whole(gallery))) == len(gallery.truth()["Lake"]) == 37


def test_hostile_galleries_of_one_seed_serve_the_same_truth(serve: Serve) -> None:
    first, second = serve(hostile=1), serve(hostile=1)
    assert first.mix == second.mix

    def known(gallery: Gallery) -> list[tuple[str | None, ...]]:
        return [(r["id"], r["sha256"], r["status"], r["reason"]) for r in gallery.truth()["Lake"]]

    assert known(first) == known(second)
