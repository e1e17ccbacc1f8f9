"""Serve pages that make reading hard: a site that answers each query with the page of its name."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from scraper.gallery.origin import Answer, Origin, Request
from support.drawing import draw_jpeg

Visitor = Callable[..., Any]

HTML = "text/html; charset=utf-8"
SEARCH_BOX = '<!DOCTYPE html><form><input name="q"></form>'
RESULT = """<div data-docid="d{n}" data-lpage="https://site.example/{n}"><a><img id="i{n}" alt="{title}"
 style="width:240px;height:180px;display:block" {attributes}></a>
<a target="_blank" href="https://site.example/{n}"><span>site.example</span><p>{title}</p></a></div>"""
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


def result(n: int, attributes: str = "", title: str = "a title") -> str:
    return RESULT.format(n=n, title=title, attributes=attributes or f'src="/thumb/{n}"')


def results(*numbers: int, **more: str) -> str:
    return SEARCH_BOX + '<div role="main">' + "".join(result(n, **more) for n in numbers) + "</div>"


SOFT_BLOCK = '<title>x - Search</title><div id="main"></div>'
PAGES: dict[str, Answer] = {
    name: Answer(html.encode(), HTML, status)
    for name, (status, html) in {
        "block without a body": (429, ""),
        "block with a body": (429, "<title>Sorry</title>unusual traffic"),
        "refused": (403, "<title>Forbidden</title>no"),
        "captcha": (200, SEARCH_BOX + '<form id="captcha-form"></form>'),
        "soft block": (
            200,
            '<noscript><iframe src="/httpservice/retry/enablejs"></iframe></noscript>',
        ),
        "empty main": (200, SEARCH_BOX + SOFT_BLOCK),
        "bare noscript": (
            200,
            SEARCH_BOX + "<noscript>Turn on scripts</noscript><p>No results for x",
        ),
        "consent that only takes yes": (
            200,
            '<form action="https://consent.google.com/save"><button>Agree</button></form>',
        ),
        "honest and empty": (200, SEARCH_BOX + "did not match any image results"),
        "words of a block among results": (
            200,
            results(1, 2, title="unusual traffic from your network") + "<p>captcha /sorry/index",
        ),
        "items without pictures": (
            200,
            SEARCH_BOX + "".join(f'<div data-docid="{n}" data-lpage="x">text</div>' for n in "abc"),
        ),
        "unknown layout": (200, SEARCH_BOX + '<img src="/thumb/1"><img src="/thumb/2">' * 2),
        "a lone surrogate": (
            200,
            results(1).replace('src="/thumb/1"', "") + "<script>document.images[0].alt='\\ud800';"
            "document.images[0].src='data:image/png;base64,AAAA'</script>",
        ),
        "late": (
            200,
            SEARCH_BOX + "<div role=main></div><script>fetch('/slow').then(a => a.text()).then("
            "html => document.querySelector('[role=main]').innerHTML = html)</script>",
        ),
    }.items()
}


@dataclass
class Site:
    """Two origins: pages by the query's words, and a consent page that remembers the choice."""

    pages: Origin = field(init=False)
    consent: Origin = field(init=False)
    choices: list[str] = field(default_factory=list)
    made: dict[str, Answer] = field(default_factory=dict)
    consent_page: Callable[[str], str] = str

    def __post_init__(self) -> None:
        """Take two free ports."""
        self.pages = Origin(0, self.page)
        self.consent = Origin(0, self.ask)

    def url(self, name: str) -> str:
        return f"{self.pages.url}/search?q={quote(name)}"

    def page(self, request: Request) -> Answer:
        if request.path == "/search":
            return self._search(request)
        if request.path.startswith("/thumb/"):
            return Answer(draw_jpeg(int(request.path.rsplit("/", 1)[1])), "image/jpeg")
        if request.path == "/slow":
            return Answer("".join(map(result, range(5))).encode(), HTML, wait_s=1.2)
        return self.made.get(request.path, Answer(b"", "text/plain", 404))

    def ask(self, request: Request) -> Answer:
        if request.form is None:
            return Answer(self.consent_page(request.query["continue"]).encode(), HTML)
        self.choices.append(request.form["set_eom"])
        return _redirect(request.form["continue"])

    def _search(self, request: Request) -> Answer:
        name = request.query["q"]
        if name.startswith("consent on") and not self.choices:
            return _redirect(f"{self.consent.url}/m?continue={quote(self.url(name))}")
        return self.made.get(name) or PAGES.get(name) or Answer(results(1, 2, 3).encode(), HTML)


def _redirect(url: str) -> Answer:
    return Answer(b"", HTML, 302, {"Location": url})
