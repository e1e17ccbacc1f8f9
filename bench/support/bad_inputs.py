"""Send `serve` the table of bad inputs: rows 1 to 42, each with what it may be answered."""

import json
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

from bench.support.bundles import alter_network, halve_network, rename_classes
from bench.support.commands import CLI
from bench.support.odd_pictures import (
    JPEG,
    RED,
    WEBP,
    b64,
    bad_crc,
    bomb,
    deep_grey,
    encoded,
    frames,
    inflated_text,
    middle_damaged,
    turned,
    zipped,
)
from bench.support.servers import JSON, Client, Running, running, serve_command
from sceneset.errors import DamagedDataError, MissingInputError, SceneSetError

OK, BAD, TOO_LARGE, OTHER_TYPE = 200, 400, 413, 415
NO_FORMAT = "Unsupported file extension. Use .jpg or .png"
NO_MODE = "Unsupported color mode. Accepted: RGB, RGBA and CMYK"
NO_LIST = "Bad format: 'images' parameter must be a list"
NO_PICTURE = "Entry in 'images' list is not a base64 image"
PNG = {"Content-Type": "image/png"}
FAST_MS = 50
MAX_IMAGES = 64
RECEIVE_S = 1.0
KEY = "one-key"
REFUSE_S = 60
CLIENTS = 12
Result = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """One bad input: its number, how it is sent, the statuses it may get, words that must come.

    `headers` of None means a JSON body; `fast` that the answer must come within 50 ms.
    """

    number: int
    name: str
    path: str
    body: bytes
    wanted: tuple[int, ...]
    words: str = ""
    headers: dict[str, str] | None = None
    fast: bool = False


def rows() -> list[Row]:
    """Return rows 1 to 38: each is one body to a server with the usual limits."""
    return [*_texts(), *_entries(), *_bodies(), *_damaged(), *_odd(), *_formats()]


def _gallery(number: int, name: str, value: object, *wanted: int, words: str = "") -> Row:
    body = value if isinstance(value, bytes) else json.dumps({"images": value}).encode()
    return Row(number, name, "/classify", body, wanted, words)


def _both(
    number: int, name: str, data: bytes, *, gallery: int, plain: int, words: str = ""
) -> Iterator[Row]:
    """Send a picture to the documented route and to our own."""
    yield _gallery(number, name, [b64(data)], gallery, words=words)
    yield Row(number, f"{name}, plain", "/v1/classify", data, (plain,), headers=PNG)


def _texts() -> Iterator[Row]:
    yield _gallery(1, "no body", b"", BAD)
    yield _gallery(2, "invalid JSON", b"{", BAD)
    yield _gallery(3, "no images", b"{}", BAD, words="Missing parameter 'images'")
    no_lists: tuple[object, ...] = ("x", {}, None, 5)
    for value in no_lists:
        yield _gallery(4, f"images is {value!r}", value, BAD, words=NO_LIST)
    yield _gallery(5, "no entries", [], OK, words='"tags":[]')
    yield _gallery(14, "NaN", b'{"images": NaN}', BAD)
    yield _gallery(14, "Infinity", b'{"images": [Infinity]}', BAD)
    nested = b"[" * 200_000
    yield Row(15, "nested", "/classify", nested, (BAD,), fast=True)
    twice = f'{{"images": 5, "images": ["{b64(RED)}"]}}'.encode()
    yield _gallery(16, "a key twice", twice, OK)
    yield _gallery(17, "UTF-16", '{"images": []}'.encode("utf-16"), BAD, OK)
    yield _gallery(17, "UTF-8 with mark", '{"images": []}'.encode("utf-8-sig"), BAD, OK)
    kind = {"Content-Type": "text/html"}
    listed = json.dumps([b64(RED)]).encode()
    yield Row(18, "wrong type, plain", "/v1/classify", listed, (OTHER_TYPE,), headers=kind)
    yield Row(18, "wrong type", "/classify", listed, (OK,), headers=kind)


def _entries() -> Iterator[Row]:
    no_texts: tuple[object, ...] = (5, None, [])
    for value in no_texts:
        yield _gallery(6, f"an entry is {value!r}", [b64(RED), value], BAD, words='"index":1')
    texts = {7: ("",), 8: ("a*b=", "abc", "QUJ=D"), 9: ("a-_b",), 12: ("\u00e9",)}
    texts[11] = ("data:text/html;base64,YWJj",)
    for number, entries in texts.items():
        for entry in entries:
            yield _gallery(number, f"an entry is {entry!r}", [entry], BAD, words=NO_PICTURE)
    yield _gallery(10, "data URI", [f"data:image/jpeg;base64,{b64(JPEG)}"], OK)
    text = b64(RED)
    lines = "\r\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    yield _gallery(13, "lines of 76", [lines], OK)


