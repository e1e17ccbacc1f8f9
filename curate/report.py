"""Tell what curate did: report.json for programs, one page with small pictures for people."""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from curate.thumbnails import FOLDER, name_of, write_thumbnails
from pipeline.dataset import Dataset
from pipeline.durable import write_file

_PAGE = Path(__file__).with_name("report.html")
_STYLE = re.compile(r"<style>(.*?)</style>", re.DOTALL)

Json = dict[str, Any]
# From a picture's path below the data set to what the page shows of it.
Shown = Callable[[str], str]


def write_report(dataset: Dataset, data: Json, executor: str) -> None:
    """Write report.json, small pictures and index.html, the page last and whole."""
    folder = dataset.report("curate")
    raw = {Path(path).stem: dataset.root / path for path in raw_paths(data)}
    seen = write_thumbnails(folder / FOLDER, raw, executor)
    text = json.dumps(data, ensure_ascii=False, indent=1)
    write_file(folder / "report.json", f"{text}\n".encode())
    write_file(folder / "index.html", page(data, _shown_of(seen)).encode())


def page(data: Json, shown_of: Shown) -> str:
    """Return the page: it asks for nothing but the pictures beside it, and runs no script."""
    from jinja2 import Environment  # noqa: PLC0415  only this function needs it

    template = _PAGE.read_text(encoding="utf-8")
    style = _STYLE.search(template)
    digest = hashlib.sha256((style[1] if style else "").encode()).digest()
    environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["shown"] = shown_of
    return environment.from_string(template).render(
        data, root="../../", style_hash=base64.b64encode(digest).decode()
    )


def raw_paths(data: object) -> Iterator[str]:
    """Yield every raw picture's path that the data name, wherever it stands."""
    if isinstance(data, str):
        if data.startswith("raw/"):
            yield data
    elif isinstance(data, Mapping):
        for value in data.values():
            yield from raw_paths(value)
    elif isinstance(data, list | tuple):
        for value in data:
            yield from raw_paths(value)


def _shown_of(seen: set[str]) -> Shown:
    def shown(path: str) -> str:
        sha256 = Path(path).stem
        return f"{FOLDER}/{name_of(sha256)}" if sha256 in seen else ""

    return shown
