"""Pages that ask for consent, in real Chromium: it is refused, never given."""

import pytest
from support.odd_pages import HTML, SEARCH_BOX, Site, Visitor, results

from scraper.gallery.origin import Answer

pytestmark = pytest.mark.browser
CONSENT_FORM = """<form action="/save" method="POST"><input type="hidden" name="continue" value="{back}">
{inputs}<button {button}>{label}</button></form>"""
DIALOG = """<div role="dialog" aria-modal="true" style="position:fixed;inset:0;background:#fff">
<button id="L2AGLb" onclick="chosen('yes')">{yes}</button><button id="{id}" onclick="chosen('no')">{no}</button>
</div><script>function chosen(what) {{ document.title = what; document.querySelector('[role=dialog]').remove() }}
</script>"""


def two_forms(back: str, *, hidden: bool, reject: str, accept: str) -> str:
    """Return a consent page: the forms differ in set_eom alone, and accepting stands first."""
    forms = []
    for value, label in (("false", accept), ("true", reject)):
        sign = f'name="set_eom" value="{value}"'
        inputs, button = (f'<input type="hidden" {sign}>', "") if hidden else ("", sign)
        forms.append(CONSENT_FORM.format(back=back, inputs=inputs, button=button, label=label))
    return "<title>x</title>" + "".join(forms)


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
    assert len(seen.results) == 3


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
