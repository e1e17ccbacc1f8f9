"""APIKeys, origins, deadlines, a full queue, slow clients: what the server lets through."""

import socket
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.served_model import RED, Client, b64

from sceneset.class_names import read_class_names
from sceneset.errors import MissingInputError, SettingsError
from serving.http.auth import read_keys
from serving.inference.engine import Engine
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
PNG = {"Content-Type": "image/png"}


@pytest.fixture
def base(model: Path) -> ServeSettings:
    return ServeSettings(model=model, workers=1, watch=0)


def key_file(folder: Path, text: str, mode: int = 0o600) -> Path:
    path = folder / "keys"
    path.write_text(text)
    path.chmod(mode)
    return path


def test_slow_headers_and_slow_bodies_are_closed(serve: Serve, base: ServeSettings) -> None:
    with serve(replace(base, receive=0.3)) as client:
        assert client.raw(b"") == b""
        assert client.raw(b"POST /v1/classify HTTP/1.1\r\nHost") == b""
        head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\nContent-Length: 500\r\n\r\nabc"
        assert client.raw(head).startswith(b"HTTP/1.1 408")


def test_a_body_that_nobody_reads_cannot_drip_for_ever(serve: Serve, base: ServeSettings) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: x\r\nContent-Length: 5000\r\n\r\n"
    with (
        serve(replace(base, receive=0.3)) as client,
        socket.create_connection(("127.0.0.1", client.port), 10) as connection,
    ):
        connection.sendall(head)
        with pytest.raises(OSError, match=r"reset|Broken pipe|aborted"):
            for _ in range(200):  # 10 seconds
                connection.sendall(b"x")
                time.sleep(0.05)


def test_a_key_opens_by_any_of_three_headers(
    serve: Serve, base: ServeSettings, tmp_path: Path
) -> None:
    keys = key_file(tmp_path, "# ours\nfirst-key\n\nsecond-key\n")
    with serve(replace(base, api_key_file=keys)) as client:
        for name, value in (("Cnvrg-Api-Key", "first-key"), ("X-API-Key", "second-key"),
                            ("Authorization", "Bearer first-key"), ("authorization", "bearer second-key")):  # fmt: skip
            assert client.post("/v1/classify", RED, PNG | {name: value}).status == 200
        for name, value in (("X-API-Key", "first-ke"), ("X-API-Key", ""), ("Authorization", "Basic first-key"),
                            ("X-API-Key", "# ours")):  # fmt: skip
            bad = client.post("/v1/classify", RED, PNG | {name: value})
            assert (bad.status, bad.headers["www-authenticate"]) == (401, "Bearer")
            assert b"first" not in bad.body
        shapes = {
            "/classify": "detail",
            "/v2/models/colours/infer": "error",
            "/model/predict": "message",
        }
        for path, field in shapes.items():
            assert field in client.post(path, {}).json
        assert [
            client.get(p).status for p in ("/metrics", "/healthz", "/readyz", "/docs", "/")
        ] == [401] + [200] * 4
        schema = client.get("/openapi.json").json
        assert schema["components"]["securitySchemes"]["ApiKey"]["name"] == "X-API-Key"


@pytest.mark.parametrize(
    ("text", "mode", "word"),
    [("", 0o600, "holds no key"), ("# x\n\n", 0o600, "holds no key"), ("k\n", 0o604, "open to every user")],
)  # fmt: skip
def test_key_files_that_protect_nothing_are_refused(
    tmp_path: Path, text: str, mode: int, word: str
) -> None:
    with pytest.raises(SettingsError, match=word):
        read_keys(key_file(tmp_path, text, mode))
    with pytest.raises(MissingInputError):
        read_keys(tmp_path / "none")


def test_a_key_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    keys = read_keys(key_file(tmp_path, "\ufefffirst-key\n"))
    assert keys.open_to({"x-api-key": "first-key"})
    for key in ("clé", "a\0b"):
        with pytest.raises(SettingsError, match="that no header carries"):
            read_keys(key_file(tmp_path, f"{key}\n"))


def test_files_that_cannot_be_read_are_wrong_settings() -> None:
    unreadable = Path("/proc/self/mem")  # as a file of another user is: the system refuses a read
    with pytest.raises(SettingsError, match="cannot be read: Input/output error"):
        read_keys(unreadable)
    with pytest.raises(SettingsError, match="cannot be read: Input/output error"):
        read_class_names(unreadable)


