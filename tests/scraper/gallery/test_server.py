import hashlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote_plus, urlsplit
from urllib.request import urlopen

import pytest

from sceneset.errors import ClassListError, SettingsError
from scraper.gallery.server import Gallery, running_gallery
from scraper.gallery.settings import GallerySettings

ROOT = Path(__file__).resolve().parents[3]
ITEM = re.compile(r'data-docid="([^"]+)" data-ref-docid=')


@pytest.fixture(scope="module", name="gallery")
def _gallery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gallery]:
    folder = tmp_path_factory.mktemp("gallery")
    classes = folder / "classes.txt"
    classes.write_text("Beach\nText document\nQuokka: short-tailed scrub wallaby\n")
    settings = GallerySettings(
        port=0, classes=classes, per_class=12, duplicates=0.5, batch=5, truth=folder / "truth.json"
    )
    with running_gallery(settings) as gallery:
        yield gallery


def _get(url: str) -> tuple[bytes, http.client.HTTPMessage]:
    with urlopen(url, timeout=10) as answer:
        return answer.read(), answer.headers


def _search(gallery: Gallery, query: str) -> str:
    return _get(gallery.search_url.replace("{query}", quote_plus(query)))[0].decode()


def test_a_class_shows_its_first_batch_as_the_truth_lists_it(gallery: Gallery) -> None:
    shown = ITEM.findall(_search(gallery, "text document"))
    truth = [record["docid"] for record in gallery.truth()["Text document"]]
    assert sorted(shown) == sorted(map(str, truth[:5]))


def test_every_thumbnail_has_the_bytes_the_truth_states(gallery: Gallery) -> None:
    kinds = set()
    for records in gallery.truth().values():
        for record in records:
            assert hashlib.sha256(_get(str(record["url"]))[0]).hexdigest() == record["sha256"]
            kinds.add(record["kind"])
    assert {"original", "exact", "near", "mirrored", "cropped", "two_classes"} <= kinds


def test_thumbnails_live_on_another_origin_without_cors(gallery: Gallery) -> None:
    url = str(gallery.truth()["Beach"][0]["url"])
    assert urlsplit(url).netloc != urlsplit(gallery.search_url).netloc
    assert _get(url)[1]["Access-Control-Allow-Origin"] is None


def test_later_batches_complete_the_class(gallery: Gallery) -> None:
    ids = ITEM.findall(_search(gallery, "beach"))
    for start in (5, 10):
        url = gallery.search_url.replace("/search?q={query}", f"/more?q=beach&start={start}&eid=x")
        ids += ITEM.findall("".join(json.loads(_get(url)[0])["items"]))
    assert sorted(ids) == sorted(str(record["docid"]) for record in gallery.truth()["Beach"])


def test_a_query_of_the_class_list_finds_its_class(gallery: Gallery) -> None:
    assert ITEM.findall(_search(gallery, "short-tailed scrub wallaby"))


def test_an_unknown_query_gets_an_honest_empty_page(gallery: Gallery) -> None:
    html = _search(gallery, "airplane")
    assert not ITEM.findall(html)
    assert "did not match any image results" in html


def test_the_truth_is_served_and_written(gallery: Gallery, tmp_path: Path) -> None:
    served = json.loads(_get(gallery.search_url.replace("/search?q={query}", "/truth.json"))[0])
    assert served == gallery.truth()
    settings = GallerySettings(port=0, per_class=1, truth=tmp_path / "t.json", classes=None)
    with running_gallery(settings) as other:
        assert json.loads((tmp_path / "t.json").read_text()) == other.truth()


def test_requests_are_counted(gallery: Gallery) -> None:
    before = len(gallery.requests)
    _search(gallery, "a beach nobody knows")
    assert [request.target for request in gallery.requests[before:]] == [
        "/search?q=a+beach+nobody+knows"
    ]


@pytest.mark.parametrize("path", ["/images?q=tbn:none", "/images", "/else"])
def test_an_unknown_thumbnail_is_not_found(gallery: Gallery, path: str) -> None:
    connection = http.client.HTTPConnection(urlsplit(gallery.thumbs.url).netloc, timeout=10)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_a_connection_is_kept_and_answers_do_not_wait_for_acknowledgements(
    gallery: Gallery,
) -> None:
    connection = http.client.HTTPConnection(urlsplit(gallery.thumbs.url).netloc, timeout=10)
    path = str(gallery.truth()["Beach"][0]["url"]).removeprefix(gallery.thumbs.url)
    began = time.perf_counter()
    sockets = set()
    for _ in range(50):
        connection.request("GET", path)
        connection.getresponse().read()
        sockets.add(connection.sock)
    connection.close()
    assert len(sockets) == 1
    assert time.perf_counter() - began < 1.5


def test_stopping_closes_kept_connections() -> None:
    with running_gallery(GallerySettings(port=0, per_class=1)) as gallery:
        client = socket.create_connection(gallery.pages.server_address[:2], timeout=5)
        client.sendall(b"GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.recv(100).startswith(b"HTTP/1.1 404")
    with client:
        while client.recv(4096):
            pass


def test_a_port_in_use_is_a_settings_error_that_names_it() -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with (
            pytest.raises(SettingsError, match=f"--port {port} of 127.0.0.1 is in use"),
            running_gallery(GallerySettings(port=port)),
        ):
            pass


def test_a_missing_class_list_is_refused(tmp_path: Path) -> None:
    settings = GallerySettings(port=0, classes=tmp_path / "none.txt")
    with pytest.raises(ClassListError), running_gallery(settings):
        pass


def test_real_pictures_are_served_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "Two words").mkdir()
    for number in range(3):
        (tmp_path / "Two words" / f"{number}.jpg").write_bytes(os.urandom(500))
    with running_gallery(GallerySettings(port=0, pictures=tmp_path)) as gallery:
        records = gallery.truth()["Two words"]
        served = [_get(str(record["url"]))[0] for record in records]
        assert len(ITEM.findall(_search(gallery, "two WORDS"))) == 3
    assert served == [path.read_bytes() for path in sorted((tmp_path / "Two words").iterdir())]
    assert {record["kind"] for record in records} == {"original"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_command_serves_until_it_is_asked_to_stop(number: signal.Signals) -> None:
    command = [sys.executable, "cli.py", "gallery", "--port", "0", "--json"]
    with subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        template = process.stderr.readline().split()[-1]
        body, _ = _get(template.replace("{query}", "nothing"))
        process.send_signal(number)
        out, _ = process.communicate(timeout=20)
    assert b"did not match" in body
    assert process.returncode == 0
    assert json.loads(out) == {"search_url": template, "requests": 1}
