"""Measure `serve` beside a naive server and two model servers. Prints one JSON object.

All hold the same network and get the same pictures, as JSON with base64, over connections that stay
open. All servers run; one is asked at a time, in short turns, so that a busy machine is as busy for
each; the best turn counts, and its p99, with the worst turn's beside it; failures are those of all
turns. `naive` is FastAPI with Keras' `predict` per picture. MB are millions of bytes. `goals` says
which were reached (`serve_goals.py`); exits 1 when ours failed to answer.

    python bench/serve.py BUNDLE [--peers FOLDER] [--beside naive litserve bentoml]
"""

import argparse
import base64
import http.client
import io
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from closed_loop import ANSWER_S, ask_for, question
from peer_env import SCRIPTS, Peer, add_option
from serve_goals import better, compared

ROOT = Path(__file__).resolve().parents[1]
LOAD_S = 90
MB = 1_000_000


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


@dataclass(frozen=True)
class Running:
    """A server that answers, how long that took, and its process."""

    port: int
    ready_s: float
    pid: int


def picture(size: tuple[int, int]) -> bytes:
    """Draw a JPEG with as much detail as a photo's."""
    rng = np.random.default_rng(7)
    coarse = Image.fromarray(rng.integers(0, 256, (12, 16, 3), dtype=np.uint8))
    smooth = np.asarray(coarse.resize(size, Image.Resampling.BICUBIC), np.float32)
    noisy = smooth + rng.normal(0, 6, smooth.shape)
    buffer = io.BytesIO()
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def body_of(load: Load) -> bytes:
    """Return the request's body."""
    text = base64.b64encode(picture(load.size)).decode()
    return json.dumps({"images": [text] * load.pictures}).encode()


def command(name: str, bundle: Path, peers: Path) -> list[str]:
    """Return what starts a server, without its port."""
    if name == "ours":
        return [sys.executable, str(ROOT / "cli.py"), "serve", "--model", str(bundle), "--quiet"]
    peer = Peer(name, peers)
    peer.make()
    return [str(peer.python), str(SCRIPTS / f"{name}_server.py")]


@contextmanager
def running(name: str, bundle: Path, peers: Path) -> Iterator[Running]:
    """Run a server until the block ends; it is ready at its first right answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [*command(name, bundle, peers), "--port", str(port)]
    environment = os.environ | {"BUNDLE": str(bundle), "TF_CPP_MIN_LOG_LEVEL": "3"}
    began = time.perf_counter()
    process = subprocess.Popen(
        words, env=environment, stdout=sys.stderr, start_new_session=True, cwd=SCRIPTS
    )
    try:
        body = body_of(LOADS["small_1"])
        while not answers(port, body):
            if process.poll() is not None or time.perf_counter() - began > LOAD_S:
                raise RuntimeError(f"{name} does not come up")
            time.sleep(0.02)
        yield Running(port, time.perf_counter() - began, process.pid)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(20)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def answers(port: int, body: bytes) -> bool:
    """Say whether a server answers."""
    with suppress(OSError, http.client.HTTPException):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", "/classify", body, {"Content-Type": "application/json"})
        return connection.getresponse().status == http.HTTPStatus.OK
    return False


def asked(port: int, load: Load, seconds: float) -> dict[str, float]:
    """Ask for some seconds; return requests a second, and the middle and slow times in ms."""
    found = ask_for(seconds, port, question("/classify", body_of(load)), load.clients)
    if not found.times:  # none was right: they are as late as can be
        late = 1000 * ANSWER_S
        return {"per_second": 0.0, "p50_ms": late, "p99_ms": late, "failed": found.failed}
    slow = sorted(found.times)[min(len(found.times) - 1, int(0.99 * len(found.times)))]
    return {
        "per_second": round(len(found.times) / found.took, 2),
        "p50_ms": round(1000 * statistics.median(found.times), 1),
        "p99_ms": round(1000 * slow, 1),
        "failed": found.failed,
    }


def resident_mb(pid: int) -> float:
    """Return the memory of a server and all processes it started, in MB of a million bytes."""
    total = 0
    for status in Path("/proc").glob("[0-9]*/status"):
        with suppress(OSError, IndexError):
            if os.getsid(int(status.parent.name)) == pid:
                total += int(status.read_text().split("VmRSS:")[1].split()[0])
    return round(total * 1024 / MB, 1)


def measured(servers: dict[str, Running], rounds: int, seconds: float) -> dict[str, Any]:
    """Ask every server in every way, taking turns; return each one's best round of each load."""
    figures: dict[str, Any] = {name: {} for name in servers}
    for name, server in servers.items():
        figures[name]["ready_s"] = round(server.ready_s, 2)
        figures[name]["resident_ready_mb"] = resident_mb(server.pid)
    for load in list(LOADS) * rounds:
        for name, server in servers.items():
            found = asked(server.port, LOADS[load], seconds)
            figures[name][load] = better(figures[name].get(load), found)
    for name, server in servers.items():
        figures[name]["resident_after_mb"] = resident_mb(server.pid)
    return figures


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
            name: stack.enter_context(running(name, bundle, peers))
            for name in ("ours", *options.beside)
        }
        figures = measured(servers, options.rounds, options.seconds)
    told = {"servers": figures, "load_average": os.getloadavg(), **compared(figures, list(LOADS))}
    print(json.dumps(told, indent=1))
    sys.exit(any(figures["ours"][load]["failed"] for load in LOADS))


if __name__ == "__main__":
    main()
