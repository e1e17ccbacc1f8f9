"""Offer the same top 3 on a page made with Gradio, which asks the engine of this server.

Gradio counts its users and fetches fonts from other hosts unless told otherwise; here it does
neither, and a guard keeps its page and its calls from other hosts whatever they try.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from serving.engine import top_classes
from serving.gradio_guard import KEPT, PLACE, GradioGuard
from serving.keys import Keys
from serving.pictures import WITH_WEBP
from serving.refusal import RefusalError
from serving.service import Service

TOP = 3
LOGIN = "Any user name, and an API key as the password."


def add_gradio(app: Starlette, service: Service, keys: Keys | None) -> None:
    """Put Gradio's page below /gradio, and send `/` there.

    With keys it asks for one. Uploads go into a folder of their own, which goes with the server.
    Raises ModuleNotFoundError without the extra `gradio`.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gradio = import_module("gradio")
    uploads = TemporaryDirectory(prefix="sceneset-")
    folder = Path(uploads.name).resolve()
    os.environ["GRADIO_TEMP_DIR"] = str(folder)
    gradio.mount_gradio_app(
        app,
        build_blocks(gradio, service),
        PLACE,
        auth=None if keys is None else _login(keys),
        auth_message=LOGIN,
        max_file_size=service.settings.max_body,
        show_error=True,
        ssr_mode=False,
        run_history=False,
        enable_monitoring=False,
        footer_links=[],
        theme=gradio.themes.Default(font=["system-ui", "sans-serif"], font_mono=["monospace"]),
    )
    app.router.add_route("/", _to_gradio, methods=["GET"])
    _remove_at_the_end(app, uploads)
    app.add_middleware(GradioGuard, service=service, folder=folder)


def build_blocks(gradio: Any, service: Service) -> Any:  # noqa: ANN401  the package, which has no types
    """Return the page: a picture in, the three most probable classes out."""

    async def classify(data: bytes | None) -> dict[str, float]:
        if data is None:
            return {}
        try:
            answers = await service.classify([data], WITH_WEBP, PLACE)
            (found,) = answers.whole()
        except RefusalError as refusal:
            raise gradio.Error(refusal.detail, print_exception=False) from refusal
        return dict(top_classes(found, answers.model.class_names, TOP))

    with gradio.Blocks(
        title=service.model.name, analytics_enabled=False, delete_cache=(KEPT, KEPT)
    ) as blocks:
        gradio.Markdown(f"# {service.model.name}")
        with gradio.Row():
            # No gradio.Image: that decodes what comes, of any format, before our checks can.
            picture = gradio.File(type="binary", file_types=["image"], label="Picture")
            classes = gradio.Label(num_top_classes=TOP, label="Most probable")
        picture.change(classify, picture, classes, api_name="classify")
    return blocks


def _remove_at_the_end(app: Starlette, uploads: "TemporaryDirectory[str]") -> None:
    around = app.router.lifespan_context

    @asynccontextmanager
    async def lifespan(started: Starlette) -> AsyncIterator[Any]:
        with uploads:
            async with around(started) as state:
                yield state

    app.router.lifespan_context = lifespan


async def _to_gradio(_request: Request) -> Response:
    return RedirectResponse(f"{PLACE}/")


def _login(keys: Keys) -> Callable[[str, str], bool]:
    return lambda _user, password: keys.open_to({"x-api-key": password})
