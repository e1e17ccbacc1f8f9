"""`--ui gradio`: Gradio's page asks the engine of the server, under the same keys."""

import gc
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from importlib.util import find_spec
from pathlib import Path

import pytest
from served_model_support import BLUE, RED, Client

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
