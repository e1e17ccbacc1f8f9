"""Send `serve` bad and random input: the table of bad inputs, an OpenAPI fuzzer, random bodies.

The table goes over a real socket; every row has the statuses that it may get. Schemathesis reads
/openapi.json and sends what fits it and what does not, and checks that answers are as described.
Hypothesis makes JSON of every protocol, damaged pictures, odd forms and headers. Prints one JSON
object; what got a 5xx is written into --save. The exit status is 1 when a row fails or is missing,
anything gets a 5xx, an answer is not as described, an operation is left out, fewer than 10,000
bodies were sent, or memory grows by 50 MB of a million bytes; `wrong` says which.

    python bench/serving/fuzz.py BUNDLE [--bodies 10000] [--peers FOLDER]
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

from hypothesis import HealthCheck, given, seed, settings

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.bad_inputs import KEY, run_guarded_rows, send_rows, write_keys
from bench.support.peer_env import Peer, add_option
from bench.support.processes import megabytes, reset_peak, status_kb
from bench.support.random_requests import WHOLE, Sent, paths, requests
from bench.support.servers import JSON, Answer, Client, Running, running, serve_command

NAME = "fuzzed"
WARM_ROUNDS = 15
SERVER_ERROR = 500
ROWS = 42
LEAST_BODIES = 10_000
LIMIT_MB = 50
RANDOM = ("bodies", "guarded_bodies")
DESCRIBED = ("schemathesis", "guarded_schemathesis")
# With a full queue and a short deadline these are right answers.
BUSY = frozenset({503, 504})
Figures = dict[str, Any]


def warm_up(server: Running) -> None:
    """Send whole pictures and small bodies, so that what is made once is made."""
    client = Client(server.port)
    for _ in range(WARM_ROUNDS):
        for picture in WHOLE:
            for path in ("/v1/classify", "/v1/explain", "/v1/classify?explain=1"):
                client.post(path, picture, {"Content-Type": "image/png"})
        for path in paths(NAME):
            client.post(path, b"{}", JSON)


class Tally:
    """Count what was answered, and keep what got a 5xx."""

    def __init__(self, save: Path, allowed: frozenset[int] = frozenset()) -> None:
        """Start with none; `allowed` are the 5xx that are no failures."""
        self.statuses: Counter[int] = Counter()
        self.failures: list[Figures] = []
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
        failure = asdict(sent) | {"body": str(file), "status": answer.status}
        self.failures.append(failure | {"said": answer.body[:200].decode("utf-8", "replace")})

    def counts(self) -> Figures:
        """Return the counts and the failures."""
        return {
            "bodies": self.statuses.total(),
            "statuses": {str(status): n for status, n in sorted(self.statuses.items())},
            "failures": self.failures,
        }


def _is_refused_head(answer: Answer) -> bool:
    """Say whether the request was no HTTP, which is answered before any route."""
    return answer.status in {400, 431} and answer.headers.get("connection") == "close"


def send_random(server: Running, number: int, tally: Tally, headers: dict[str, str]) -> Figures:
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
        every = dict(sent.headers) | headers
        tally.add(sent, client.post(sent.path, sent.body, every, chunked=sent.chunked))

    began = perf_counter()
    send()
    seconds = round(perf_counter() - began, 1)
    return tally.counts() | {"repeats": client.repeats, "seconds": seconds}


def run_schemathesis(server: Running, examples: int, peers: Path, key: str = "") -> Figures:
    """Let schemathesis try every operation of /openapi.json."""
    request = {
        "url": f"http://127.0.0.1:{server.port}/openapi.json",
        "parameters": {"path.name": NAME, "path.version": "1", "path.slug": "scenes"},
        "examples": examples,
        "key": key,
        "busy": sorted(BUSY) if key else [],
    }
    answer: Figures = Peer("schemathesis", peers).ask("schemathesis_run.py", request)
    return answer


def measure_open(bundle: Path, options: argparse.Namespace, work: Path) -> Figures:
    """Send everything to a server with the usual limits."""
    log = work / "serve.log"
    words = ("--name", NAME, "--feedback", str(work / "feedback.jsonl"))
    with running(serve_command(bundle, *words), log=log) as server:
        start = round(server.resident_mb())
        warm_up(server)
        reset_peak(server.pid)
        warm = server.resident_mb()
        figures: Figures = {"rows": send_rows(server), "growth_mb": {}}

        def note_growth(part: str) -> None:
            figures["growth_mb"][part] = round(server.resident_mb() - warm, 1)

        note_growth("table")
        tally = Tally(options.save.resolve() / "open")
        figures["bodies"] = send_random(server, options.bodies, tally, {})
        note_growth("bodies")
        peers = options.peers.resolve()
        figures["schemathesis"] = run_schemathesis(server, options.examples, peers)
        note_growth("schemathesis")
        peak = megabytes(status_kb(server.pid, "VmHWM"))
        after = {"after": round(server.resident_mb()), "peak": round(peak)}
        figures["resident_mb"] = {"start": start, "warm": round(warm)} | after
        return figures | {"tracebacks": count_tracebacks(log)}


def measure_guarded(bundle: Path, options: argparse.Namespace, work: Path) -> Figures:
    """Send a tenth to a server with keys, a short deadline and a short queue."""
    log, headers = work / "guarded.log", {"X-API-Key": KEY}
    words = ("--name", NAME, "--api-key-file", str(write_keys(work)), "--deadline", "0.1",
             "--queue", "2", "--workers", "1")  # fmt: skip
    with running(serve_command(bundle, *words), log=log) as server:
        tally = Tally(options.save.resolve() / "guarded", BUSY)
        bodies = send_random(server, options.bodies // 10, tally, headers)
        examples, peers = max(1, options.examples // 10), options.peers.resolve()
        described = run_schemathesis(server, examples, peers, headers["X-API-Key"])
    return {
        "guarded_bodies": bodies,
        "guarded_schemathesis": described,
        "tracebacks": count_tracebacks(log),
    }


def count_tracebacks(log: Path) -> int:
    """Count the errors that a server did not expect."""
    return log.read_text(errors="replace").count("Traceback")


def measure(bundle: Path, options: argparse.Namespace, work: Path) -> Figures:
    """Run everything against one server, then a smaller part against a guarded one."""
    figures = measure_open(bundle, options, work)
    figures["rows"] += run_guarded_rows(bundle, work)
    guarded = measure_guarded(bundle, options, work)
    return figures | guarded | {"tracebacks": figures["tracebacks"] + guarded["tracebacks"]}


def judge(figures: Figures) -> Figures:
    """Return the figures with the rows that pass, what is wrong, and the verdict."""
    bad = {one["row"] for one in figures["rows"] if not one["passed"]}
    good = {one["row"] for one in figures["rows"]} - bad
    sums = {
        "rows_passed": f"{len(good)} of {ROWS}",
        "bodies_in_all": sum(figures[name]["bodies"] for name in RANDOM + DESCRIBED),
    }
    holds = {
        "rows": good == set(range(1, ROWS + 1)),
        "bodies_in_all": sums["bodies_in_all"] >= LEAST_BODIES,
        "tracebacks": not figures["tracebacks"],
        "growth_mb": max(figures["growth_mb"].values()) < LIMIT_MB,
    }
    holds |= {f"{name} failures": not figures[name]["failures"] for name in RANDOM + DESCRIBED}
    holds |= {f"{name} incomplete": _is_complete(figures[name]) for name in DESCRIBED}
    wrong = [name for name, held in holds.items() if not held]
    return figures | sums | {"wrong": wrong, "passed": not wrong}


def _is_complete(described: Figures) -> bool:
    """Say whether schemathesis ended well and tried every operation of the document."""
    tried: int = described["operations"]
    there: int = described["operations_in_all"]
    return bool(described["exit_code"] == 0) and 0 < tried == there


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
        figures = judge(measure(options.bundle.resolve(), options, Path(temporary)))
    print(json.dumps(figures | {"load_average": os.getloadavg()}, indent=1))
    return 0 if figures["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
