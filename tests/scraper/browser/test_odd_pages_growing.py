"""Pages that grow, in real Chromium: more is asked for until the end that a viewer sees."""

import pytest
from support.odd_pages import HTML, SEARCH_BOX, Site, Visitor, result, results

from scraper.gallery.origin import Answer

pytestmark = [pytest.mark.browser, pytest.mark.slow]
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
    assert {f.result_id for f in visit(site.url("x")).results} == {
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
    assert len(seen.results) == 3 + 9
    assert not seen.last.end_shown


def test_an_end_in_the_pages_own_words_is_believed(site: Site, visit: Visitor) -> None:
    end = '<div data-endedmessage="Das war alles"></div><p>Das war alles</p>'
    site.made["x"] = Answer((results(1, 2) + end).encode(), HTML)
    seen = visit(site.url("x"))
    assert (seen.reason, len(seen.results)) == ("end of results", 2)
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
    assert [f.result_id for f in seen.results] == [f"d{n}" for n in range(60)]
