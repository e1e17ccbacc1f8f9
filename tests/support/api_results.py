"""A session that plays an API's answers back, and a reader over it."""

import json
from math import inf

from scraper.engines.api import ApiEngine, Pages
from scraper.http.client import ApiReader, BoundedSession, HttpResponse, NoAnswer
from scraper.run.harvest import Harvest

ENGINE = ApiEngine(
    name="example",
    template="https://api.example/?q={query}",
    terms="be kind",
    results="results",
    fields={"result_id": ("id",), "src": ("thumb",)},
    paging=Pages(parameter="page", number="page", count="pages", most=12),
)
URL = "https://api.example/?q=beach"


def page(number: int, pages: int, *names: str) -> HttpResponse:
    results = [{"id": name, "thumb": f"https://t.example/{name}"} for name in names]
    body = {"page": number, "pages": pages, "results": results}
    return HttpResponse(200, json.dumps(body).encode())


class Playback(BoundedSession):
    """A session that plays back answers and failures in their order; the last one repeats."""

    user_agent = "test"

    def __init__(self, *answers: HttpResponse | NoAnswer) -> None:  # nothing is opened
        self.answers = list(answers)
        self.requested: list[str] = []
        self.closed = False

    def get(self, url: str) -> HttpResponse:
        self.requested.append(url)
        answer = self.answers[min(len(self.requested), len(self.answers)) - 1]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


class Waits:
    """Count the pauses between pages, and note how long it slept."""

    def __init__(self) -> None:
        self.pauses = 0
        self.sleeps: list[float] = []

    def wait(self) -> None:
        self.pauses += 1


def reader_of(
    *answers: HttpResponse | NoAnswer, engine: ApiEngine = ENGINE
) -> tuple[ApiReader, Playback, Waits]:
    client, waits = Playback(*answers), Waits()
    return ApiReader(engine, client, wait=waits.wait, sleep=waits.sleeps.append), client, waits


def harvested(reader: ApiReader, wanted: int = 1000) -> tuple[str | None, list[str]]:
    names: list[str] = []
    harvest = Harvest(reader, wanted, deadline=inf)
    for batch in harvest:
        names += [result.result_id for result in batch.results]
        harvest.wanted = wanted - len(names)
    return harvest.reason, names
