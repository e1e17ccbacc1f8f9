"""Measure `serve` beside a naive server and two model servers. Prints one JSON object.

All hold the same network and get the same pictures, as JSON with base64, over connections that stay
open. All servers run; one is asked at a time, in short turns, so that a busy machine is as busy for
each; the best turn counts, and its p99, with the worst turn's beside it; failures are those of all
turns. `naive` is FastAPI with Keras' `predict` per picture. MB are millions of bytes. `goals` says
which were reached; exits 1 when ours failed to answer.

    python bench/serving/serve.py BUNDLE [--peers FOLDER] [--beside naive litserve bentoml]
"""

import argparse
import json
import os
import statistics
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.closed_loop import ANSWER_S, ask_for, request
from bench.support.odd_pictures import b64
from bench.support.peer_env import SCRIPTS, Peer, add_option
from bench.support.pictures import drawn_photo
from bench.support.processes import session_mb
from bench.support.servers import Probe, Running, running, serve_command

NAIVE = {"small_1": 15.0, "large_8": 10.0, "small_16": 12.0}
BUSY, BUSY_TIMES, LEAST_TIMES = "small_16", 1.5, 1.0
MODEL_SERVERS = ("litserve", "bentoml")
Round = dict[str, float]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Load:
    """Pictures per request, their size in px, and how many clients ask at the same time."""

    size: tuple[int, int]
    pictures: int
    clients: int


LOADS = {
    "small_1": Load((250, 180), 1, 1),
    "large_8": Load((1600, 1200), 1, 8),
    "small_16": Load((250, 180), 1, 16),
    "sixteen_small_2": Load((250, 180), 16, 2),
}


def make_body(load: Load) -> bytes:
    """Return the request's body."""
    text = b64(drawn_photo(load.size))
    return json.dumps({"images": [text] * load.pictures}).encode()


def command(name: str, bundle: Path, peers: Path) -> list[str]:
    """Return what starts a server, without its port."""
    if name == "ours":
        return serve_command(bundle)
    peer = Peer(name, peers)
    peer.make()
    return [str(peer.python), str(SCRIPTS / f"{name}_server.py")]


def start(name: str, bundle: Path, peers: Path) -> AbstractContextManager[Running]:
    """Run a server until the block ends; it is ready at its first right answer."""
    probe = Probe("/classify", make_body(LOADS["small_1"]))
    variables = {"BUNDLE": str(bundle), "TF_CPP_MIN_LOG_LEVEL": "3"}
    return running(command(name, bundle, peers), probe, cwd=SCRIPTS, variables=variables)


def load_server(port: int, load: Load, seconds: float) -> dict[str, float]:
    """Ask for some seconds; return requests a second, and the middle and slow times in ms."""
    answers = ask_for(seconds, port, request("/classify", make_body(load)), load.clients)
    if not answers.times:  # none was right: they are as late as can be
        late = 1000 * ANSWER_S
        return {"per_second": 0.0, "p50_ms": late, "p99_ms": late, "failed": answers.failed}
    slow = sorted(answers.times)[min(len(answers.times) - 1, int(0.99 * len(answers.times)))]
    return {
        "per_second": round(len(answers.times) / answers.took, 2),
        "p50_ms": round(1000 * statistics.median(answers.times), 1),
        "p99_ms": round(1000 * slow, 1),
        "failed": answers.failed,
    }


def measure(servers: dict[str, Running], rounds: int, seconds: float) -> dict[str, Any]:
    """Ask every server in every way, taking turns; return each one's best round of each load."""
    figures: dict[str, Any] = {name: {} for name in servers}
    for name, server in servers.items():
        figures[name]["ready_s"] = round(server.ready_s, 2)
        figures[name]["resident_ready_mb"] = session_mb(server.pid)
    for load in list(LOADS) * rounds:
        for name, server in servers.items():
            latest = load_server(server.port, LOADS[load], seconds)
            figures[name][load] = better(figures[name].get(load), latest)
    for name, server in servers.items():
        figures[name]["resident_after_mb"] = session_mb(server.pid)
    return figures


def better(before: Round | None, latest: Round) -> Round:
    """Return the round with the most answers, the failures of all, and the worst round's p99."""
    earlier = [] if before is None else [before]
    best = max([latest, *earlier], key=lambda one: one["per_second"])
    worst = [one.get("p99_worst_ms", one["p99_ms"]) for one in (latest, *earlier)]
    failed = sum(one["failed"] for one in (latest, *earlier))
    return best | {"p99_worst_ms": max(worst), "failed": failed}


def compare(figures: Figures, loads: list[str]) -> Figures:
    """Return the ratios by server and load, and which goals are reached.

    `times_faster` is how many times as many requests a second ours answers; `p99_share` is our p99
    over the other's, both of their best rounds.
    """
    others = [name for name in figures if name != "ours"]
    return {
        "times_faster": _ratios(figures, loads, others, _faster),
        "p99_share": _ratios(figures, loads, others, _p99),
        "goals": _naive(figures) | _model_servers(figures, loads),
    }


def _ratios(
    figures: Figures, loads: list[str], others: list[str], how: Callable[[Round, Round], float]
) -> Figures:
    ours = figures["ours"]
    return {
        name: {load: round(how(ours[load], figures[name][load]), 2) for load in loads}
        for name in others
    }


def _faster(ours: Round, other: Round) -> float:
    return ours["per_second"] / max(other["per_second"], 0.01)


def _p99(ours: Round, other: Round) -> float:
    return ours["p99_ms"] / other["p99_ms"]


def _goal(wanted: str, seen: float, *, reached: bool) -> Figures:
    return {"asked": wanted, "seen": round(seen, 3), "reached": reached}


def _naive(figures: Figures) -> Figures:
    if "naive" not in figures:
        return {}
    goals = {}
    for load, least in NAIVE.items():
        seen = _faster(figures["ours"][load], figures["naive"][load])
        goals[f"naive {load}"] = _goal(f"at least {least:g} times", seen, reached=seen >= least)
    return goals


def _model_servers(figures: Figures, loads: list[str]) -> Figures:
    """Judge ours against the one of both that answers a load faster, and against its p99."""
    rivals = [figures[name] for name in MODEL_SERVERS if name in figures]
    goals: Figures = {}
    for load in loads if len(rivals) == len(MODEL_SERVERS) else []:
        ours = figures["ours"][load]
        rival = max((one[load] for one in rivals), key=lambda one: float(one["per_second"]))
        least = BUSY_TIMES if load == BUSY else LEAST_TIMES
        times, share = _faster(ours, rival), _p99(ours, rival)
        wanted = f"at least {least:g} times"
        goals[f"better peer {load}"] = _goal(wanted, times, reached=times >= least)
        goals[f"better peer {load} p99"] = _goal("at most 1 time", share, reached=share <= 1)
    return goals


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="the folder that holds model.keras")
    names = ("naive", "litserve", "bentoml")
    parser.add_argument("--beside", nargs="*", choices=names, default=names)
    parser.add_argument("--rounds", type=int, default=5, help="turns per load (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0, help="per turn (%(default)s)")
    add_option(parser)
    options = parser.parse_args()
    bundle, peers = options.bundle.resolve(), options.peers.resolve()
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(start(name, bundle, peers))
            for name in ("ours", *options.beside)
        }
        figures = measure(servers, options.rounds, options.seconds)
    answer = {"servers": figures, "load_average": os.getloadavg()}
    print(json.dumps(answer | compare(figures, list(LOADS)), indent=1))
    sys.exit(any(figures["ours"][load]["failed"] for load in LOADS))


if __name__ == "__main__":
    main()
