"""Write JSON Schemas, by hand in a few words or from an example. Pure."""

from collections.abc import Mapping
from typing import Any

Schema = dict[str, Any]

TEXT: Schema = {"type": "string"}
NUMBER: Schema = {"type": "number"}
COUNT: Schema = {"type": "integer", "minimum": 0}
ANYTHING: Schema = {}
PICTURE: Schema = {
    "type": "string",
    "format": "byte",
    "minLength": 1,
    "description": "a picture's file as base64, or a data URI of it",
}
# How the query says yes and no.
SWITCH: Schema = {"type": "string", "enum": ["1", "0", "true", "false", ""]}
WHOLE_NUMBER: Schema = {"type": "string", "pattern": "^0*[1-9][0-9]{0,8}$"}


def list_of(items: Schema, **limits: int) -> Schema:
    """Return the schema of a list; `limits` are minItems and maxItems."""
    return {"type": "array", "items": items, **limits}


def object_of(needed: Mapping[str, Schema], more: Mapping[str, Schema] | None = None) -> Schema:
    """Return the schema of an object with the names it needs and more that it may have."""
    schema: Schema = {"type": "object", "properties": {**needed, **(more or {})}}
    return schema | ({"required": list(needed)} if needed else {})


def one_of_these(*schemas: Schema) -> Schema:
    """Return the schema of what fits one of several, or more than one."""
    return {"anyOf": list(schemas)}


def shape_of(example: object) -> Schema:
    """Return the schema that an example fits: the same names and types; null stands for anything.

    The first of a list stands for all.
    """
    if isinstance(example, Mapping):
        return object_of({str(name): shape_of(one) for name, one in example.items()})
    if isinstance(example, list):
        return list_of(shape_of(example[0])) if example else {"type": "array"}
    if example is None:
        return ANYTHING
    kinds = {bool: "boolean", str: "string"}
    return {"type": kinds.get(type(example), "number")}
