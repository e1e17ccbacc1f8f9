"""A newer bundle takes over without a failed request; a broken one does not."""

import json
import shutil
import socket
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from support.served_model import RED, Answer, Client, b64

from sceneset.bundle.reader import BUNDLE_NAME
from sceneset.errors import MissingInputError
from serving.inference.engine import Engine
from serving.inference.model import find_served
from serving.inference.service import Reloader
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
WriteBundle = Callable[[Path, list[str]], Path]
PNG = {"Content-Type": "image/png"}


def point(model: Path, name: str) -> None:
    (model / "next").symlink_to(name)
    (model / "next").rename(model / "current")


@contextmanager
def asking(client: Client) -> Iterator[list[Answer]]:
    """Ask all the time while the block runs."""
    answers: list[Answer] = []
    stop = threading.Event()

    def ask() -> None:
        while not stop.is_set():
            answers.append(client.post("/v1/classify?top=1", RED, PNG))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    yield answers
    stop.set()
    for thread in threads:
        thread.join()


def wait(done: Callable[[], object], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_newer_version_takes_over_under_load_without_a_failed_request(
    serve: Serve, model: Path, write_bundle: WriteBundle
) -> None:
    with serve(ServeSettings(model=model, watch=0.05, workers=2)) as client:
        with asking(client) as answers:
            wait(lambda: answers)
            write_bundle(model / "2", ["rouge", "vert", "bleu"])
            point(model, "2")
            wait(lambda: client.service.model.version == "2")
            count = len(answers)
            wait(lambda: len(answers) > count + 3)
        assert {answer.status for answer in answers} == {200}
        assert {answer.json[0]["label"] for answer in answers} == {"red", "rouge"}
        assert client.get("/v1/models/colours/versions/2").status == 200
        assert client.get("/v1/models/colours/versions/1").status == 404


def test_a_broken_or_half_copied_version_leaves_the_old_one_and_says_why(
    serve: Serve, model: Path, write_bundle: WriteBundle
) -> None:
    with serve(ServeSettings(model=model, watch=0.05, workers=1)) as client:
        write_bundle(model / "2", ["a", "b", "c"])
        whole = (model / "2" / "model.tflite").read_bytes()
        (model / "2" / "model.tflite").write_bytes(whole[:700])
        point(model, "2")
        wait(lambda: client.service.reloader.problem)
        assert "model.tflite is not the file that was exported" in client.service.reloader.problem
        assert client.get("/readyz").json["reload_problem"] == "damaged"
        assert client.post("/v1/classify?top=1", RED, PNG).json[0]["label"] == "red"
        (model / "2" / "model.tflite").write_bytes(whole)
        wait(lambda: client.service.model.version == "2")
        assert client.get("/readyz").json["reload_problem"] is None


@pytest.mark.parametrize("damage", ["names", "gone"])
def test_a_reload_that_fails_keeps_the_old_model(
    model: Path, write_bundle: WriteBundle, damage: str
) -> None:
    reloader = Reloader(ServeSettings(model=model), 1)
    if damage == "names":
        write_bundle(model / "2", ["only", "two"])
        point(model, "2")
    else:
        shutil.rmtree(model)
    assert not reloader.reload()
    assert reloader.current.version == "1"
    assert ("2 classes" if damage == "names" else "no bundle at") in reloader.problem


def test_what_is_served_is_the_link_else_the_highest_number(
    model: Path, write_bundle: WriteBundle
) -> None:
    write_bundle(model / "10", ["a", "b", "c"])
    write_bundle(model / "9", ["a", "b", "c"])
    assert find_served(model).name == "1"
    assert find_served(model / "9").name == "9"
    (model / "current").unlink()
    assert find_served(model).name == "10"
    (model / "10" / BUNDLE_NAME).unlink()
    assert find_served(model).name == "9"
    with pytest.raises(MissingInputError):
        find_served(model / "nothing")


def test_nothing_new_is_no_reload(model: Path) -> None:
    reloader = Reloader(ServeSettings(model=model), 1)
    assert not reloader.is_stale()
    assert reloader.current.version == "1"


def test_what_was_wrong_is_forgotten_when_the_folder_is_as_it_was(
    model: Path, write_bundle: WriteBundle
) -> None:
    reloader = Reloader(ServeSettings(model=model), 1)
    write_bundle(model / "2", ["only", "two"])
    point(model, "2")
    assert reloader.is_stale()
    assert not reloader.reload()
    point(model, "1")
    assert not reloader.is_stale()
    assert (reloader.problem, reloader.problem_kind) == ("", None)
    assert reloader.current.version == "1"
    model.rename(model.with_name("away"))
    assert not reloader.is_stale()
    assert reloader.problem_kind == "missing"
    model.with_name("away").rename(model)
    assert not reloader.is_stale()
    assert reloader.problem_kind is None


def test_each_problem_is_logged_once_also_when_it_follows_another(
    model: Path, write_bundle: WriteBundle, caplog: pytest.LogCaptureFixture
) -> None:
    reloader = Reloader(ServeSettings(model=model), 1)
    write_bundle(model / "2", ["only", "two"])
    point(model, "2")
    assert reloader.is_stale()
    assert not reloader.reload()
    point(model, "9")
    assert not reloader.is_stale()
    assert not reloader.is_stale()
    assert ["2 classes" in message for message in caplog.messages] == [True, False]
    assert "names 9, where there is no bundle" in caplog.messages[1]


def test_a_request_is_answered_by_the_version_that_it_was_checked_against(
    serve: Serve, model: Path, write_bundle: WriteBundle
) -> None:
    encoded = json.dumps({"instances": [{"b64": b64(RED)}]}).encode()
    head = "POST /v1/models/colours/versions/1:predict HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    head += f"Content-Length: {len(encoded)}\r\n\r\n"
    with serve(ServeSettings(model=model, watch=0, workers=1)) as client:
        with socket.create_connection(("127.0.0.1", client.port), 10) as connection:
            connection.sendall(head.encode() + encoded[:9])
            wait(lambda: client.get("/healthz").status == 200)  # the one before is at work by now
            first = client.service.model
            write_bundle(model / "2", ["rouge", "vert", "bleu"])
            point(model, "2")
            assert client.service.reloader.reload()
            counted = Counting(first.engine)
            client.service.reloader.current = replace(client.service.model, engine=counted)
            connection.sendall(encoded[9:])
            assert connection.recv(65536).startswith(b"HTTP/1.1 200")
        assert counted.requested == 0
        assert client.post("/v1/models/colours/versions/1:predict", encoded).status == 404


def test_a_model_that_was_replaced_goes_out_of_memory_though_it_had_asked_for_a_swap(
    model: Path,
) -> None:
    reloader = Reloader(ServeSettings(model=model), 2)
    old = weakref.ref(reloader.current.engine)
    held = threading.Event()
    reloader.thread.submit(held.wait, 20)
    reloader.current.engine.infer(np.zeros((32, 32, 3), np.uint8))  # not alone
    assert reloader.reload()
    held.set()
    reloader.thread.shutdown()
    assert old() is None
    assert reloader.current.engine.infer(np.zeros((32, 32, 3), np.uint8)).shape == (3,)


class Counting:
    """An engine that counts what it is asked."""

    requested = 0

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.bundle = replace(engine.bundle, class_names=("rouge", "vert", "bleu"))

    def prepare(self, data: bytes) -> object:
        self.requested += 1
        return self._engine.prepare(data)

    def infer(self, pixels: Any, *, alone: bool) -> object:  # noqa: ANN401  an array
        return self._engine.infer(pixels, alone=alone)
