"""Write the OpenAPI document of all client contracts. Pure."""

from collections.abc import Sequence
from typing import Any

from serving.dialects.contract import Dialect
from serving.openapi import operation, security_schemes

VERSION = "3.1.0"


def openapi_schema(title: str, dialects: Sequence[Dialect], *, keys: bool) -> dict[str, Any]:
    """Return the document as JSON values; `keys` says whether the routes ask for a key."""
    paths: dict[str, dict[str, Any]] = {}
    for dialect in dialects:
        for route in dialect.routes:
            told = {"tags": [dialect.name], **operation(route, dialect, keys=keys)}
            paths.setdefault(route.path, {})[route.method.lower()] = told
    schema: dict[str, Any] = {"openapi": VERSION, "info": {"title": title, "version": "1"}}
    schema["paths"] = paths
    if keys:
        schema["components"] = {"securitySchemes": security_schemes()}
    return schema
