"""Pages that are no results page, in real Chromium: each is told for what it is."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from pipeline.progress import Outcome, Output
from scraper.collect import scrape
from scraper.settings import ScrapeSettings

pytestmark = pytest.mark.browser

SEARCH_BOX = '<form><input name="q"></form>'
ITEM = '<div data-docid="d{n}" data-lpage="https://site.example/{n}">{inside}</div>'
PAGES = {
    "block without a body": (429, ""),
    "block with a body": (429, "<title>Sorry</title>unusual traffic"),
    "refused": (403, "<title>Forbidden</title>no"),
    "soft block": (200, '<noscript><iframe src="/httpservice/retry/enablejs"></iframe></noscript>'),
    "consent": (200, '<form action="https://consent.google.com/save"></form>'),
    "honest and empty": (200, SEARCH_BOX + "did not match any image results"),
    "items without pictures": (
        200,
        SEARCH_BOX + "".join(ITEM.format(n=n, inside="text") for n in range(5)),
    ),
    "a lone surrogate": (
        200,
        SEARCH_BOX
        + ITEM.format(n=1, inside="<img width=99 height=99>")
        + "<script>document.images[0].alt='\\ud800';"
        "document.images[0].src='data:image/png;base64,AAAA'</script>",
    ),
}


class Handler(BaseHTTPRequestHandler):
    """Answer every search with the page that the query names."""

    def do_GET(self) -> None:
        query = parse_qs(urlsplit(self.path).query).get("q", [""])[0]
        status, body = PAGES.get(query, (404, ""))
        data = body.encode()
        self.server.loads.append(query)  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture(scope="module")
def server() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        running.loads = []  # type: ignore[attr-defined]
        thread = threading.Thread(target=running.serve_forever, daemon=True)
        thread.start()
        yield running
        running.shutdown()


def ended(server: ThreadingHTTPServer, tmp_path: Path, *queries: str) -> Outcome:
    """Scrape one class per query; return the outcome."""
    server.loads.clear()  # type: ignore[attr-defined]
    lines = [f"class {n}: {query}" for n, query in enumerate(queries)]
    (tmp_path / "classes.txt").write_text("\n".join(lines))
    settings = ScrapeSettings(
        classes=tmp_path / "classes.txt",
        dataset=tmp_path / "set",
        search_url=f"http://127.0.0.1:{server.server_port}/search?q={{query}}",
        pause=0,
    )
    return scrape(settings=settings, output=Output(quiet=True))


@pytest.mark.parametrize(
    ("query", "reason", "code"),
    [
        ("block without a body", "blocked", 4),
        ("block with a body", "blocked", 4),
        ("refused", "blocked", 4),
        ("soft block", "blocked", 4),
        ("consent", "consent", 3),
        ("honest and empty", "nothing found", 3),
        ("items without pictures", "layout unknown", 3),
        ("a lone surrogate", "end of results", 0),
    ],
)
def test_a_page_is_told_for_what_it_is(
    server: ThreadingHTTPServer, tmp_path: Path, query: str, reason: str, code: int
) -> None:
    outcome = ended(server, tmp_path, query)
    assert outcome.summary["classes"]["class 0"]["stopped_because"] == reason
    assert outcome.exit_code == code
    kept = (tmp_path / "set" / "reports" / "scrape" / "class 0.html").exists()
    assert kept == (reason == "layout unknown")


def test_a_run_stops_at_the_first_block_and_loads_no_further_page(
    server: ThreadingHTTPServer, tmp_path: Path
) -> None:
    outcome = ended(server, tmp_path, "block without a body", "honest and empty")
    assert [c["stopped_because"] for c in outcome.summary["classes"].values()] == ["blocked"] * 2
    assert [q for q in server.loads if q] == ["block without a body"]  # type: ignore[attr-defined]
