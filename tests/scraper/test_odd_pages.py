"""Pages that make reading hard, in real Chromium: each is told for what it is and read whole."""

import gzip
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from tests_support import draw_jpeg

from pipeline.pictures import MAX_BYTES
from pipeline.progress import Outcome, Output
from scraper.collect import scrape
from scraper.gallery.origin import Answer, Call, Origin, serving
from scraper.harvest import TryLater, Unreachable
from scraper.settings import ScrapeSettings

pytestmark = pytest.mark.browser
Visitor = Callable[..., Any]

HTML = "text/html; charset=utf-8"
SEARCH_BOX = '<!DOCTYPE html><form><input name="q"></form>'
RESULT = """<div data-docid="d{n}" data-lpage="https://site.example/{n}"><a><img id="i{n}" alt="{title}"
 style="width:240px;height:180px;display:block" {attributes}></a>
<a target="_blank" href="https://site.example/{n}"><span>site.example</span><p>{title}</p></a></div>"""
DOT = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
CONSENT_FORM = """<form action="/save" method="POST"><input type="hidden" name="continue" value="{back}">
{inputs}<button {button}>{label}</button></form>"""


def result(n: int, attributes: str = "", title: str = "a title") -> str:
    return RESULT.format(n=n, title=title, attributes=attributes or f'src="/thumb/{n}"')


def results(*numbers: int, **more: str) -> str:
    return SEARCH_BOX + '<div role="main">' + "".join(result(n, **more) for n in numbers) + "</div>"


def two_forms(back: str, *, hidden: bool, reject: str, accept: str) -> str:
    """Return a consent page: the forms differ in set_eom alone, and accepting stands first."""
    forms = []
    for value, label in (("false", accept), ("true", reject)):
        sign = f'name="set_eom" value="{value}"'
        inputs, button = (f'<input type="hidden" {sign}>', "") if hidden else ("", sign)
        forms.append(CONSENT_FORM.format(back=back, inputs=inputs, button=button, label=label))
    return "<title>x</title>" + "".join(forms)


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

    def page(self, call: Call) -> Answer:
        if call.path == "/search":
            return self._search(call)
        if call.path.startswith("/thumb/"):
            return Answer(draw_jpeg(int(call.path.rsplit("/", 1)[1])), "image/jpeg")
        if call.path == "/slow":
            return Answer("".join(map(result, range(5))).encode(), HTML, wait_s=1.2)
        return self.made.get(call.path, Answer(b"", "text/plain", 404))

    def ask(self, call: Call) -> Answer:
        if call.form is None:
            return Answer(self.consent_page(call.query["continue"]).encode(), HTML)
        self.choices.append(call.form["set_eom"])
        return _redirect(call.form["continue"])

    def _search(self, call: Call) -> Answer:
        name = call.query["q"]
        if name.startswith("consent on") and not self.choices:
            return _redirect(f"{self.consent.url}/m?continue={quote(self.url(name))}")
        return self.made.get(name) or PAGES.get(name) or Answer(results(1, 2, 3).encode(), HTML)


def _redirect(url: str) -> Answer:
    return Answer(b"", HTML, 302, {"Location": url})


@pytest.fixture(name="site")
def _site() -> Iterator[Site]:
    site = Site()
    with serving(site.pages), serving(site.consent):
        yield site


@pytest.mark.parametrize(
    ("name", "state"),
    [
        ("block without a body", "blocked"),
        ("block with a body", "blocked"),
        ("refused", "blocked"),
        ("captcha", "blocked"),
        ("soft block", "blocked"),
        ("empty main", "blocked"),
        ("bare noscript", "nothing found"),
        ("consent that only takes yes", "consent"),
        ("honest and empty", "nothing found"),
        ("words of a block among results", "results"),
        ("unknown layout", "layout unknown"),
        ("late", "results"),
    ],
)
def test_a_page_is_told_for_what_it_is(site: Site, visit: Visitor, name: str, state: str) -> None:
    assert visit(site.url(name)).state == state


def ended(site: Site, tmp_path: Path, *queries: str) -> Outcome:
    """Scrape one class per query; return the outcome."""
    lines = [f"class {n}: {query}" for n, query in enumerate(queries)]
    (tmp_path / "classes.txt").write_text("\n".join(lines))
    settings = ScrapeSettings(
        classes=tmp_path / "classes.txt",
        dataset=tmp_path / "set",
        search_url=site.pages.url + "/search?q={query}",
        pause=0,
    )
    return scrape(settings=settings, output=Output(quiet=True))


