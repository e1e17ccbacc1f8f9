"""Put what is served into the descriptions of the routes: the model's name, its classes. Pure."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from serving.dialects.contract import Dialect, Route


@dataclass(frozen=True)
class Facts:
    """The model in service: its name, version, count of classes, first class, and side in px."""

    name: str
    version: str
    classes: int
    label: str
    size: int


_NAMES = re.compile(r"{(name|version|classes|label|size)}")


def fill(value: Any, facts: Facts) -> Any:  # noqa: ANN401  any JSON value
    """Return a text or an example with the facts that it names in braces.

    A text that is one name alone becomes the fact itself, so a number where it is one.
    """
    if isinstance(value, str):
        told = asdict(facts)
        alone = _NAMES.fullmatch(value)
        return told[alone[1]] if alone else _NAMES.sub(lambda found: str(told[found[1]]), value)
    if isinstance(value, Mapping):
        return {name: fill(one, facts) for name, one in value.items()}
    return [fill(one, facts) for one in value] if isinstance(value, list) else value


def fill_dialects(dialects: Sequence[Dialect], facts: Facts) -> tuple[Dialect, ...]:
    """Return the contracts with their listed routes, described for one model.

    Addresses stay templates.
    """
    return tuple(
        replace(
            dialect,
            about=fill(dialect.about, facts),
            routes=tuple(_filled(route, facts) for route in dialect.routes if route.listed),
        )
        for dialect in dialects
    )


def _filled(route: Route, facts: Facts) -> Route:
    return replace(
        route,
        about=fill(route.about, facts),
        takes=fill(route.takes, facts),
        answers=fill(route.answers, facts),
        examples=fill(route.examples, facts),
    )
