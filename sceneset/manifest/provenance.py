"""Say where pictures come from, in paths and words that published files may hold.

The manifest keeps the whole address of an adopted file, and the settings of every run. What is
passed on names neither the user's folders nor what was asked of a replica.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import quote, unquote, urlsplit

ADOPTED = "folder"
_FILE = "file://"
_LAST = 2


def file_url(path: Path, folder: Path) -> str:
    """Return the address of a file of an adopted folder, with its path in there as the fragment.

    The fragment makes no other page of it: see `page_key` in sceneset/urls.py.
    """
    return f"{path.absolute().as_uri()}#{quote(os.fsencode(path.relative_to(folder)))}"


def published_page(page_url: str) -> str:
    """Return the URL of a page as it is, but of a file only its path in the adopted folder.

    Addresses of earlier releases do not tell that path: of those it is the last two parts, since
    every file was adopted from a class's folder. Bytes that are no UTF-8 are escaped.
    """
    if not page_url.startswith(_FILE):
        return page_url
    place, _, inside = page_url.partition("#")
    return unquote(inside or "/".join(place.split("/")[-_LAST:]), errors="backslashreplace")


def source_of(engine: str, settings: Mapping[str, object]) -> str:
    """Say how a picture came into the data set, by its engine and its run's settings.

    Where `--search-url` stood in for the engine's own address, only scheme, host and port are told.
    """
    if engine == ADOPTED:
        return "adopted from a folder"
    template = settings.get("search_url")
    if not template:
        return f"found through {engine}"
    parts = urlsplit(str(template))
    host = parts.netloc.rpartition("@")[2]
    return f"found in {engine} results as served by {parts.scheme}://{host}"
