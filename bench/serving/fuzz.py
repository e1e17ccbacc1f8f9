"""Send `serve` bad and random input: the table of bad inputs, an OpenAPI fuzzer, random bodies.

The table goes over a real socket; every row has the statuses that it may get. Schemathesis reads
/openapi.json and sends what fits it and what does not, and checks that answers are as described.
Hypothesis makes JSON of every contract, damaged pictures, odd forms and headers. Prints one JSON
object; what got a 5xx is written into --save. The exit status is 1 when a row fails or is missing,
anything gets a 5xx, an answer is not as described, an operation is left out, fewer than 10,000
bodies were sent, or memory grows by 50 MB of a million bytes; `wrong` says which.

    python bench/fuzz.py BUNDLE [--bodies 10000] [--peers FOLDER]
"""

import argparse
import json
import os
import sys
import tempfile
from collections import Counter
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

from fuzz_bodies import WHOLE, Sent, paths, requests
from fuzz_guards import guard_rows
from fuzz_judged import judged
from fuzz_rows import FAST_MS, Row, rows
from fuzz_server import Answer, Client, Server, serving
from hypothesis import HealthCheck, given, seed, settings
from peer_env import Peer, add_option

MAX_IMAGES = 64
NAME = "fuzzed"
WARM_ROUNDS = 15
JSON = {"Content-Type": "application/json"}
SERVER_ERROR = 500
# With a full queue and a short deadline these are right answers.
BUSY = frozenset({503, 504})
Told = dict[str, Any]


def warm_up(server: Server) -> None:
    """Send whole pictures and small bodies, so that what is made once is made."""
    client = Client(server.port)
    for _ in range(WARM_ROUNDS):
        for picture in WHOLE:
            for path in ("/v1/classify", "/v1/explain", "/v1/classify?explain=1"):
                client.post(path, picture, {"Content-Type": "image/png"})
        for path in paths(NAME):
            client.post(path, b"{}", JSON)


def table(server: Server) -> list[Told]:
    """Send the rows; return what each was asked and answered."""
    return [_sent_row(server, row) for row in rows(MAX_IMAGES)]


def _sent_row(server: Server, row: Row) -> Told:
    before = server.rss_mb()
    headers = JSON if row.headers is None else row.headers
    chunked = "Transfer-Encoding" in headers
    answers = [Client(server.port).post(row.path, row.body, headers, chunked=chunked)]
    if row.fast:  # a busy machine may be late once; the best of three says what the server does
        answers += [Client(server.port).post(row.path, row.body, headers) for _ in range(2)]
    answer = min(answers, key=lambda one: one.ms)
    right = answer.status in row.wanted and row.words in answer.body.decode("utf-8", "replace")
    return {
        "row": row.number,
        "name": row.name,
        "asked": list(row.wanted),
        "seen": answer.status,
        "ms": round(answer.ms, 1),
        "growth_mb": round(server.rss_mb() - before, 1),
        "passed": right and not (row.fast and answer.ms > FAST_MS),
    }


class Tally:
    """Count what was answered, and keep what got a 5xx."""

    def __init__(self, save: Path, allowed: frozenset[int] = frozenset()) -> None:
        """Start with none; `allowed` are the 5xx that are no failures."""
        self.statuses: Counter[int] = Counter()
        self.failures: list[Told] = []
        self._save = save
        self._allowed = allowed

    def add(self, sent: Sent, answer: Answer) -> None:
        """Note one answer; a connection closed without one is a failure too."""
        self.statuses[answer.status] += 1
        fine = 0 < answer.status < SERVER_ERROR and "x-request-id" in answer.headers
        if fine or answer.status in self._allowed or _is_refused_head(answer):
            return
        file = self._save / f"{len(self.failures)}.bin"
        self._save.mkdir(parents=True, exist_ok=True)
        file.write_bytes(sent.body)
        told = asdict(sent) | {"body": str(file), "status": answer.status}
        self.failures.append(told | {"said": answer.body[:200].decode("utf-8", "replace")})

    def told(self) -> Told:
        """Return the counts and the failures."""
        return {
            "bodies": self.statuses.total(),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "failures": self.failures,
        }


