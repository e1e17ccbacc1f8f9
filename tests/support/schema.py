"""Check values against the few words of JSON Schema that the server's own document uses."""

import re
from collections.abc import Callable, Mapping
from typing import Any

KINDS: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "number": (int, float),
    "integer": (int,),
    "boolean": (bool,),
}


def fits(value: Any, schema: Mapping[str, Any]) -> bool:  # noqa: ANN401  any JSON value
    """Say whether a JSON value is as a schema says."""
    kind = schema.get("type")
    if kind and (not isinstance(value, KINDS[kind]) or (kind != "boolean" and value is True)):
        return False
    checks: dict[str, Callable[[Any], bool]] = {
        "enum": lambda known: value in known,
        "pattern": lambda pattern: re.search(pattern, value) is not None,
        "anyOf": lambda several: any(fits(value, one) for one in several),
        "oneOf": lambda several: sum(fits(value, one) for one in several) == 1,
        "not": lambda other: not fits(value, other),
    }
    if not all(check(schema[name]) for name, check in checks.items() if name in schema):
        return False
    return _parts_fit(value, schema)


def _parts_fit(value: Any, schema: Mapping[str, Any]) -> bool:  # noqa: ANN401  the same
    if isinstance(value, dict):
        known = schema.get("properties", {})
        needed = set(schema.get("required", ()))
        return needed <= set(value) and all(
            fits(one, known[name]) for name, one in value.items() if name in known
        )
    if isinstance(value, list):
        few: bool = schema.get("minItems", 0) <= len(value) <= schema.get("maxItems", len(value))
        return few and all(fits(one, schema.get("items", {})) for one in value)
    if isinstance(value, str):
        return len(value) >= int(schema.get("minLength", 0))
    return True