@pytest.mark.parametrize(
    ("query", "reason", "code"),
    [
        ("items without pictures", "layout unknown", 3),
        ("unknown layout", "layout unknown", 3),
        ("a lone surrogate", "end of results", 0),
        ("consent that only takes yes", "consent", 3),
    ],
)
def test_a_run_says_how_a_page_ended_and_keeps_one_it_cannot_read(
    site: Site, tmp_path: Path, query: str, reason: str, code: int
) -> None:
    outcome = ended(site, tmp_path, query)
    assert outcome.summary["classes"]["class 0"]["stopped_because"] == reason  # type: ignore[index]
    assert outcome.exit_code == code
    kept = (tmp_path / "set" / "reports" / "scrape" / "pages" / "class 0.html").exists()
    assert kept == (reason == "layout unknown")


def test_a_run_stops_at_the_first_block_and_loads_no_further_page(
    site: Site, tmp_path: Path
) -> None:
    outcome = ended(site, tmp_path, "block without a body", "honest and empty")
    reasons = [c["stopped_because"] for c in outcome.summary["classes"].values()]  # type: ignore[attr-defined]
    assert reasons == ["blocked"] * 2
    assert [r.path for r in site.pages.requests] == ["/search?q=block+without+a+body"]


@pytest.mark.parametrize("away", [False, True], ids=["answers", "is away"])
def test_a_redirect_to_a_block_page_is_a_block(site: Site, visit: Visitor, away: bool) -> None:  # noqa: FBT001  a column of the table
    there = "http://127.0.0.1:1" if away else site.pages.url
    site.made["x"] = _redirect(f"{there}/sorry/index?continue=x")
    site.made["/sorry/index"] = Answer(b"<title>x</title>unusual traffic", HTML)
    assert visit(site.url("x")).state == "blocked"


def test_redirects_for_ever_are_unreachable(site: Site, visit: Visitor) -> None:
    site.made["x"] = _redirect(site.url("x"))
    with pytest.raises(Unreachable):
        visit(site.url("x"))


def test_a_server_that_asks_for_patience_says_how_much(site: Site, visit: Visitor) -> None:
    site.made["x"] = Answer(b"", HTML, 503, {"Retry-After": "5"})
    with pytest.raises(TryLater) as asked:
        visit(site.url("x"))
    assert asked.value.seconds == 5


@pytest.mark.parametrize("hidden", [True, False], ids=["hidden sign", "sign on the button"])
@pytest.mark.parametrize(
    ("reject", "accept"), [("Reject all", "Accept all"), ("すべて拒否", "すべて同意"), ("A", "B")]
)
def test_consent_is_refused_on_another_origin_in_any_language(
    site: Site,
    visit: Visitor,
    hidden: bool,  # noqa: FBT001  a column of the table
    reject: str,
    accept: str,
) -> None:
    site.consent_page = lambda back: two_forms(back, hidden=hidden, reject=reject, accept=accept)
    seen = visit(site.url("consent on another origin"))
    assert (seen.state, site.choices) == ("results", ["true"])
    assert len(seen.found) == 3


DIALOG = """<div role="dialog" aria-modal="true" style="position:fixed;inset:0;background:#fff">
<button id="L2AGLb" onclick="chosen('yes')">{yes}</button><button id="{id}" onclick="chosen('no')">{no}</button>
</div><script>function chosen(what) {{ document.title = what; document.querySelector('[role=dialog]').remove() }}
</script>"""


@pytest.mark.parametrize(
    ("control", "no"), [("W0wltc", "Kein Ding"), ("x", "Alle ablehnen"), ("x", " reject ALL ")]
)
def test_a_dialog_over_the_results_is_refused(
    site: Site, visit: Visitor, control: str, no: str
) -> None:
    dialog = DIALOG.format(id=control, no=no, yes="Alle akzeptieren")
    form = "" if control == "W0wltc" else '<form action="https://consent.google.com/save"></form>'
    removed = (
        ""
        if control == "W0wltc"
        else "<script>addEventListener('click', () => document.forms[1].remove())</script>"
    )
    site.made["x"] = Answer((results(1, 2) + form + dialog + removed).encode(), HTML)
    seen = visit(site.url("x"))
    assert seen.state == "results"
    assert seen.reader is not None
    assert "<title>no</title>" in seen.reader.snapshot()[0]


