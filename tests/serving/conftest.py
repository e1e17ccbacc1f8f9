"""Make a bundle around a real LiteRT model that names a picture's mean colour, and serve it."""

import io
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from PIL import Image
from support.bundles import write_bundle, write_model
from support.page import Page, chromium
from support.served_model import GREEN, RED, Client, serving

from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]


@pytest.fixture(name="write_bundle")
def _write_bundle() -> Callable[[Path, list[str]], Path]:
    """Return the function that writes a bundle into a folder."""
    return write_bundle


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Return a model folder whose classes are red, green and blue, in that order of channels."""
    return write_model(tmp_path / "models" / "colours")


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Return a folder with a red, a green and a blue picture, the last one deeper."""
    folder = tmp_path / "pictures"
    colours = {"a.png": "#f02010", "b.png": "#20d030", "deep/c.PNG": "#1020e0"}
    for name, colour in colours.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(colour))
    (folder / "notes.txt").write_text("no picture")
    return folder


def png(colour: str) -> bytes:
    """Draw a flat picture."""
    buffer = io.BytesIO()
    Image.new("RGB", (60, 40), colour).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session", name="serve")
def _serve() -> Serve:
    """Return the function that serves over a real socket, in a thread, while its block runs."""
    return serving


@pytest.fixture(scope="session", name="client")
def _client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """Return a client of a server with small limits that all tests share."""
    model = write_model(tmp_path_factory.mktemp("served") / "colours")
    settings = ServeSettings(model=model, max_body_mb=2, max_images=8, watch=0, workers=2)
    with serving(settings) as client:
        yield client


@pytest.fixture(scope="session", name="page")
def _page() -> Iterator[Page]:
    """Return one headless browser for all tests of the page."""
    yield from chromium()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """Return a red and a green picture to choose."""
    (tmp_path / "it's red.png").write_bytes(RED)
    (tmp_path / "green.png").write_bytes(GREEN)
    return tmp_path / "it's red.png", tmp_path / "green.png"
