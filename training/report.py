"""Fill the templates of the report page and the model card: for a browser without a network."""

import base64
import hashlib
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

TEMPLATES = Path(__file__).parent
# Every character to which Markdown or HTML gives a meaning.
_MARKUP = frozenset("\\`*_{}[]()<>#+!|&~\"'")
_INLINE = re.compile(r"<(style|script)>(.*?)</\1>", re.DOTALL)


def render(name: str, facts: Mapping[str, Any]) -> str:
    """Fill a template of this package; every value is escaped.

    A page's policy allows its own style and script by their hashes, and nothing else.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined  # noqa: PLC0415  rarely needed

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["percent"] = percent
    environment.filters["plain"] = plain
    hashes = inline_hashes((TEMPLATES / name).read_text(encoding="utf-8"))
    return environment.get_template(name).render(facts, hashes=hashes)


def inline_hashes(page: str) -> dict[str, str]:
    """Return the SHA-256 of a page's style and script as its Content-Security-Policy names them."""
    return {
        kind: base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        for kind, text in _INLINE.findall(page)
    }


def plain(text: str) -> str:
    """Return text that Markdown shows as it is: no markup, no HTML."""
    return "".join(f"&#{ord(c)};" if c in _MARKUP else c for c in text)


def percent(share: float | None) -> str:
    """Write a share of 0..1 as a percentage, or a dash where it is undefined."""
    return "-" if share is None else f"{100 * share:.1f} %"