def _bodies() -> Iterator[Row]:
    yield _gallery(19, "33 MB with its length", bytes(33_000_000), TOO_LARGE)
    chunked = {"Transfer-Encoding": "chunked"}
    large = bytes(33_000_000)
    yield Row(20, "33 MB in chunks", "/v1/classify", large, (TOO_LARGE,), headers=chunked)
    yield _gallery(21, "too many pictures", [b64(RED)] * (MAX_IMAGES + 1), TOO_LARGE)


def _damaged() -> Iterator[Row]:
    yield _gallery(22, "truncated JPEG", [b64(JPEG[:300])], BAD, words='"index":0')
    yield from _both(23, "JPEG damaged inside", middle_damaged(), gallery=OK, plain=OK)
    yield _gallery(24, "truncated PNG", [b64(RED[:60])], BAD, words='"index":0')
    yield _gallery(24, "PNG with a wrong sum", [b64(bad_crc())], BAD, words='"index":0')
    for number, side in ((25, 12_000), (26, 20_000)):
        wanted, data = (BAD, TOO_LARGE), bomb(side)
        row = Row(number, f"{side} px", "/v1/classify", data, wanted, headers=PNG, fast=True)
        yield row
        yield _gallery(number, f"{side} px, gallery", [b64(data)], *wanted)
    yield Row(27, "text of 100 MB", "/v1/classify", inflated_text(), (BAD,), headers=PNG)
    profile = encoded(icc_profile=bytes(100_000_000))
    yield Row(27, "profile of 100 MB", "/v1/classify", profile, (BAD,), headers=PNG)


def _odd() -> Iterator[Row]:
    yield from _both(28, "1 x 1", encoded(size=(1, 1)), gallery=OK, plain=OK)
    yield _gallery(29, "1 x 20000", [b64(encoded(size=(1, 20_000)))], OK, BAD)
    yield _gallery(29, "65500 x 10", [b64(encoded("JPEG", size=(65_500, 10)))], OK, BAD)
    yield from _both(30, "CMYK", encoded("JPEG", mode="CMYK"), gallery=OK, plain=OK)
    yield from _both(31, "RGBA", encoded(mode="RGBA"), gallery=OK, plain=OK)
    for mode in ("L", "LA", "P", "1"):
        grey = encoded(mode=mode)
        yield from _both(32, mode, grey, gallery=BAD, plain=OK, words=NO_MODE)
    yield from _both(33, "I;16", deep_grey(), gallery=BAD, plain=OK, words=NO_MODE)
    for orientation in range(2, 9):
        yield _gallery(34, f"orientation {orientation}", [b64(turned(orientation))], OK)


def _formats() -> Iterator[Row]:
    words = NO_FORMAT
    yield from _both(35, "animated GIF", frames("GIF"), gallery=BAD, plain=OK, words=words)
    yield from _both(35, "APNG", frames("PNG"), gallery=OK, plain=OK)
    yield from _both(35, "animated WEBP", frames("WEBP"), gallery=BAD, plain=OK, words=words)
    yield from _both(36, "WEBP", WEBP, gallery=BAD, plain=OK, words=words)
    yield from _both(36, "BMP", encoded("BMP"), gallery=BAD, plain=OK, words=words)
    for kind in ("AVIF", "TIFF", "ICO", "PPM"):
        yield from _both(36, kind, encoded(kind), gallery=BAD, plain=BAD, words=words)
    files: dict[str, Callable[[], bytes]] = {
        "SVG": lambda: b"<svg xmlns='http://www.w3.org/2000/svg'/>",
        "HTML": lambda: b"<html><body>hello</body></html>",
        "PDF": lambda: encoded("PDF"),
        "EPS": lambda: encoded("EPS"),
        "ZIP": zipped,
    }
    for name, make in files.items():
        yield from _both(37, name, make(), gallery=BAD, plain=BAD)
    yield from _both(38, "JPEG and ZIP", JPEG + zipped(), gallery=OK, plain=OK)
    yield from _both(38, "ZIP and JPEG", zipped() + JPEG, gallery=BAD, plain=BAD)


def send_rows(server: Running) -> list[Result]:
    """Send rows 1 to 38; return what each may be answered and was."""
    return [_sent(server, row) for row in rows()]


def _sent(server: Running, row: Row) -> Result:
    before = server.resident_mb()
    headers = JSON if row.headers is None else row.headers
    chunked = "Transfer-Encoding" in headers
    answers = [Client(server.port).post(row.path, row.body, headers, chunked=chunked)]
    if row.fast:  # a busy machine may be late once; the best of three says what the server does
        answers += [Client(server.port).post(row.path, row.body, headers) for _ in range(2)]
    answer = min(answers, key=lambda one: one.ms)
    right = answer.status in row.wanted and row.words in answer.body.decode("utf-8", "replace")
    passed = right and not (row.fast and answer.ms > FAST_MS)
    result = _result(row.number, row.name, list(row.wanted), answer.status, passed=passed)
    growth = round(server.resident_mb() - before, 1)
    return result | {"ms": round(answer.ms, 1), "growth_mb": growth}


