"""`serve` as a user starts it: what it says, what it refuses, how signals end it."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest
from support.served_model import GREEN, RED, Client

import serving.app
from sceneset import cli
from sceneset.errors import SettingsError
from serving.settings import ServeSettings

ROOT = Path(__file__).resolve().parents[3]
PNG = {"Content-Type": "image/png"}
# No address of this machine: a server that ought to refuse something else ends all the same.
NOWHERE = ("--host", "192.0.2.1")
# Ends in error when a package was loaded that serving has no use for.
CHECK = (
    "import sys, cli\n"
    "code = cli.main(sys.argv[1:])\n"
    "heavy = {'tensorflow', 'keras', 'selenium', 'training', 'scraper', 'curate'}\n"
    "heavy |= {'fastapi', 'pydantic'}\n"
    "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    "sys.exit(code)\n"
)


@contextmanager
def running(*words: object, model: Path) -> Iterator[tuple["subprocess.Popen[str]", int, Path]]:
    """Run a command; give the process, the port of the address that it says, and its log."""
    log = model.parent / "log"
    with log.open("w") as stderr:
        process = subprocess.Popen(
            [sys.executable, *map(str, words)],
            cwd=ROOT, env=os.environ | {"SCENESET_MODEL": str(model)},
            stdout=subprocess.PIPE, stderr=stderr, text=True,
        )  # fmt: skip
    try:
        until = time.monotonic() + 60
        while not (port := re.search(r"http://127\.0\.0\.1:(\d+)\W", log.read_text())):
            assert time.monotonic() < until, log.read_text()
            assert process.poll() is None, log.read_text()
            time.sleep(0.02)
        yield process, int(port[1]), log
    finally:
        process.kill()
        process.communicate()


def test_a_server_reloads_on_sighup_and_answers_what_is_in_flight_when_it_ends(
    model: Path, write_bundle: Callable[..., Path]
) -> None:
    words = ("-c", CHECK, "serve", "--model", model, "--port", 0, "--watch", 0, "--json")
    with running(*words, model=model) as (process, port, log):
        client = Client(port, None)
        assert client.post("/v1/classify", RED, PNG).json[0]["label"] == "red"
        write_bundle(model / "2", ["rouge", "vert", "bleu"])
        (model / "current").unlink()
        (model / "current").symlink_to("2")
        process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 20
        while client.get("/readyz").json["version"] != "2":
            assert time.monotonic() < until
            time.sleep(0.02)
        head = f"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: {len(GREEN)}\r\n\r\n"
        with socket.create_connection(("127.0.0.1", port), 20) as connection:
            connection.sendall(head.encode() + GREEN[:20])
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            time.sleep(0.2)
            connection.sendall(GREEN[20:])
            found = b""
            while chunk := connection.recv(65536):
                found += chunk
        assert b'[{"label":"vert"' in found
        printed, _ = process.communicate(timeout=20)
        lines = log.read_text()
    assert process.returncode == 0, lines
    assert json.loads(printed)["version"] == "2"
    assert f"curl --data-binary @photo.jpg http://127.0.0.1:{port}/v1/classify" in lines
    assert "serving 3 classes" in lines
    assert "POST /v1/classify 200" in lines
    assert "Traceback" not in lines


def test_uvicorn_serves_what_the_environment_names(model: Path) -> None:
    words = ("-m", "uvicorn", "serving.app:app", "--port", 0)
    with running(*words, model=model) as (_, port, _log):
        assert Client(port, None).post("/v1/classify", RED, PNG).json[0]["label"] == "red"


def test_uvicorn_is_told_what_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SCENESET_MODEL", str(tmp_path / "none"))
    with pytest.raises(SystemExit) as caught:
        _ = serving.app.app
    assert caught.value.code == 2
    printed = capsys.readouterr().err
    assert "no bundle at" in printed
    assert "SCENESET_MODEL=DIR" in printed
    assert "--" not in printed


@pytest.fixture
def refused(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """Return a function that runs `serve` to its refusal: its exit code and its two lines."""

    def run(*words: object) -> tuple[int, str]:
        code = cli.main(["serve", *map(str, words)])
        printed = capsys.readouterr().err
        first, second = printed.splitlines()
        assert first.startswith("sceneset serve: ")
        assert second.startswith("  try: ")
        return code, printed

    return run


Refused = Callable[..., tuple[int, str]]


def test_a_missing_model_and_a_file_that_is_no_model_are_exit_2(
    refused: Refused, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "model.keras").write_bytes(b"x")
    assert refused("--model", tmp_path / "none")[0] == 2
    code, printed = refused(tmp_path / "model.keras")
    assert (code, "is no bundle" in printed, "sceneset convert" in printed) == (2, True, True)
    code, printed = refused(model, "--api-key-file", tmp_path / "none")
    assert (code, "no key file" in printed) == (2, True)


@pytest.mark.parametrize("words", [("--fit", "crop"), ("--scale", "0..1")])
def test_what_only_a_lone_file_needs_is_refused_for_a_bundle(
    refused: Refused, model: Path, words: tuple[str, str]
) -> None:
    code, printed = refused(model, *words, *NOWHERE)
    assert (code, " ".join(words) in printed, f"leave {words[0]} out" in printed) == (2, True, True)


@pytest.mark.parametrize("other", ["other", "models/scenes"])
def test_two_models_are_refused_by_both_names(refused: Refused, model: Path, other: str) -> None:
    code, printed = refused(model, "--model", other, *NOWHERE)
    assert (code, str(model) in printed, f"--model {other}" in printed) == (2, True, True)


def test_class_names_that_do_not_fit_are_exit_2(
    refused: Refused, model: Path, tmp_path: Path
) -> None:
    lone, names = model / "1" / "model.tflite", tmp_path / "names.txt"
    assert "comes without class names" in refused(lone)[1]
    for text, words in (
        ("a\nb\n", "holds 2 class names, the model has 3"),
        ("a\na\nb\n", "2 times"),
    ):
        names.write_text(text)
        for what in (lone, model):
            code, printed = refused(what, "--class-names", names)
            assert (code, words in printed) == (2, True)


def test_a_taken_port_is_exit_2(refused: Refused, model: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, printed = refused("--model", model, "--port", taken.getsockname()[1])
    assert (code, "is in use" in printed) == (2, True)
    for host in ("no.such.host.invalid", "a..b", "192.0.2.1"):
        code, printed = refused("--model", model, "--host", host)
        assert (code, "is no address of this machine" in printed) == (2, True)


def test_a_bundle_that_is_altered_or_half_copied_is_exit_5(refused: Refused, model: Path) -> None:
    path = model / "1" / "model.tflite"
    data = path.read_bytes()
    path.write_bytes(data[:900] + bytes([data[900] ^ 1]) + data[901:])
    code, printed = refused(model)
    assert (code, "model.tflite is not the file that was exported" in printed) == (5, True)
    path.write_bytes(data)
    (model / "1" / "class_names.json").unlink()
    code, printed = refused("--model", model)
    assert (code, "class_names.json is missing" in printed) == (5, True)


def test_a_bundle_without_its_model_is_exit_5(refused: Refused, model: Path) -> None:
    path = model / "1" / "bundle.json"
    record = json.loads(path.read_text())
    del record["files"]["model.tflite"]
    path.write_text(json.dumps(record))
    (model / "1" / "model.tflite").unlink()
    code, printed = refused(model)
    assert (code, "model.tflite cannot be read" in printed) == (5, True)


@pytest.mark.parametrize(
    "setting",
    [{"port": 70000}, {"workers": 0}, {"queue": 0}, {"deadline": 0}, {"max_megapixels": 2561},
     {"name": "a/b"}, {"name": ""}, {"watch": -1}, {"host": ""}, {"host": "a\nb"}, {"max_body_mb": 0}, {"max_images": 0}],
)  # fmt: skip
def test_settings_that_cannot_work_are_refused(setting: dict[str, object]) -> None:
    (name,) = setting
    with pytest.raises(SettingsError, match=f"--{name.replace('_', '-')} is "):
        ServeSettings(**setting)  # type: ignore[arg-type]


def test_a_lone_model_file_is_served_with_class_names(
    serve: Callable[[ServeSettings], AbstractContextManager[Client]], model: Path, tmp_path: Path
) -> None:
    names, lone = tmp_path / "class_names.csv", tmp_path / "mine.tflite"
    names.write_text("keys\nrot\ngrün\nblau\n")
    shutil.copy(model / "1" / "model.tflite", lone)
    settings = ServeSettings(model=lone, class_names=names, watch=0)
    with serve(settings) as client:
        assert client.post("/v1/classify", GREEN, PNG).json[0]["label"] == "grün"
        assert client.get("/v2/models/mine").status == 200
