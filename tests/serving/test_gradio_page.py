"""`--ui gradio`: Gradio's page asks the engine of the server, under the same keys."""

import gc
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import pytest
from support.served_model import BLUE, FORM, RED, Client, form

from serving.settings import ServeSettings

ROOT = Path(__file__).resolve().parents[2]
Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
needs_gradio = pytest.mark.skipif(
    find_spec("gradio") is None, reason="gradio (an extra) is not installed"
)
pytestmark = pytest.mark.filterwarnings("default")  # those of Gradio and its packages


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Let what Gradio leaves open warn here, where that is no error."""
    yield
    gc.collect()


@pytest.mark.skipif(find_spec("gradio") is not None, reason="gradio is installed")
def test_without_the_package_it_is_named_in_two_lines(model: Path) -> None:
    words = ["serve", "--model", str(model), "--ui", "gradio", "--port", "0"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "cli.py"), *words],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    first, second = done.stderr.splitlines()
    assert done.returncode == 2
    assert "needs the package gradio" in first
    assert "'.[gradio]'" in second


@needs_gradio
def test_the_page_is_there_and_answers_with_the_top_classes(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    gradio_client = pytest.importorskip("gradio_client")
    with serve(ServeSettings(model=model, ui="gradio", watch=0)) as client:
        assert client.get("/").headers["location"] == "/gradio/"
        page = client.get("/gradio/")
        assert page.status == 200
        assert "connect-src 'self'" in page.headers["content-security-policy"]
        assert b"fonts.googleapis.com" not in page.body
        visitor = gradio_client.Client(f"http://127.0.0.1:{client.port}/gradio/", verbose=False)
        (tmp_path / "blue.png").write_bytes(BLUE)
        found = visitor.predict(
            gradio_client.handle_file(tmp_path / "blue.png"), api_name="/classify"
        )
        assert found["label"] == "blue"
        assert len(found["confidences"]) == 3
        direct = client.post("/v1/classify", BLUE).json
        shares = [one["confidence"] for one in found["confidences"]]
        assert shares == pytest.approx([one["score"] for one in direct], abs=1e-6)
        (tmp_path / "no.png").write_bytes(b"no picture")
        with pytest.raises(Exception, match="picture"):
            visitor.predict(gradio_client.handle_file(tmp_path / "no.png"), api_name="/classify")
        assert client.post("/v1/classify", RED).json[0]["label"] == "red"


@needs_gradio
def test_the_page_asks_for_a_key_where_the_server_does(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    keys = tmp_path / "keys"
    keys.write_text("secret-1\n")
    keys.chmod(0o600)
    settings = ServeSettings(model=model, ui="gradio", watch=0, api_key_file=keys)
    with serve(settings) as client:
        assert client.get("/gradio/config").status == 401
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        for password, status in (("wrong", 400), ("secret-1", 200)):
            body = f"username=me&password={password}".encode()
            assert client.post("/gradio/login", body, form).status == status


@needs_gradio
def test_uploads_go_with_the_server_and_hold_no_more_than_a_body(
    serve: Serve, model: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    with serve(ServeSettings(model=model, ui="gradio", watch=0, max_body_mb=0.2)) as client:
        (path,) = client.post(
            "/gradio/gradio_api/upload", form({"files": ("a.png", BLUE)}), FORM
        ).json
        folder = Path(os.environ["GRADIO_TEMP_DIR"])
        assert Path(path).read_bytes() == BLUE
        assert Path(path).is_relative_to(folder)
        call = {"data": [{"path": path, "secret": "x" * 99}], "secret": ["x" * 99]}
        assert (
            client.post("/gradio/gradio_api/run/classify", call).json["data"][0]["label"] == "blue"
        )
        many = form({"files": ("a.png", bytes(150_000)), "more": ("b.png", bytes(150_000))})
        assert client.post("/gradio/gradio_api/upload", many, FORM).status == 413
        pieces = b"".join(b"%x\r\n%b\r\n" % (len(many) // 2, half) for half in
                          (many[: len(many) // 2], many[len(many) // 2 : len(many) // 2 * 2]))  # fmt: skip
        head = b"POST /gradio/gradio_api/upload HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
        head += (
            b"Content-Type: multipart/form-data; boundary=xyz\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        assert client.raw(head + pieces + b"0\r\n\r\n").startswith(b"HTTP/1.1 413")
        for secret in (
            {"path": "http://127.0.0.1:9/secret.png"},
            {"path": 1, "x": "secret"},
            "secret",
        ):
            assert client.post("/gradio/gradio_api/run/classify", {"data": [secret]}).status == 400
        assert client.get("/gradio/gradio_api/file=http://127.0.0.1:9/secret.png").status == 404
    assert not folder.exists()
    assert capfd.readouterr().err == ""