def _is_refused_head(answer: Answer) -> bool:
    """Say whether the request was no HTTP, which is answered before any route."""
    return answer.status in {400, 431} and answer.headers.get("connection") == "close"


def random_bodies(server: Server, number: int, tally: Tally, headers: dict[str, str]) -> Told:
    """Send so many random bodies; `headers` go with each."""
    client = Client(server.port)

    @seed(number)
    @settings(
        max_examples=number,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(requests(NAME))
    def send(sent: Sent) -> None:
        told = dict(sent.headers) | headers
        tally.add(sent, client.post(sent.path, sent.body, told, chunked=sent.chunked))

    began = perf_counter()
    send()
    seconds = round(perf_counter() - began, 1)
    return tally.told() | {"repeats": client.repeats, "seconds": seconds}


def described(server: Server, examples: int, peers: Path, key: str = "") -> Told:
    """Let schemathesis try every operation of /openapi.json."""
    asked = {
        "url": f"http://127.0.0.1:{server.port}/openapi.json",
        "parameters": {"path.name": NAME, "path.version": "1", "path.slug": "scenes"},
        "examples": examples,
        "key": key,
        "busy": sorted(BUSY) if key else [],
    }
    found: Told = Peer("schemathesis", peers).ask("schemathesis_run.py", asked)
    return found


def figures(bundle: Path, options: argparse.Namespace, work: Path) -> Told:
    """Run everything against one server, then a smaller part against a guarded one."""
    save, peers = options.save.resolve(), options.peers.resolve()
    told: Told = {}
    words: tuple[str, ...] = ("--name", NAME, "--feedback", str(work / "feedback.jsonl"))
    with serving(bundle, work / "serve.log", *words) as server:
        start = round(server.rss_mb())
        warm_up(server)
        server.forget_peak()
        first = server.rss_mb()
        told["rows"] = table(server)
        told["growth_mb"] = {"table": round(server.rss_mb() - first, 1)}
        tally = Tally(save / "open")
        told["bodies"] = random_bodies(server, options.bodies, tally, {})
        told["growth_mb"]["bodies"] = round(server.rss_mb() - first, 1)
        told["schemathesis"] = described(server, options.examples, peers)
        told["growth_mb"]["schemathesis"] = round(server.rss_mb() - first, 1)
        after = {"after": round(server.rss_mb()), "peak": round(server.peak_mb())}
        told["resident_mb"] = {"start": start, "warm": round(first)} | after
        told["tracebacks"] = server.tracebacks()
    told["rows"] += guard_rows(bundle, work)
    words = ("--name", NAME, "--api-key-file", str(work / "keys.txt"), "--deadline", "0.1",
             "--queue", "2", "--workers", "1")  # fmt: skip
    with serving(bundle, work / "guarded.log", *words) as server:
        tally, key = Tally(save / "guarded", BUSY), {"X-API-Key": "one-key"}
        number = options.bodies // 10
        told["guarded_bodies"] = random_bodies(server, number, tally, key)
        told["guarded_schemathesis"] = described(
            server, max(1, options.examples // 10), peers, key["X-API-Key"]
        )
        told["tracebacks"] += server.tracebacks()
    return told


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle's own folder")
    parser.add_argument("--bodies", type=int, default=10_000, help="random ones (%(default)s)")
    parser.add_argument(
        "--examples", type=int, default=100, help="of schemathesis per operation (%(default)s)"
    )
    parser.add_argument(
        "--save", type=Path, default=Path("fuzz_failures"), help="what failed (%(default)s)"
    )
    add_option(parser)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        told = judged(figures(options.bundle.resolve(), options, Path(temporary)))
    print(json.dumps(told | {"load_average": os.getloadavg()}, indent=1))
    return 0 if told["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