def run_guarded_rows(bundle: Path, work: Path) -> list[Result]:
    """Run rows 39 to 42, which need servers of their own: time, keys, a full queue, bundles."""
    results = []
    words = ("--receive", str(RECEIVE_S), "--api-key-file", str(write_keys(work)))
    with running(serve_command(bundle, *words), log=work / "slow.log") as server:
        results += [*_slow(server), *_keyed(server)]
    command = serve_command(bundle, "--queue", "4", "--workers", "1")
    with running(command, log=work / "full.log") as server:
        results += _full(server)
    return [*results, *_bundles(bundle, work)]


def write_keys(folder: Path) -> Path:
    """Write the file of keys that a guarded server takes."""
    keys = folder / "keys.txt"
    keys.write_text(f"{KEY}\n")
    keys.chmod(0o600)
    return keys


def _result(row: int, name: str, wanted: object, seen: object, *, passed: bool) -> Result:
    return {"row": row, "name": name, "asked": wanted, "seen": seen, "passed": passed}


def _slow(server: Running) -> Iterator[Result]:
    head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nX-API-Key: one-key\r\n"
    kind = b"Content-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    for name, start in (("slow header", head), ("slow body", head + kind)):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
            connection.sendall(start)
            received = b""
            while chunk := connection.recv(4096):
                received += chunk
        seconds = round(time.monotonic() - began, 1)
        seen = {"closed_after_s": seconds, "said": received[:12].decode("latin-1")}
        wanted = f"closed after {RECEIVE_S:g} to {2 * RECEIVE_S + 1:g} s"
        passed = RECEIVE_S - 0.1 <= seconds <= 2 * RECEIVE_S + 1
        yield _result(39, name, wanted, seen, passed=passed and b" 5" not in received[:12])


def _keyed(server: Running) -> Iterator[Result]:
    for name, headers, wanted in (
        ("no key", {}, HTTPStatus.UNAUTHORIZED),
        ("a wrong key", {"X-API-Key": "two-key"}, HTTPStatus.UNAUTHORIZED),
        ("the key", {"X-API-Key": KEY}, HTTPStatus.OK),
    ):
        answer = Client(server.port).post("/v1/classify", RED, headers)
        challenged = "www-authenticate" in answer.headers or wanted == HTTPStatus.OK
        passed = answer.status == wanted and challenged
        yield _result(40, name, int(wanted), answer.status, passed=passed)


def _full(server: Running) -> Iterator[Result]:
    body = json.dumps([b64(encoded("JPEG", size=(3000, 2000)))] * 4).encode()
    seen: list[tuple[int, bool]] = []

    def ask() -> None:
        for _ in range(4):
            answer = Client(server.port).post("/classify", body, JSON)
            seen.append((answer.status, "retry-after" in answer.headers))

    threads = [threading.Thread(target=ask) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    healthy = set()
    while any(thread.is_alive() for thread in threads):
        healthy.add(_health(server.port))
        time.sleep(0.05)
    counted = {str(kind): seen.count(kind) for kind in sorted(set(seen))}
    statuses = {status for status, _ in seen}
    busy = HTTPStatus.SERVICE_UNAVAILABLE
    passed = statuses <= {HTTPStatus.OK, busy} and all(
        retry for code, retry in seen if code == busy
    )
    wanted = "200, or 503 with Retry-After"
    yield _result(41, "full queue", wanted, counted, passed=passed and (busy, True) in seen)
    yield _result(41, "its health", [200], sorted(healthy), passed=healthy == {200})


def _health(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return int(connection.recv(12).split()[1])


def _bundles(bundle: Path, work: Path) -> Iterator[Result]:
    def too_few(folder: Path) -> None:
        rename_classes(folder, lambda names: names[:-1])

    def twice(folder: Path) -> None:
        rename_classes(folder, lambda names: [*names[:-1], names[0]])

    damages: tuple[tuple[str, Callable[[Path], None], type[SceneSetError]], ...] = (
        ("model folder missing", shutil.rmtree, MissingInputError),
        ("model altered by one byte", alter_network, DamagedDataError),
        ("half copied", halve_network, DamagedDataError),
        ("class names too few", too_few, DamagedDataError),
        ("class name twice", twice, DamagedDataError),
    )
    for name, damage, error in damages:
        folder = work / name.replace(" ", "_")
        shutil.copytree(bundle, folder)
        damage(folder)
        exit_code, lines = _refused_start(folder)
        wanted = {"exit_code": error.exit_code, "lines": 2}
        seen = {"exit_code": exit_code, "lines": lines}
        yield _result(42, name, wanted, seen, passed=seen == wanted)


def _refused_start(model: Path) -> tuple[int, int]:
    """Try to serve what cannot be served; return the exit code and the lines on stderr."""
    words = [*CLI, "serve", "--model", str(model), "--port", "0"]
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=REFUSE_S)
    except subprocess.TimeoutExpired:  # it serves
        return 0, 0
    return done.returncode, len(done.stderr.strip().splitlines())
