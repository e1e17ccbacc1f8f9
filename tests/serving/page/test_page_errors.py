"""The page says in words of its own what it could not have, also behind a proxy that fails."""

from pathlib import Path

import pytest
from support.page import Page
from support.served_model import Client

pytestmark = pytest.mark.browser
# Answer what is asked below a path as a server would that fails there.
FAIL = """
const [path, status, kind, body, done] = arguments;
const real = window.fetch;
window.fetch = (address, more) => String(address).startsWith(path)
  ? Promise.resolve(new Response(body, { status, headers: { "Content-Type": kind } })) : real(address, more);
done();
"""
# Say when the status holds other words than these.
SAID = """
const [before, done] = arguments;
const wait = () => at("status").textContent === before ? setTimeout(wait, 20) : done(at("status").textContent);
wait();
"""


@pytest.mark.parametrize(
    ("status", "kind", "body", "words"),
    [
        (200, "image/png", "no picture", "The picture cannot be shown."),
        (502, "text/html", "<h1>Bad gateway</h1>", "The server answered 502."),
        (502, "application/json", "null", "The server answered 502."),
        (409, "application/problem+json", '{"detail": "No heat maps"}', "No heat maps"),
    ],
)
def test_a_map_that_cannot_be_had_is_told_in_words(
    page: Page, client: Client, files: tuple[Path, Path], *, status: int, kind: str, body: str, words: str
) -> None:  # fmt: skip
    page.open(client)
    page.choose(files[1])
    page.wait(".labels li", 3)
    page.run_async(FAIL, "/v1/explain", status, kind, body)
    page.find(".heat").click()
    progress = page.run_async(SAID, "Drawing where green is seen in green.png.")
    assert progress == f"green.png: {words}"


def test_a_picture_that_a_proxy_refused_is_told_in_words(
    page: Page, client: Client, files: tuple[Path, Path]
) -> None:
    page.open(client)
    page.run_async(FAIL, "/v1/classify", 502, "text/html", "<h1>Bad gateway</h1>")
    page.choose(files[1])
    page.wait(".error:not([hidden])", 1)
    assert page.texts(".error:not([hidden])") == ["The server answered 502."]
