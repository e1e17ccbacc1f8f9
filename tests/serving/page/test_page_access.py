"""The page is for everybody: names, contrast, focus, order, phones; and heat maps by keyboard."""

import io
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.page import (
    FOCUSABLE,
    FOCUSED,
    LOW_CONTRAST,
    OUT_OF_ORDER,
    REPEATED_IDS,
    UNNAMED,
    Page,
)
from support.served_model import Client

from serving.settings import ServeSettings

pytestmark = pytest.mark.browser


def check(page: Page) -> None:
    """Check everything that can be read off a page as it stands."""
    for script in (LOW_CONTRAST, UNNAMED, OUT_OF_ORDER, REPEATED_IDS):
        assert page.run(script) == [], script
    assert page.run("return document.documentElement.lang") == "en"
    assert page.run("return document.title")
    assert len(page.texts("main")) == 1


@pytest.mark.parametrize("dark", [False, True])
def test_names_contrast_order_and_focus_hold_in_both_schemes(
    page: Page,
    serve: Callable[..., Any],
    model: Path,
    files: tuple[Path, Path],
    tmp_path: Path,
    *,
    dark: bool,
) -> None:
    (tmp_path / "bad.png").write_bytes(b"junk")
    settings = ServeSettings(model=model, feedback=tmp_path / "f.jsonl", workers=1, watch=0)
    with serve(settings) as client:
        page.open(client, dark=dark)
        page.choose(*files, tmp_path / "bad.png")
        page.wait(".labels li", 6)
        page.wait(".error:not([hidden])")
        page.find(".heat:not([hidden])").click()
        page.wait(".map:not([hidden])")
        check(page)
        assert page.find("[role=status]").text
        page.run("document.activeElement.blur()")
        places, reached = page.run(FOCUSABLE), []
        assert len(places) == 2 + 2 * 4 + 1 + 2
        for _ in (*places, "the browser's own turn"):
            page.press("Tab", 9)
            place, shown = page.run(FOCUSED)
            if place is not None:
                assert shown, place
                reached.append(int(place))
        start = reached.index(0)
        assert reached[start:] + reached[:start] == places
        page.open(client, "/docs", dark=dark)
        check(page)


def test_the_heat_map_comes_and_goes_by_keyboard_and_says_what_it_shows(
    page: Page, client: Client, tmp_path: Path
) -> None:
    pixels = np.full((40, 60, 3), (20, 20, 240), np.uint8)
    pixels[:, :35] = (240, 20, 20)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    (tmp_path / "halves.png").write_bytes(buffer.getvalue())
    page.open(client)
    page.choose(tmp_path / "halves.png")
    page.wait(".labels li", 3)
    requests = "return performance.getEntriesByType('resource').filter((e) => e.name.includes('explain')).length"
    assert page.run(requests) == 0
    page.run("document.querySelector('.heat').focus()")
    for shown in (True, False, True):
        page.press("Enter", 13, "\r")
        page.wait(f".heat[aria-pressed={str(shown).lower()}]")
        assert len(page.texts(".map:not([hidden])")) == shown
        assert len(page.texts(".picture:not([hidden])")) == (not shown)
    assert (
        page.find(".map").get_attribute("alt") == "Heat map over halves.png: pale where red is seen"
    )
    assert page.run("return document.querySelector('.map').naturalWidth") == 60
    assert page.find("[role=status]").text == "The map shows where red is seen."
    assert page.run(requests) == 1
    shouts = [m for m in page.log() if m["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert shouts == []


def test_a_phone_takes_a_photograph_and_never_scrolls_sideways(
    page: Page, client: Client, tmp_path: Path, files: tuple[Path, Path]
) -> None:
    photo = tmp_path / ("a_name_without_any_place_to_break_it" * 4 + ".png")
    photo.write_bytes(files[0].read_bytes())
    with page.phone(390):
        page.open(client)
        camera = page.find("#camera")
        assert camera.get_attribute("capture") == "environment"
        assert camera.get_attribute("accept") == "image/*"
        assert camera.accessible_name == "Take a photograph"
        page.choose(photo, into="camera")
        page.wait(".labels li", 3)
        page.find(".heat").click()
        page.wait(".map:not([hidden])")
        for path in ("/", "/docs"):
            wide = page.run("return [document.documentElement.scrollWidth, innerWidth]")
            assert wide == [390, 390], path
            page.open(client, "/docs")


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[str]:
    """Serve a page of another origin that posts a picture wherever it is told."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "index.html").write_text("<!doctype html><title>elsewhere</title>")
    handler = partial(QuietHandler, directory=str(tmp_path / "site"))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *told: object) -> None:
        pass


POST_ELSEWHERE = """
const [address, done] = arguments;
document.createElement("canvas").toBlob((blob) => fetch(address, { method: "POST", mode: "no-cors",
  body: new Blob([blob], { type: "text/plain" }) }).then(() => done("sent"), (e) => done(String(e))));
"""


def test_a_page_of_another_origin_can_store_nothing(
    page: Page, serve: Callable[..., Any], model: Path, elsewhere: str, tmp_path: Path
) -> None:
    file = tmp_path / "f.jsonl"
    with serve(ServeSettings(model=model, feedback=file, workers=1, watch=0)) as client:
        page.goto(elsewhere)
        address = f"http://127.0.0.1:{client.port}/v1/feedback?label=blue"
        assert page.run_async(POST_ELSEWHERE, address) == "sent"
        refused = 'sceneset_refusals_total{reason="foreign_origin",route="(none)"} 1.0'
        assert refused in client.get("/metrics").body.decode()
        assert not file.exists()
