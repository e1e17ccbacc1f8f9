"""Servers that lie, drip, loop and bomb: each class ends for what it met, and the others go on."""

import gzip
import socketserver
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from support.drawing import draw_jpeg

from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from scraper.commands.scrape import scrape
from scraper.settings import ScrapeSettings

pytestmark = pytest.mark.browser
BOMB = gzip.compress(bytes(64_000_000))
BIG = 60_000_000
END = "<p>Looks like you've reached the end</p>"
ITEM = (
    '<div data-docid="{n}" data-lpage="https://site.example/{n}">'
    '<img width=246 height=164 src="{src}"></div>'
)


def items(*previews: str) -> bytes:
    """Return a results page with a search box and one item per preview."""
    rows = "".join(
        ITEM.format(n=f"{name}{n}", src=f"/preview?q={name}&n={n}")
        for n, name in enumerate(previews)
    )
    return f'<input name="q"><div id="rso">{rows}</div>{END}'.encode()


PAGES = {
    "good": items("good", "good"),
    "huge preview": items("good", "huge"),
    "bomb preview": items("good", "bomb"),
    "page for a preview": items("good", "page"),
    "preview sent to a file": items("good", "file"),
}


class Handler(BaseHTTPRequestHandler):
    """Answer as the query asks."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        query = parse_qs(parts.query).get("q", [""])[0]
        number = parse_qs(parts.query).get("n", ["0"])[0]
        if parts.path == "/preview":
            self._preview(query, int(number))
        elif query == "redirects for ever":
            self._send(302, b"", Location=self.path)
        elif query == "sent to a file":
            self._send(302, b"", Location="file:///etc/passwd")
        elif query == "never ends":
            self._drip()
        else:
            page = PAGES.get(query)
            self._send(200 if page else 404, page or b"", **{"Content-Type": "text/html"})

    def _preview(self, kind: str, number: int) -> None:
        jpeg = {"Content-Type": "image/jpeg"}
        if kind == "huge":
            self._send(200, draw_jpeg(1) + bytes(BIG), **jpeg)
        elif kind == "bomb":
            self._send(200, BOMB, **jpeg, **{"Content-Encoding": "gzip"})
        elif kind == "page":
            self._send(200, b"<html>no picture</html>", **jpeg)
        elif kind == "file":
            self._send(302, b"", Location="file:///etc/passwd")
        else:
            self._send(200, draw_jpeg(number), **jpeg)

    def _send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _drip(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "1000000")
        self.end_headers()
        for _ in range(120):
            self.wfile.write(b" ")
            self.wfile.flush()
            time.sleep(1)

    def handle(self) -> None:
        try:
            super().handle()
        except (ConnectionError, socketserver.socket.error):  # type: ignore[attr-defined]
            return

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.daemon_threads = True
        running.block_on_close = False
        threading.Thread(target=running.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{running.server_port}/search?q={{query}}"
        running.shutdown()


def ended(server: str, tmp_path: Path, *queries: str) -> Outcome:
    """Scrape one class per query."""
    (tmp_path / "classes.txt").write_text("\n".join(queries))
    settings = ScrapeSettings(
        classes=tmp_path / "classes.txt",
        dataset=tmp_path / "set",
        search_url=server,
        pause=0,
        variants=False,
    )
    return scrape(settings=settings, output=Output(quiet=True))


def sightings(tmp_path: Path) -> set[tuple[str, str]]:
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        return set(
            manifest.query("SELECT status, reason FROM sightings WHERE result_id <> 'good0'")
        )


@pytest.mark.parametrize(
    ("query", "verdict"),
    [
        ("huge preview", ("rejected", "too_large")),
        ("bomb preview", ("rejected", "too_large")),
        ("page for a preview", ("rejected", "not_a_picture")),
        ("preview sent to a file", ("failed", "http_error")),
    ],
)
def test_a_preview_that_is_none_is_told_for_what_it_is_and_the_good_one_is_kept(
    server: str, tmp_path: Path, query: str, verdict: tuple[str, str]
) -> None:
    outcome = ended(server, tmp_path, query)
    assert outcome.summary["classes"][query]["kept"] == 1
    assert sightings(tmp_path) == {verdict}


def test_a_redirect_without_end_or_to_a_file_is_unreachable_and_the_others_go_on(
    server: str, tmp_path: Path
) -> None:
    outcome = ended(server, tmp_path, "redirects for ever", "sent to a file", "good")
    reasons = {name: c["stopped_because"] for name, c in outcome.summary["classes"].items()}
    assert reasons == {
        "redirects for ever": "unreachable",
        "sent to a file": "unreachable",
        "good": "end of results",
    }
    assert outcome.exit_code == 3


@pytest.mark.slow
def test_a_page_that_never_ends_is_left_within_its_deadline(server: str, tmp_path: Path) -> None:
    began = time.monotonic()
    outcome = ended(server, tmp_path, "never ends", "good")
    reasons = [c["stopped_because"] for c in outcome.summary["classes"].values()]
    assert reasons == ["unreachable", "end of results"]
    assert time.monotonic() - began < 75