def test_nothing_is_clicked_when_there_is_no_way_to_refuse(site: Site, visit: Visitor) -> None:
    dialog = DIALOG.format(id="x", no="More options", yes="Accept all")
    form = '<form action="https://consent.google.com/save"><button>Accept all</button></form>'
    site.made["x"] = Answer((SEARCH_BOX + form + dialog).encode(), HTML)
    seen = visit(site.url("x"))
    assert seen.state == "consent"
    assert seen.reader is not None
    assert "Accept all" in seen.reader.snapshot()[0]


END = "Looks like you've reached the end"
LATER = """<script>
let left = {batches}, next = 100;
function more() {{
  if (left-- <= 0) return;
  const html = `{item}`;
  setTimeout(() => {{
    for (let i = 0; i < 3; i++) {{
      document.querySelector('[role=main]').insertAdjacentHTML('beforeend', html.replaceAll('NUMBER', next++));
    }}
    {then}
  }}, {delay});
}}
</script>""".replace(
    "{item}",
    result(0)
    .replace("d0", "dNUMBER")
    .replace("/0", "/NUMBER")
    .replace("{", "{{")
    .replace("}", "}}"),
)


def grows(control: str, *, batches: int = 2, delay: int = 100, then: str = "") -> str:
    """Return a page of three results and a control that calls more() for three further ones."""
    return results(1, 2, 3) + LATER.format(batches=batches, delay=delay, then=then) + control


@pytest.mark.parametrize(
    "control",
    [
        '<button onclick="more()">Mehr anzeigen</button>',
        '<div role="button" onclick="more()">もっと見る</div>',
        '<input type="button" onclick="more()" value="Plus">',
        '<a href="javascript:void 0" onclick="more()">Ещё</a>',
        '<a jsname="oHxHid" href="https://www.example/elsewhere" onclick="more()">More</a>',
    ],
    ids=["button", "role", "input", "link", "address elsewhere"],
)
def test_a_control_for_more_is_found_in_any_language_and_leads_nowhere_else(
    site: Site, visit: Visitor, control: str
) -> None:
    site.made["x"] = Answer(grows(control).encode(), HTML)
    assert {f.result_id for f in visit(site.url("x")).found} == {
        *("d1", "d2", "d3"), *(f"d{n}" for n in range(100, 106))
    }  # fmt: skip


def test_buttons_that_open_menus_or_agree_are_left_alone(site: Site, visit: Visitor) -> None:
    asides = """<button aria-haspopup="true">Tools</button><footer><button>Feedback</button></footer>
<div style="position:fixed;bottom:0"><button>Accept all</button></div><form><button>Send</button></form>"""
    script = "<script>addEventListener('click', e => document.title += e.target.innerText)</script>"
    site.made["x"] = Answer((results(1, 2, 3) + asides + script).encode(), HTML)
    seen = visit(site.url("x"))
    assert seen.reason == "end of results"
    assert seen.reader is not None
    assert "<title>" not in seen.reader.snapshot()[0]


@pytest.mark.parametrize(
    "marker",
    [
        f'<p style="display:none">{END}</p>',
        f'<p data-emptymessage="{END}"></p>',
        f'<p style="opacity:0">{END}</p>',
        f'<p style="position:absolute;left:-9999px">{END}</p>',
        f'<p style="position:absolute;width:1px;height:1px;overflow:hidden">{END}</p>',
        f'<div style="height:0;overflow:hidden"><p>{END}</p></div>',
        "",
    ],
)
def test_an_end_that_is_not_seen_yet_ends_nothing(site: Site, visit: Visitor, marker: str) -> None:
    control = '<a jsname="oHxHid" onclick="more()">More</a>'
    page = grows(control, batches=3).replace("a title", END) + marker
    site.made["x"] = Answer(page.encode(), HTML)
    seen = visit(site.url("x"))
    assert len(seen.found) == 3 + 9
    assert not seen.last.end_shown


def test_an_end_in_the_pages_own_words_is_believed(site: Site, visit: Visitor) -> None:
    end = '<div data-endedmessage="Das war alles"></div><p>Das war alles</p>'
    site.made["x"] = Answer((results(1, 2) + end).encode(), HTML)
    seen = visit(site.url("x"))
    assert (seen.reason, len(seen.found)) == ("end of results", 2)
    assert seen.last is not None
    assert seen.last.end_shown


