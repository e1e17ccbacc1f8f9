"""Visit a gallery that the tests serve, without a browser: its pages, batches, ids and truth."""

import http.client
import json
import re
from collections.abc import Callable
from urllib.parse import urlsplit

from scraper.gallery.page import TEXTS
from scraper.gallery.server import Gallery

COUNT, BATCH = 60, 25
DOCID = re.compile(r'<div [^>]*data-docid="([^"]+)"[^>]*data-lpage=|data-docid="([^"]+)" data-ref')
TBNID = re.compile(r'data-tbnid="([^"]+)" data-ow="\d+" data-oh="\d+" data-ictx')
END = TEXTS["en"]["end"]
Serve = Callable[..., Gallery]


class Visitor:
    """A client that keeps cookies and follows nothing by itself."""

    def __init__(self) -> None:
        self.cookies: dict[str, str] = {}

    def get(self, url: str, form: str | None = None) -> tuple[int, http.client.HTTPMessage, str]:
        parts = urlsplit(url)
        connection = http.client.HTTPConnection(parts.netloc, timeout=10)
        target = parts.path + ("?" + parts.query if parts.query else "")
        cookies = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        headers = {"Cookie": cookies} if cookies else {}
        connection.request("GET" if form is None else "POST", target, form, headers)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        name, _, rest = (answer.headers["Set-Cookie"] or "").partition("=")
        if name:
            self.cookies[name] = rest.partition(";")[0]
        return answer.status, answer.headers, body


def search(gallery: Gallery, query: str = "Lake") -> str:
    return Visitor().get(gallery.search_url.replace("{query}", query))[2]


def more(gallery: Gallery, start: int, eid: str = "load") -> tuple[int, list[str]]:
    url = f"{gallery.pages.url}/more?q=Lake&start={start}&eid={eid}"
    status, _, body = Visitor().get(url)
    return status, json.loads(body)["items"] if status == 200 else []


def whole(gallery: Gallery) -> str:
    """Return the HTML of every item that a visitor can get to see."""
    total = re.search(r'data-total="(\d+)"', page := search(gallery))
    later = [
        html
        for start in range(BATCH, int(total[1]) if total else 0, BATCH)
        for html in more(gallery, start)[1]
    ]
    return page + "\n".join(later)


def ids(html: str, pattern: re.Pattern[str] = DOCID) -> list[str]:
    found = pattern.findall(html)
    return [one if isinstance(one, str) else next(filter(None, one)) for one in found]


def truth_ids(gallery: Gallery) -> list[str | None]:
    return [record["id"] for record in gallery.truth()["Lake"]]
