"""Serve galleries of drawn pictures to the tests that look at what goes over the wire."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support.drawing import draw_jpeg
from support.gallery import BATCH, COUNT, Serve

from scraper.gallery.server import Gallery, running_gallery
from scraper.gallery.settings import Behaviour, GallerySettings


@pytest.fixture(scope="module", name="pictures")
def _pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pictures")
    (root / "Lake").mkdir()
    for number in range(COUNT):
        (root / "Lake" / f"{number:03}.jpg").write_bytes(draw_jpeg(number, (150, 100), 60))
    return root


@pytest.fixture(name="serve")
def _serve(pictures: Path) -> Iterator[Serve]:
    with ExitStack() as running:

        def serve(*behaviours: Behaviour, **more: Any) -> Gallery:  # noqa: ANN401  settings of any type
            values: dict[str, Any] = {"pictures": pictures, "batch": BATCH} | more
            settings = GallerySettings(port=0, behaviours=behaviours, **values)
            return running.enter_context(running_gallery(settings))

        yield serve
