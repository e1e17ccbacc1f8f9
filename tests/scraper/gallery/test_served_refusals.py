"""What each behaviour puts on the wire, without a browser: blocks, and questions of consent."""

import re
from urllib.parse import urlencode, urlsplit

import pytest
from support.gallery import BATCH, Serve, Visitor, ids, search

from scraper.gallery.page import OTHER_LANGUAGES, TEXTS
from scraper.gallery.server import Gallery


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
    assert any(TEXTS[lang]["consent_title"] in html for lang in OTHER_LANGUAGES)
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
