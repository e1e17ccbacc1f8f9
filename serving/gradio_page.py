"""Offer the same top 3 on a page made with Gradio, which asks the engine of this server.

Gradio counts its users and fetches fonts from other hosts unless told otherwise; here it does
neither, and a policy keeps its page from other hosts whatever it tries.
"""

import os
from collections.abc import Callable
from importlib import import_module
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from serving.engine import top_classes
from serving.keys import Keys
from serving.pictures import WITH_WEBP
from serving.refusal import RefusalError
from serving.service import Service

PLACE = "/gradio"
TOP = 3
POLICY = (
    "default-src 'self' 'unsafe-inline' 'unsafe-eval' blob: data:; connect-src 'self' blob: data:;"
    " base-uri 'self'; frame-ancestors 'none'"
)
LOGIN = "Any user name, and an API key as the password."


def add_gradio(app: FastAPI, service: Service, keys: Keys | None) -> None:
    """Put Gradio's page below /gradio, and send `/` there.

    With keys it asks for one. Raises ModuleNotFoundError without the extra `gradio`.
    """
    os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
    gradio = import_module("gradio")
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
    app.add_middleware(GradioPolicy)


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

    with gradio.Blocks(title=service.model.name, analytics_enabled=False) as blocks:
        gradio.Markdown(f"# {service.model.name}")
        with gradio.Row():
            # No gradio.Image: that decodes what comes, of any format, before our checks can.
            picture = gradio.File(type="binary", file_types=["image"], label="Picture")
            classes = gradio.Label(num_top_classes=TOP, label="Most probable")
        picture.change(classify, picture, classes, api_name="classify")
    return blocks


class GradioPolicy:
    """An ASGI application that lets Gradio's page run its own scripts, and reach no other host."""

    def __init__(self, app: ASGIApp) -> None:
        """Stand around an application."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message)["Content-Security-Policy"] = POLICY
            await send(message)

        of_gradio = scope["type"] == "http" and scope["path"].startswith(f"{PLACE}/")
        await self._app(scope, receive, sending if of_gradio else send)


async def _to_gradio(_request: Request) -> Response:
    return RedirectResponse(f"{PLACE}/")


def _login(keys: Keys) -> Callable[[str, str], bool]:
    return lambda _user, password: keys.open_to({"x-api-key": password})
