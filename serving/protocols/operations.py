"""Answer whoever looks after the server: health, readiness, counters, the model in service."""

from starlette.requests import Request
from starlette.responses import Response

from serving.inference.service import Service
from serving.protocols.contract import (
    ClientProtocol,
    Route,
    always,
    json_response,
    problem_response,
)

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"


async def readyz(service: Service, request: Request) -> Response:
    """Say whether requests are taken, with which model, and why a newer one is not in service."""
    model, stopping = service.model, service.is_stopping(request)
    state = {
        "ready": not stopping,
        "model": model.name,
        "version": model.version,
        "classes": len(model.class_names),
        "reload_problem": service.reloader.problem_kind,
    }
    return json_response(state, 503 if stopping else 200)


async def metrics(service: Service, _request: Request) -> Response:
    """Return the counters in Prometheus' text format."""
    model = service.model
    identity = (model.name, model.version, model.sha256)
    return Response(service.metrics.text(identity, service.queue.pending), media_type=METRICS_TYPE)


async def show_model(service: Service, _request: Request) -> Response:
    """Describe the model in service: what the page shows."""
    current = service.model
    return json_response(
        {
            "name": current.name,
            "version": current.version,
            "sha256": current.sha256,
            "size": current.size,
            "class_names": list(current.class_names),
            "explain": current.explainer is not None,
            "feedback": service.settings.feedback is not None,
        }
    )


_READY = {
    "ready": True,
    "model": "{name}",
    "version": "{version}",
    "classes": "{classes}",
    "reload_problem": None,
}
_MODEL = {
    "name": "{name}",
    "version": "{version}",
    "sha256": "5f0c...",
    "size": "{size}",
    "class_names": ["{label}"],
    "explain": True,
    "feedback": False,
}
PROTOCOL = ClientProtocol(
    name="Operations",
    about="For probes, dashboards and people.",
    routes=(
        Route(
            method="GET",
            path="/healthz",
            handler=always({"status": "ok"}),  # also when every thread is busy
            about="Say that the process is alive.",
            answers={"status": "ok"},
            needs_key=False,
        ),
        Route(
            method="GET",
            path="/readyz",
            handler=readyz,
            about="Say whether requests are taken, and by which model.",
            answers=_READY,
            also=frozenset({503}),
            needs_key=False,
        ),
        Route(
            method="GET",
            path="/metrics",
            handler=metrics,
            about="Return the counters in Prometheus' text format.",
            answers_as="text/plain",
        ),
        Route(
            method="GET",
            path="/v1/model",
            handler=show_model,
            about="Describe the model in service.",
            answers=_MODEL,
        ),
    ),
    error_response=problem_response,
    prefixes=(),
)
