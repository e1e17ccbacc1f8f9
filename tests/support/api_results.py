"""A client that plays an API's answers back, and a reader over it."""

import json

from scraper.engines.api import ApiEngine, Pages
from scraper.engines.engine import Found
from scraper.http.api_results import ApiReader
from scraper.http.client import Answer, NoAnswer
from scraper.run.harvest import harvest

ENGINE = ApiEngine(
    name="example",
    template="https://api.example/?q={query}",
    terms="be kind",
    results="results",
    fields={"result_id": ("id",), "src": ("thumb",)},
    paging=Pages(parameter="page", number="page", count="pages", most=12),
)
URL = "https://api.example/?q=beach"


def page(number: int, pages: int, *names: str) -> Answer:
    results = [{"id": name, "thumb": f"https://t.example/{name}"} for name in names]
    body = {"page": number, "pages": pages, "results": results}
    return Answer(200, json.dumps(body).encode())


class Playback:
    """A client that plays back answers and failures in their order; the last one repeats."""

    user_agent = "test"

    def __init__(self, *answers: Answer | NoAnswer) -> None:
        self.answers = list(answers)
        self.asked: list[str] = []
        self.closed = False

    def get(self, url: str) -> Answer:
        self.asked.append(url)
        answer = self.answers[min(len(self.asked), len(self.answers)) - 1]
        if isinstance(answer, NoAnswer):
            raise answer
        return answer

    def close(self) -> None:
        self.closed = True


class Waits:
    """Count the pauses between pages, and note the naps."""

    def __init__(self) -> None:
        self.pauses = 0
        self.naps: list[float] = []

    def wait(self) -> None:
        self.pauses += 1


def reader_of(
    *answers: Answer | NoAnswer, engine: ApiEngine = ENGINE
) -> tuple[ApiReader, Playback, Waits]:
    client, waits = Playback(*answers), Waits()
    return ApiReader(engine, client, wait=waits.wait, nap=waits.naps.append), client, waits


def harvested(reader: ApiReader, wanted: int = 1000) -> tuple[str, list[str]]:
    names: list[str] = []

    def keep(found: tuple[Found, ...]) -> int:
        names.extend(f.result_id for f in found)
        return wanted - len(names)

    ticks = iter(range(10**6))
    reason = harvest(reader, keep, lambda: next(ticks), 10**5, bool)
    return reason, names