def test_results_in_a_box_that_scrolls_by_itself_are_read(site: Site, visit: Visitor) -> None:
    lazy = 'loading="lazy" src="/thumb/{}"'
    items = "".join(result(n, lazy.format(n)) for n in range(60))
    style = (
        "html,body{margin:0;height:100%;overflow:hidden}[role=main]{height:100vh;overflow-y:auto}"
    )
    page = f'{SEARCH_BOX}<style>{style}</style><div role="main">{items}</div>'
    site.made["x"] = Answer(page.encode(), HTML)
    seen = visit(site.url("x"))
    assert [f.result_id for f in seen.found] == [f"d{n}" for n in range(60)]


def test_a_waiting_thumbnail_is_taken_from_its_relative_address(site: Site, visit: Visitor) -> None:
    waiting = f'src="{DOT}"'
    maps = "<script>google={ldi:{i2:'thumb/2'},pim:{i3:'/thumb/3'}}</script>"
    body = "".join(
        [result(1, f'{waiting} data-src="/thumb/1"'), result(2, waiting), result(3, waiting)]
    )
    page = f'{SEARCH_BOX}<base href="/elsewhere/../"><div role="main">{body}</div>{maps}'
    site.made["x"] = Answer(page.encode(), HTML)
    found = visit(site.url("x")).found
    assert [f.src for f in found] == [f"{site.pages.url}/thumb/{n}" for n in (1, 2, 3)]


def test_pictures_that_a_script_made_are_read_as_they_are(site: Site, visit: Visitor) -> None:
    page = results(1).replace('src="/thumb/1"', "") + (
        "<script>fetch('/thumb/1').then(a => a.blob()).then(b => {"
        "document.images[0].src = URL.createObjectURL(b) })</script>"
    )
    site.made["x"] = Answer(page.encode(), HTML)
    (found,) = visit(site.url("x")).found
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
    for found in seen.found:
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
    assert sorted(r.path for r in site.pages.requests if r.path in answers) == sorted(names)


def test_ranks_follow_what_the_viewer_sees(site: Site, visit: Visitor) -> None:
    items = "".join(
        f'<div style="position:absolute;top:{200 * (9 - n)}px">{result(n)}</div>' for n in range(10)
    )
    site.made["x"] = Answer(f'{SEARCH_BOX}<div role="main">{items}</div>'.encode(), HTML)
    assert [f.result_id for f in visit(site.url("x")).found] == [
        f"d{n}" for n in reversed(range(10))
    ]


def test_ranks_that_the_page_names_come_first(site: Site, visit: Visitor) -> None:
    item = '<div data-ri="{ri}" data-id="{n}" data-tbnid="t{n}"><img width=99 height=99 src="/thumb/{n}"></div>'
    order = [3, 0, 4, 1, 2]
    items = "".join(item.format(n=n, ri=ri) for n, ri in enumerate(order))
    site.made["x"] = Answer(f'{SEARCH_BOX}<div role="main">{items}</div>'.encode(), HTML)
    assert [f.result_id for f in visit(site.url("x")).found] == [
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
    assert (few.last.strategy, few.last.last_resort, len(few.found)) == (
        "structure alone",
        True,
        12,
    )
    site.made["many"] = Answer(
        (results(*range(90, 96)) + f'<div role="main">{bare}</div>').encode(), HTML
    )
    many = visit(site.url("many"))
    assert many.last is not None
    assert (many.last.last_resort, len(many.found)) == (False, 6)


def test_a_relative_imgres_link_gives_its_ids_and_pages(site: Site, visit: Visitor) -> None:
    link = '<a href="/imgres?imgrefurl=https%3A%2F%2Fs.example%2F{n}&docid=k{n}"><img width=99 height=99 src="/thumb/{n}"></a>'
    page = SEARCH_BOX + "".join(link.format(n=n) for n in range(5))
    site.made["x"] = Answer(page.encode(), HTML)
    seen = visit(site.url("x"))
    assert [(f.result_id, f.page_url) for f in seen.found] == [
        (f"k{n}", f"https://s.example/{n}") for n in range(5)
    ]
    assert seen.last is not None
    assert seen.last.strategy == "imgres links"


def test_thumbnails_know_their_own_id(site: Site, visit: Visitor) -> None:
    link = '<a href="/imgres?docid=k{n}"><img width=99 height=99 src="/images?q=tbn:T{n}&s=10"></a>'
    page = SEARCH_BOX + "".join(link.format(n=n) for n in range(5))
    site.made |= {"x": Answer(page.encode(), HTML), "/images": Answer(draw_jpeg(1), "image/jpeg")}
    assert [f.result_id for f in visit(site.url("x")).found] == [f"T{n}" for n in range(5)]
