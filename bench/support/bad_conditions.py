"""Check the rows of the table that need a server of their own: time, keys, a full queue, bundles."""

import json
import os
import shutil
import socket
import sys
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any

import numpy as np
from fuzz_server import Client, Server, refused_start, serving

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
sys.path.insert(0, str(ROOT / "tests"))

from served_model_support import RED, b64, encoded

from sceneset.checksums import hash_files
from sceneset.errors import DamagedDataError, MissingInputError

RECEIVE_S = 1.0
CLIENTS = 12
TEXT = {"Content-Type": "application/json"}
Told = dict[str, Any]


def guard_rows(bundle: Path, work: Path) -> list[Told]:
    """Return what became of rows 39 to 42."""
    keys = work / "keys.txt"
    keys.write_text("one-key\n")
    keys.chmod(0o600)
    told = []
    words = ("--receive", str(RECEIVE_S), "--api-key-file", str(keys))
    with serving(bundle, work / "slow.log", *words) as server:
        told += [*_slow(server), *_keyed(server)]
    with serving(bundle, work / "full.log", "--queue", "4", "--workers", "1") as server:
        told += _full(server)
    return [*told, *_bundles(bundle, work)]


def _told(row: int, name: str, asked: object, seen: object, *, passed: bool) -> Told:
    return {"row": row, "name": name, "asked": asked, "seen": seen, "passed": passed}


def _slow(server: Server) -> Iterator[Told]:
    head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nX-API-Key: one-key\r\n"
    kind = b"Content-Type: image/png\r\nContent-Length: 1000\r\n\r\n"
    for name, start in (("slow header", head), ("slow body", head + kind)):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", server.port), 20) as connection:
            connection.sendall(start)
            said = b""
            while chunk := connection.recv(4096):
                said += chunk
        seconds = round(time.monotonic() - began, 1)
        seen = {"closed_after_s": seconds, "said": said[:12].decode("latin-1")}
        asked = f"closed after {RECEIVE_S:g} to {2 * RECEIVE_S + 1:g} s"
        passed = RECEIVE_S - 0.1 <= seconds <= 2 * RECEIVE_S + 1
        yield _told(39, name, asked, seen, passed=passed and b" 5" not in said[:12])


def _keyed(server: Server) -> Iterator[Told]:
    for name, headers, wanted in (
        ("no key", {}, HTTPStatus.UNAUTHORIZED),
        ("a wrong key", {"X-API-Key": "two-key"}, HTTPStatus.UNAUTHORIZED),
        ("the key", {"X-API-Key": "one-key"}, HTTPStatus.OK),
    ):
        answer = Client(server.port).post("/v1/classify", RED, headers)
        challenged = "www-authenticate" in answer.headers or wanted == HTTPStatus.OK
        passed = answer.status == wanted and challenged
        yield _told(40, name, int(wanted), answer.status, passed=passed)


def _full(server: Server) -> Iterator[Told]:
    body = json.dumps([b64(encoded(kind="JPEG", size=(3000, 2000)))] * 4).encode()
    seen: list[tuple[int, bool]] = []

    def ask() -> None:
        for _ in range(4):
            answer = Client(server.port).post("/classify", body, TEXT)
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
    passed = statuses <= {200, 503} and all(told for status, told in seen if status == 503)  # noqa: PLR2004  the HTTP statuses
    asked = "200, or 503 with Retry-After"
    yield _told(41, "full queue", asked, counted, passed=passed and (503, True) in seen)
    yield _told(41, "its health", [200], sorted(healthy), passed=healthy == {200})


def _health(port: int) -> int:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        return int(connection.recv(12).split()[1])


def _bundles(bundle: Path, work: Path) -> Iterator[Told]:
    for name, spoil, error in (
        ("model folder missing", _nothing, MissingInputError),
        ("model altered by one byte", _alter, DamagedDataError),
        ("half copied", _halve, DamagedDataError),
        ("class names too few", _too_few, DamagedDataError),
        ("class name twice", _twice, DamagedDataError),
    ):
        folder = work / name.replace(" ", "_")
        # Links cost nothing; what is spoilt is written anew under its name.
        shutil.copytree(bundle, folder, copy_function=_link)
        spoil(folder)
        exit_code, lines = refused_start(folder)
        asked = {"exit_code": error.exit_code, "lines": 2}
        seen = {"exit_code": exit_code, "lines": lines}
        yield _told(42, name, asked, seen, passed=seen == asked)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another disk
        shutil.copy2(source, target)


def _replace(path: Path, data: bytes) -> None:
    path.unlink()
    path.write_bytes(data)


def _nothing(folder: Path) -> None:
    shutil.rmtree(folder)


def _alter(folder: Path) -> None:
    data = np.frombuffer((folder / "model.tflite").read_bytes(), np.uint8).copy()
    data[len(data) // 2] ^= 1
    _replace(folder / "model.tflite", data.tobytes())


def _halve(folder: Path) -> None:
    data = (folder / "model.tflite").read_bytes()
    _replace(folder / "model.tflite", data[: len(data) // 2])


def _too_few(folder: Path) -> None:
    _rename(folder, lambda names: names[:-1])


def _twice(folder: Path) -> None:
    _rename(folder, lambda names: [*names[:-1], names[0]])


def _rename(folder: Path, change: Any) -> None:  # noqa: ANN401  a function on lists of names
    names = change(json.loads((folder / "class_names.json").read_text()))
    _replace(folder / "class_names.json", json.dumps(names).encode())
    record = json.loads((folder / "bundle.json").read_text())
    record["files"] = hash_files(folder, without="bundle.json")
    _replace(folder / "bundle.json", json.dumps(record).encode())