def test_only_listed_origins_may_call_from_a_page(serve: Serve, base: ServeSettings) -> None:
    origin = "https://gallery.example"
    with serve(base) as client:
        assert (
            "access-control-allow-origin" not in client.get("/healthz", {"Origin": origin}).headers
        )
    with serve(replace(base, allow_origin=(origin,))) as client:
        allowed = client.get("/healthz", {"Origin": origin}).headers
        assert allowed["access-control-allow-origin"] == origin
        other = client.get("/healthz", {"Origin": "https://evil.example"}).headers
        assert "access-control-allow-origin" not in other


def test_a_full_queue_is_503_with_retry_after_while_health_is_200(
    serve: Serve, base: ServeSettings
) -> None:
    with serve(replace(base, queue=1)) as client:
        gate = threading.Event()
        engine = client.service.model.engine
        client.service.reloader.current = replace(client.service.model, engine=Held(engine, gate))
        first = threading.Thread(target=client.post, args=("/v1/classify", RED, PNG))
        first.start()
        until = time.monotonic() + 10
        while not client.service.queue.pending and time.monotonic() < until:
            time.sleep(0.005)
        assert client.service.queue.pending
        for path, body in (("/v1/classify", RED), ("/classify", [b64(RED)])):
            full = client.post(path, body, PNG)
            assert (full.status, full.headers["retry-after"]) == (503, "1")
        assert client.get("/healthz").status == client.get("/v2/health/ready").status == 200
        gate.set()
        first.join()
        assert client.post("/v1/classify", RED, PNG).status == 200


class Held:
    """An engine that waits for a gate."""

    def __init__(self, engine: Engine, gate: threading.Event) -> None:
        self._engine, self._gate = engine, gate
        self.bundle = engine.bundle

    def prepare(self, data: bytes) -> object:
        self._gate.wait(10)
        return self._engine.prepare(data)

    def infer(self, pixels: Any, *, alone: bool) -> object:  # noqa: ANN401  an array
        return self._engine.infer(pixels, alone=alone)


def test_a_late_answer_is_504(serve: Serve, base: ServeSettings) -> None:
    with serve(replace(base, deadline=0.1)) as client:
        gate = threading.Event()
        client.service.reloader.current = replace(
            client.service.model, engine=Held(client.service.model.engine, gate)
        )
        assert client.post("/v1/classify", RED, PNG).status == 504
        gate.set()


def test_request_ids_are_echoed_when_they_are_harmless(client: Client) -> None:
    assert client.get("/healthz", {"X-Request-ID": "abc-1.2"}).headers["x-request-id"] == "abc-1.2"
    for bad in ("a b", "x" * 129, "<script>", "\u00e9"):
        answer = client.get("/healthz", {"X-Request-ID": bad})
        assert answer.headers["x-request-id"] != bad


def test_the_counters_tell_requests_refusals_and_classes(client: Client) -> None:
    client.post("/v1/classify", RED, PNG)
    client.post("/classify", [b64(b"junk")])
    client.get("/secret-looking-address")
    text = client.get("/metrics").body.decode()
    assert 'sceneset_requests_total{method="POST",route="/v1/classify",status="200"}' in text
    assert 'sceneset_refusals_total{reason="not_a_picture",route="/classify"}' in text
    assert 'sceneset_top_class_total{label="red"}' in text
    assert 'sceneset_model_info{name="colours"' in text
    assert "secret" not in text


def test_unknown_addresses_and_methods_have_the_shape_of_their_contract(client: Client) -> None:
    assert client.get("/nothing").json["status"] == 404
    assert list(client.get("/v2/nothing").json) == ["error"]
    assert client.post("/v1/classify/", {}).status == 404  # and no redirect, which loses the body
    wrong = client.get("/classify")
    assert (wrong.status, wrong.headers["allow"], list(wrong.json)) == (405, "POST", ["detail"])
    assert client.ask("HEAD", "/healthz").status == 200


def test_the_schema_and_its_page_name_every_route_and_no_other_host(client: Client) -> None:
    paths = client.get("/openapi.json").json["paths"]
    docs = client.get("/docs")
    page = docs.body.decode().replace(f"http://127.0.0.1:{client.port}/", "")
    for path in ("/classify", "/v1/classify", "/v2/models/{name}/infer", "/model/predict",
                 "/v1/models/{name}:predict", "/api/v1/endpoints/{slug}"):  # fmt: skip
        assert "post" in paths[path]
        assert path.replace("{name}", "colours") in page
    assert "://" not in page
    assert "default-src 'none'" in docs.headers["content-security-policy"]
