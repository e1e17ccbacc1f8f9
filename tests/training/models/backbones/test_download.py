"""Weights are downloaded whole, checked, or not at all."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sceneset.errors import MissingExtraError, SettingsError, translate_error
from training.models.backbones.table import BACKBONES, find_weights, imagenet_available
from training.models.backbones.weight_files import download, has_digest, is_intact, unreachable

BODY = b"weights" * 1000
MD5 = hashlib.md5(BODY, usedforsecurity=False).hexdigest()
SHA256 = hashlib.sha256(BODY).hexdigest()


class Publisher(BaseHTTPRequestHandler):
    """Send the file; part of it at /short, nothing for a second at /slow; refuse at /gone."""

    def do_HEAD(self) -> None:
        self._answer(b"")

    def do_GET(self) -> None:
        self._answer(BODY[: 700 if self.path == "/short" else None])

    def _answer(self, body: bytes) -> None:
        if self.path == "/slow":
            self.server.slow.wait(5)  # type: ignore[attr-defined]  set by the fixture
        self.send_response(404 if self.path == "/gone" else 200)
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Say nothing."""


@pytest.fixture
def publisher() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Publisher)
    server.slow = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.slow.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("digest", [None, MD5, SHA256])
def test_a_file_is_downloaded_whole_and_its_checksum_compared(
    publisher: str, tmp_path: Path, digest: str | None
) -> None:
    path = tmp_path / "models" / "a.h5"
    assert unreachable(f"{publisher}/a.h5") is None
    assert download(f"{publisher}/a.h5", path, digest) is None
    assert path.read_bytes() == BODY
    assert is_intact(path, digest)


@pytest.mark.parametrize(
    ("page", "digest", "why"),
    [
        ("short", None, "IncompleteRead"),
        ("gone", None, "Not Found"),
        ("a.h5", "0" * 32, "checksum differs"),
    ],
)
def test_what_is_not_the_whole_published_file_leaves_nothing_behind(
    publisher: str, tmp_path: Path, page: str, digest: str | None, why: str
) -> None:
    told = download(f"{publisher}/{page}", tmp_path / "models" / "a.h5", digest)
    assert told is not None
    assert why in told
    assert "\n" not in told
    assert not list(tmp_path.rglob("*.h5"))
    assert not list(tmp_path.rglob(".part-*"))


def test_an_address_that_refuses_or_is_silent_is_known_to_be_unreachable(publisher: str) -> None:
    assert "Not Found" in str(unreachable(f"{publisher}/gone"))
    assert "refused" in str(unreachable("http://127.0.0.1:9/a"))
    silent = unreachable(f"{publisher}/slow", seconds=0.2)
    assert silent in {"no answer from the download address within 0 s", "timed out"}


def test_a_kept_file_that_is_not_the_published_one_is_not_taken(tmp_path: Path) -> None:
    kept = tmp_path / "a.h5"
    assert not is_intact(kept, None)
    kept.write_bytes(BODY[:-1])
    assert is_intact(kept, None)
    assert not is_intact(kept, MD5)
    assert has_digest(BODY, SHA256)


def test_only_the_places_networks_have_places_weights_and_they_have_no_others() -> None:
    with pytest.raises(SettingsError, match="mobilenet_v2 has no Places weights") as caught:
        find_weights("mobilenet_v2", "places", 160)
    assert caught.value.cure == "--weights imagenet, or --backbone vgg16_places365"
    for name in ("vgg16_places365", "vgg16_hybrid1365"):
        with pytest.raises(SettingsError, match=f"{name} has no ImageNet weights") as caught:
            find_weights(name, "imagenet", 160)
        assert caught.value.cure == "--weights places"
        assert imagenet_available(160, backbone=name) == f"{name} has none"


@pytest.mark.parametrize("name", [n for n, row in BACKBONES.items() if row.pretrained])
def test_from_scratch_and_a_file_of_ones_own_need_no_download(name: str, tmp_path: Path) -> None:
    own = tmp_path / "own.h5"
    own.write_bytes(b"x")
    assert find_weights(name, "none", 160) is None
    assert find_weights(name, str(own), 160) == own


def test_a_missing_extra_is_named_with_what_to_install() -> None:
    error = translate_error(ModuleNotFoundError("No module named 'keras_hub'", name="keras_hub"))
    assert isinstance(error, MissingExtraError)
    assert error.cure == "pip install -e '.[hub]'"
