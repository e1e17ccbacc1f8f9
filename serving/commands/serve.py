"""Serve a bundle to clients of several contracts, and a page to people."""

import asyncio
import logging
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from sceneset.errors import SettingsError
from sceneset.progress import Outcome, Output
from serving.settings import ServeSettings

_DEFAULTS = ServeSettings()
_LOCAL = ("127.0.0.1", "localhost", "::1")


def serve(
    file: Annotated[
        Path | None, Parameter(help="A bundle's folder or a .tflite file, in place of --model.")
    ] = None,
    /,
    *,
    settings: ServeSettings = _DEFAULTS,
    output: Output = Output(),
) -> Outcome:
    """Answer requests from a bundle until Ctrl-C or SIGTERM."""
    from serving.app import create_app  # noqa: PLC0415  uvicorn takes long to import, and --help does without
    from serving.http.server import Server, listen, url_of  # noqa: PLC0415  uvicorn again

    if file is not None:
        settings = _with_file(settings, file)
    _log_to_stderr(quiet=output.quiet)
    app = create_app(settings)
    service = app.state.service
    with listen(settings.host, settings.port) as listener:
        url = url_of(listener)
        lines = _ready_lines(settings, url, len(service.model.class_names))
        signals = (signal.SIGINT, signal.SIGTERM)
        server = Server(app, settings, lambda: output.say("\n".join(lines)), signals)
        asyncio.run(server.serve(sockets=[listener]))
    summary = {
        "address": url,
        "model": service.model.name,
        "version": service.model.version,
        "requests": server.server_state.total_requests,
    }
    return Outcome(summary, (f"answered {summary['requests']} requests",))


def _with_file(settings: ServeSettings, file: Path) -> ServeSettings:
    """Return the settings with the model that FILE names. Raises SettingsError for two models."""
    # Not by value: the default, when somebody gives it, is another model than FILE all the same.
    if settings.model is not ServeSettings.model and settings.model != file:
        raise SettingsError(
            f"two models are named: {file} and --model {settings.model}", cure="name one of them"
        )
    return replace(settings, model=file)


def _ready_lines(settings: ServeSettings, url: str, classes: int) -> list[str]:
    key = ' -H "X-API-Key: $KEY"' if settings.api_key_file else ""
    lines = [
        f"serving {classes} classes on {url}; Ctrl-C ends it",
        f"try: curl{key} --data-binary @photo.jpg {url}/v1/classify",
    ]
    if settings.host not in _LOCAL and not settings.api_key_file:
        lines.append(f"{settings.host} is open to others and no key is asked: see --api-key-file")
    return lines


def _log_to_stderr(*, quiet: bool) -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s"))
    for name in ("serving", "uvicorn.error"):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        logger.setLevel(logging.WARNING)
    logging.getLogger("serving.access").setLevel(logging.WARNING if quiet else logging.INFO)
