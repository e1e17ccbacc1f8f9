"""The page in a real headless Chromium: choose a picture, read what it shows."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from support.page import PASTE_AND_DROP, Page
from support.served_model import Client

from serving.http.middleware import PAGE_POLICY
from serving.settings import ServeSettings

pytestmark = pytest.mark.browser


def test_a_chosen_picture_is_named_with_six_requests_and_no_other_host(
    page: Page, client: Client, files: tuple[Path, Path]
) -> None:
    page.open(client)
    page.choose(files[0])
    page.wait(".labels li", 3)
    assert page.texts(".labels .name") == ["red", "green", "blue"]
    assert page.texts(".tags span") == ["Red"]
    assert page.texts("h2") == ["it's red.png"]
    assert "red, 9" in page.find("[role=status]").text
    assert page.run("return document.querySelector('.card img').naturalWidth") == 60
    widths = page.run(
        "return [...document.querySelectorAll('.bar span')].map((e) => e.offsetWidth / e.parentElement.offsetWidth)"
    )
    assert widths[0] > 0.9 > widths[1] >= widths[2]
    log = page.log()
    requested = [
        m["params"]["request"]["url"] for m in log if m["method"] == "Network.requestWillBeSent"
    ]
    requested = [url for url in requested if not url.startswith("blob:")]
    assert len(requested) <= 6, requested
    assert {urlsplit(url).netloc for url in requested} == {f"127.0.0.1:{client.port}"}
    shouts = [m for m in log if m["method"] in ("Log.entryAdded", "Runtime.exceptionThrown")]
    assert shouts == []


def test_several_pictures_and_a_bad_one_each_get_a_card(
    page: Page, client: Client, files: tuple[Path, Path], tmp_path: Path
) -> None:
    (tmp_path / "bad.png").write_bytes(b"junk")
    page.open(client)
    page.choose(*files, tmp_path / "bad.png")
    page.wait(".labels li", 6)
    page.wait(".error:not([hidden])", 1)
    assert page.texts("h2") == ["bad.png", "green.png", "it's red.png"]
    assert page.texts(".error:not([hidden])") == ["The bytes are not a picture"]


def test_a_pasted_and_a_dropped_picture_are_taken(page: Page, client: Client) -> None:
    page.open(client)
    page.run(PASTE_AND_DROP)
    page.wait(".labels li", 6)
    assert page.texts(".labels li:first-child .name") == ["blue", "blue"]


def test_copy_as_curl_gives_a_line_that_a_shell_takes(
    page: Page, client: Client, files: tuple[Path, Path]
) -> None:
    page.open(client)
    page.run("navigator.clipboard.writeText = async (text) => { window.copied = text; };")
    page.choose(files[0])
    page.wait(".labels li", 3)
    page.find(".curl").click()
    page.wait("#status", 1)
    line = page.run("return window.copied")
    assert "--data-binary @'it'\\''s red.png'" in line
    assert f"'http://127.0.0.1:{client.port}/v1/classify?top=3&tags=1'" in line


def test_a_key_is_asked_for_first_and_a_wrong_answer_can_be_put_right(
    page: Page,
    serve: Callable[..., Any],
    settings: ServeSettings,
    files: tuple[Path, Path],
) -> None:
    with serve(settings) as client:
        page.open(client)
        page.wait("#key-form:not([hidden])", 1)
        page.choose(files[1])
        page.find("#key").send_keys("open-sesame\n")
        page.wait(".labels li", 3)
        assert page.texts(".tags span") == ["Green"]
        page.find(".feedback button").click()  # nothing is chosen yet, so nothing is sent
        assert page.run("return document.querySelector('.feedback select').validity.valid") is False
        page.find(".feedback select").send_keys("blue")
        page.find(".feedback button").click()
        page.wait(".feedback[hidden]", 1)
        remark = json.loads(settings.feedback.read_text())  # type: ignore[union-attr]
        assert (remark["label"], remark["predicted"]) == ("blue", "green")
        assert "Noted" in page.find("#status").text
        assert client.get("/").headers["content-security-policy"] == PAGE_POLICY


@pytest.fixture
def settings(model: Path, tmp_path: Path) -> ServeSettings:
    keys = tmp_path / "keys"
    keys.touch(0o600)
    keys.write_text("open-sesame\n")
    return ServeSettings(
        model=model, api_key_file=keys, feedback=tmp_path / "f.jsonl", workers=1, watch=0
    )
