"""What each vintage and behaviour puts on the wire, without a browser."""

import http.client
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import pytest
from tests_support import draw_jpeg

from scraper.gallery.behaviours import Behaviour
from scraper.gallery.serve import Gallery, running_gallery
from scraper.gallery.settings import GallerySettings
from scraper.gallery.texts import FOREIGN, TEXTS

COUNT, BATCH = 60, 25
DOCID = re.compile(r'<div [^>]*data-docid="([^"]+)"[^>]*data-lpage=|data-docid="([^"]+)" data-ref')
TBNID = re.compile(r'data-tbnid="([^"]+)" data-ow="\d+" data-oh="\d+" data-ictx')
END = TEXTS["en"].end
Serve = Callable[..., Gallery]


class Visitor:
    """A client that keeps cookies and follows nothing by itself."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def get(self, url: str, form: str | None = None) -> tuple[int, http.client.HTTPMessage, str]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        target = parts.path + ("?" + parts.query if parts.query else "")
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookies} if cookies else {}
        connection.request("GET" if form is None else "POST", target, form, headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        name, _, rest = (answer.headers["Set-Cookie"] or "").partition("=")
        if name:
            self.cookies[name] = rest.partition(";")[0]
        return answer.status, answer.headers, body


@pytest.fixture(scope="module", name="pictures")
def _pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    (root / "Lake").mkdir()
    for number in range(COUNT):
        (root / "Lake" / f"{number:03}.jpg").write_bytes(draw_jpeg(number, (150, 100), 60))
    return root


@pytest.fixture(name="serve")
def _serve(pictures: Path) -> Iterator[Serve]:
    with ExitStack() as running:

        def serve(*behaviours: Behaviour, **more: Any) -> Gallery:  # noqa: ANN401  settings of any type
            values: dict[str, Any] = {"pictures": pictures, "batch": BATCH} | more
            settings = GallerySettings(port=0, behaviours=behaviours, **values)
            return running.enter_context(running_gallery(settings))

        yield serve


def search(gallery: Gallery, query: str = "Lake") -> str:
    return Visitor().get(gallery.search_url.replace("{query}", query))[2]


def more(gallery: Gallery, start: int, eid: str = "load") -> tuple[int, list[str]]:
    url = f"{gallery.pages.url}/more?q=Lake&start={start}&eid={eid}"
    status, _, body = Visitor().get(url)
    return status, json.loads(body)["items"] if status == 200 else []


def whole(gallery: Gallery) -> str:
    """Return the HTML of every item that a visitor can get to see."""
    total = re.search(r'data-total="(\d+)"', page := search(gallery))
    later = [
        html
        for start in range(BATCH, int(total[1]) if total else 0, BATCH)
        for html in more(gallery, start)[1]
    ]
    return page + "\n".join(later)


def ids(html: str, pattern: re.Pattern[str] = DOCID) -> list[str]:
    found = pattern.findall(html)
    return [one if isinstance(one, str) else next(filter(None, one)) for one in found]


def truth_ids(gallery: Gallery) -> list[str | None]:
    return [record["id"] for record in gallery.truth()["Lake"]]


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
    assert labels in [[TEXTS[lang].more, TEXTS[lang].again] for lang in FOREIGN]
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
    assert TEXTS["ja"].more in html
    assert "More results" not in html
    titles = [str(record["title"]) for record in gallery.truth()["Lake"][:BATCH]]
    assert all(f'alt="{title}"' in html for title in titles)
    assert any("📷" in title for title in titles)
    assert TEXTS["ja"].nothing[1] in search(gallery, "unknown")


def test_the_end_text_stands_unseen_in_a_page_that_has_more(serve: Serve) -> None:
    html = search(serve("early-end-marker")).replace("&#39;", "'")
    assert html.count(f">{END}<") == 5
    assert f">{END}<" not in search(serve()).replace("&#39;", "'")


def test_few_are_all_there_are(serve: Serve) -> None:
    gallery = serve("few")
    assert len(ids(whole(gallery))) == len(gallery.truth()["Lake"]) == 37


def test_later_batches_repeat_results_and_the_truth_counts_each_once(serve: Serve) -> None:
    gallery = serve("duplicates-across-batches")
    counts = Counter(ids(whole(gallery)))
    assert counts.keys() == set(truth_ids(gallery))
    assert sum(count == 2 for count in counts.values()) == 4
    digests = [record["sha256"] for record in gallery.truth()["Lake"]]
    told = Counter(record["status"] for record in gallery.truth()["Lake"])
    assert told == {"kept": len(set(digests)), "duplicate": COUNT - len(set(digests))}
    assert told["duplicate"] == 5


def test_bad_bytes_are_answered_as_the_truth_says(serve: Serve) -> None:
    gallery = serve("bad-bytes")
    told = Counter()
    for record in gallery.truth()["Lake"]:
        url = str(record["url"])
        connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
        connection.request("GET", url.removeprefix(gallery.thumbs.url))
        answer = connection.getresponse()
        data = answer.read()
        connection.close()
        assert (answer.status == 404) == (record["reason"] == "http_error")
        told[record["status"], record["reason"], answer.headers["Content-Type"]] += bool(data) or 1
    assert told["failed", "http_error", "image/jpeg"] == 3
    assert told["kept", "", "text/plain"] == 3
    assert told["rejected", "not_a_picture", "text/html"] == 2
    assert {("kept", "", f"image/{kind}") for kind in ("png", "webp", "gif")} < told.keys()


def test_slow_previews_take_their_time(serve: Serve) -> None:
    gallery = serve("slow-previews")
    url = str(gallery.truth()["Lake"][0]["url"])
    began = time.monotonic()
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    connection.request("GET", url.removeprefix(gallery.thumbs.url))
    connection.getresponse().read()
    connection.close()
    assert time.monotonic() - began >= 0.05


def test_a_dripping_preview_begins_at_once_and_does_not_end(serve: Serve) -> None:
    gallery = serve("dripping")
    record = gallery.truth()["Lake"][33]
    assert (record["status"], record["reason"]) == ("failed", "timeout")
    connection = http.client.HTTPConnection(urlsplit(str(record["url"])).netloc, timeout=0.4)
    connection.request("GET", str(record["url"]).removeprefix(gallery.thumbs.url))
    answer = connection.getresponse()
    assert answer.read(1) == b"\xff"
    with pytest.raises(TimeoutError):
        answer.read(1)
    connection.close()


def test_late_batches_come_after_a_second(serve: Serve) -> None:
    gallery = serve("late-batches")
    began = time.monotonic()
    assert len(more(gallery, BATCH)[1]) == BATCH
    assert 1 <= time.monotonic() - began < 4


def test_the_first_later_batch_of_each_page_load_fails_once(serve: Serve) -> None:
    gallery = serve("failed-batch")
    asked = [("one", BATCH), ("one", BATCH), ("one", 2 * BATCH), ("two", BATCH), ("two", BATCH)]
    assert [more(gallery, start, eid)[0] for eid, start in asked] == [500, 200, 200, 500, 200]


def test_a_stalled_batch_never_comes_and_stopping_does_not_wait_for_it(serve: Serve) -> None:
    gallery = serve("stall")
    assert more(gallery, BATCH)[0] == 200
    connection = http.client.HTTPConnection(urlsplit(gallery.pages.url).netloc, timeout=0.4)
    connection.request("GET", f"/more?q=Lake&start={2 * BATCH}&eid=x")
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert len(gallery.truth()["Lake"]) == 2 * BATCH


def test_nobody_finds_anything_where_there_are_no_results(serve: Serve) -> None:
    gallery = serve("no-results")
    assert "did not match any image results" in search(gallery)
    assert gallery.truth() == {"Lake": []}


def test_a_soft_block_looks_normal_and_holds_nothing(serve: Serve) -> None:
    gallery = serve("soft-block")
    status, _, html = Visitor().get(gallery.search_url.replace("{query}", "Lake"))
    assert status == 200
    assert "<title>Lake - Gallery Search</title>" in html
    assert '<noscript><iframe src="/httpservice/retry/enablejs?sei=' in html
    assert '<div id="main"></div>' in html
    assert "<img" not in html
    assert gallery.truth() == {"Lake": []}


def test_the_first_page_load_is_asked_to_come_back_later(serve: Serve) -> None:
    gallery = serve("retry-later")
    url = gallery.search_url.replace("{query}", "Lake")
    answers = [Visitor().get(url) for _ in range(3)]
    assert [status for status, _, _ in answers] == [503, 200, 200]
    assert answers[0][1]["Retry-After"] == "1"
    assert len(ids(answers[1][2])) == BATCH


def test_too_many_page_loads_in_a_minute_lead_to_sorry(serve: Serve) -> None:
    gallery = serve("sorry", loads_before_block=2)
    url = gallery.search_url.replace("{query}", "Lake")
    answers = [Visitor().get(url) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 302]
    place = answers[2][1]["Location"]
    assert place.startswith(gallery.pages.url + "/sorry/index?")
    status, headers, html = Visitor().get(place)
    assert status == 429
    assert 50 < int(headers["Retry-After"]) <= 60
    assert f"<title>{url}</title>" in html
    assert 'id="captcha-form" action="index"' in html
    assert 'class="g-recaptcha"' in html
    assert "unusual traffic from your computer network" in html


def test_sorry_is_only_where_it_is_asked_for(serve: Serve) -> None:
    assert Visitor().get(serve().pages.url + "/sorry/index")[0] == 404


def _consent_page(gallery: Gallery, visitor: Visitor) -> tuple[str, str]:
    status, headers, _ = visitor.get(gallery.search_url.replace("{query}", "Lake+at+night"))
    assert status == 302
    return headers["Location"], visitor.get(headers["Location"])[2]


@pytest.mark.parametrize(("value", "choice"), [("true", "rejected"), ("false", "accepted")])
def test_consent_is_asked_on_another_origin_and_counted(
    serve: Serve, value: str, choice: str
) -> None:
    gallery, visitor = serve("consent"), Visitor()
    place, html = _consent_page(gallery, visitor)
    assert urlsplit(place).netloc not in {
        urlsplit(o.url).netloc for o in (gallery.pages, gallery.thumbs)
    }
    assert any(TEXTS[lang].consent_title in html for lang in FOREIGN)
    actions = re.findall(r'<form action="([^"]+)" method="POST">', html)
    assert len(actions) == 2
    assert all(urlsplit(action).path == "/save" for action in actions)
    back = re.findall(r'name="continue" value="([^"]+)"', html)[0]
    form = urlencode({"continue": back, "set_eom": value})
    status, headers, _ = visitor.get(actions[0], form)
    assert (status, headers["Location"]) == (303, back)
    assert visitor.cookies["SOCS"] == choice
    assert gallery.consents == [choice]
    assert len(ids(visitor.get(back)[2])) > 0


def test_a_choice_leads_back_to_the_gallery_only(serve: Serve) -> None:
    gallery, visitor = serve("consent"), Visitor()
    place, _ = _consent_page(gallery, visitor)
    save = f"http://{urlsplit(place).netloc}/save"
    strange = f"continue={gallery.pages.url}.elsewhere.example/&set_eom=true"
    assert visitor.get(save, strange)[1]["Location"] == gallery.pages.url
    assert visitor.get(save, "set_eom=maybe")[0] == 400
    assert gallery.consents == ["rejected"]
    assert visitor.get(save)[0] == 404


def test_the_dialog_stands_in_for_the_results_until_a_choice(serve: Serve) -> None:
    gallery, visitor = serve("consent-dialog"), Visitor()
    url = gallery.search_url.replace("{query}", "Lake")
    html = visitor.get(url)[2]
    assert not ids(html)
    assert 'role="dialog" aria-modal="true"' in html
    assert {'id="W0wltc"', 'id="L2AGLb"'} <= set(re.findall(r'id="\w+"', html))
    assert visitor.get(gallery.pages.url + "/choice", "set_eom=true")[0] == 200
    assert gallery.consents == ["rejected"]
    assert len(ids(visitor.get(url)[2])) == BATCH


def test_without_consent_nobody_is_asked_and_there_is_no_third_origin(serve: Serve) -> None:
    gallery = serve()
    assert len(gallery.origins) == 2
    assert len(ids(search(gallery))) == BATCH
    assert gallery.consents == []


def test_hostile_galleries_of_one_seed_serve_the_same_truth(serve: Serve) -> None:
    first, second = serve(hostile=1), serve(hostile=1)
    assert first.mix == second.mix

    def known(gallery: Gallery) -> list[tuple[str | None, ...]]:
        return [(r["id"], r["sha256"], r["status"], r["reason"]) for r in gallery.truth()["Lake"]]

    assert known(first) == known(second)
