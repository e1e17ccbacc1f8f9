"""A newer bundle takes over without a failed request; a broken one does not."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from served_model_support import RED, Answer, Client

from pipeline.bundle import BUNDLE_NAME
from pipeline.errors import MissingInputError
from serving.bundle import find_served
from serving.keeper import Keeper
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
        wait(lambda: client.service.keeper.problem)
        assert "model.tflite is not the file that was exported" in client.service.keeper.problem
        assert client.get("/readyz").json["reload_problem"] == "damaged"
        assert client.post("/v1/classify?top=1", RED, PNG).json[0]["label"] == "red"
        (model / "2" / "model.tflite").write_bytes(whole)
        wait(lambda: client.service.model.version == "2")
        assert client.get("/readyz").json["reload_problem"] is None


@pytest.mark.parametrize("damage", ["names", "gone"])
def test_a_reload_that_fails_keeps_the_old_model(
    model: Path, write_bundle: WriteBundle, damage: str
) -> None:
    keeper = Keeper(ServeSettings(model=model), 1)
    if damage == "names":
        write_bundle(model / "2", ["only", "two"])
        point(model, "2")
    else:
        shutil.rmtree(model)
    assert not keeper.reload()
    assert keeper.current.version == "1"
    assert ("2 classes" if damage == "names" else "no bundle at") in keeper.problem


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
    keeper = Keeper(ServeSettings(model=model), 1)
    assert not keeper.is_stale()
    assert keeper.reloads == 0
