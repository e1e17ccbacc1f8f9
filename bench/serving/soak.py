"""Soak test `serve`: load it for minutes while its model changes; say what failed and what grew.

16 clients ask over connections that stay open, by several protocols, small and large pictures and
heat maps. Meanwhile the model's link moves between two versions, SIGHUP comes, and now and then the
link names a broken bundle, which must be refused. At the end SIGTERM comes under load: whatever was
sent must be answered. Prints one JSON object; exits 1 when a request failed, a broken bundle was
not refused, or a figure is over its limit; a server that dies is reported the same way.

Memory is in MB of a million bytes. A leak is judged twice, and one that is slower than both limits
is not seen: by the slope of the low points, where 1 MB a minute passes, which is 10 MB in ten minutes
and 1.4 GB in a day; and by the smallest of the last quarter above that of the second quarter, where
10 MB pass. A run of less than some five minutes is too short for the slope and may fail by noise.

    python bench/serving/soak.py BUNDLE_A BUNDLE_B [--seconds 600]
"""

import argparse
import http.client
import json
import math
import os
import random
import re
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.bundles import alter_network, halve_network, rename_classes
from bench.support.odd_pictures import b64
from bench.support.pictures import drawn_photo
from bench.support.processes import Sample
from bench.support.servers import JSON, Running, running, serve_command

CLIENTS, STEP_S, END_S, NAME = 16, 3.0, 60.0, "endure"
ALTERED, HALF = "3", "4"
JPEG = {"Content-Type": "image/jpeg"}
LOW_S = 12.0
SOUND = {"1", "2"}
# Every figure may be as much as this.
LIMITS = {
    "failed": 0,
    "hung_clients": 0,
    "mixed": 0,
    "broken_answers": 0,
    "growth_mb_per_minute": 1.0,
    "growth_mb": 10.0,
    "more_descriptors": 4,
    "more_threads": 4,
}
# And these must be at least as much.
FLOORS = {"versions_seen": len(SOUND), "reloads_done": 2, "reloads_refused": 1}
_MARK = " of version "
_MARKED = re.compile(rf"{_MARK}(\d+)".encode())


def marked(version: str, names: list[str]) -> list[str]:
    """Return class names that say which version answers."""
    return [f"{name}{_MARK}{version}" for name in names]


@dataclass(frozen=True)
class Question:
    """One way to ask, and how often it is taken."""

    path: str
    body: bytes
    headers: dict[str, str]
    weight: int


def make_questions() -> list[Question]:
    """Return the requests that the clients send."""
    small, large = drawn_photo((250, 180)), drawn_photo((1600, 1200))
    text = b64(small)
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}
    bodies = {
        "/classify": {"images": [text, text]},
        f"/v1/models/{NAME}:predict": {"instances": [{"b64": text}]},
        f"/v2/models/{NAME}/infer": {"inputs": [tensor]},
    }
    listed = [Question(path, json.dumps(body).encode(), JSON, 4) for path, body in bodies.items()]
    return [
        *listed,
        Question("/classify", json.dumps({"images": [text]}).encode(), JSON, 20),
        Question("/v1/classify?top=3", small, JPEG, 8),
        Question("/v1/classify?top=2", large, JPEG, 4),
        Question("/v1/explain", small, JPEG, 1),
    ]


def write_versions(bundles: tuple[Path, Path], model: Path) -> None:
    """Write two sound versions and two broken ones, each with its own class names, and the link."""
    sources = {"1": bundles[0], "2": bundles[1], ALTERED: bundles[0], HALF: bundles[0]}
    for version, bundle in sources.items():
        shutil.copytree(bundle, model / version)
        rename_classes(model / version, partial(marked, version))
    alter_network(model / ALTERED)
    halve_network(model / HALF)
    point(model, "1")


def point(model: Path, version: str) -> None:
    """Let the link name another version, at once."""
    (model / "next").symlink_to(version)
    (model / "next").rename(model / "current")


@dataclass
class Seen:
    """What the clients got: answers by route, failures in words, and the answers' bodies."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, path: str, request: bytes, status: int, body: bytes) -> None:
        """Keep what an answer says; a status of 0 means that none came."""
        with self.lock:
            if status == http.client.OK:
                self.answers[path] += 1
                self.bodies.setdefault(f"{path} {len(request)}", set()).add(body)
            else:
                self.failures.append(f"{path}: {status} {body[:200]!r}")


def ask(port: int, questions: list[Question], seen: Seen, ended: threading.Event) -> None:
    """Ask until the server, while it shuts down, closes the connection after an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    weights = [one.weight for one in questions]
    while True:
        one = random.choices(questions, weights)[0]  # noqa: S311  no secret
        if ended.is_set() and connection.sock is None:
            return
        try:
            connection.request("POST", one.path, one.body, one.headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            seen.note(one.path, one.body, 0, repr(error).encode())
            connection.close()
            continue
        seen.note(one.path, one.body, status, body)


def change(step: int, model: Path, pid: int) -> None:
    """Do one of the things that happen to a model's folder: two in eight are broken bundles."""
    version = {2: ALTERED, 6: HALF}.get(step % 8, str(1 + step % 2))
    point(model, version)
    if step % 3 == 0:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)


def reloads(port: int) -> dict[str, int]:
    """Return how many reloads the server counted, by outcome; none when it does not say."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    try:
        connection.request("GET", "/metrics")
        lines = connection.getresponse().read().decode().splitlines()
    except (OSError, http.client.HTTPException):
        return {}
    counts = [line for line in lines if line.startswith("sceneset_reloads_total{")]
    return {"reloads_" + line.split('"')[1]: int(float(line.split()[-1])) for line in counts}


def sample(server: Running, model: Path, seconds: float) -> tuple[list[Sample], int]:
    """Change the model again and again while the server lives; return samples and changes."""
    samples: list[Sample] = []
    began, step = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds and server.process.poll() is None:
        samples.append(Sample.of(server.pid, passed))
        if passed >= step * STEP_S:
            change(step, model, server.pid)
            step += 1
        time.sleep(0.5)
    return samples, step


def count_hung(threads: list[threading.Thread]) -> int:
    """Wait for the clients; return how many still wait for an answer."""
    until = time.monotonic() + END_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(thread.is_alive() for thread in threads)


def summarize(seen: Seen, samples: list[Sample], warm_s: float) -> dict[str, Any]:
    """Return what the samples and answers say.

    Mixed are answers of neither version alone, broken ones those of a version to be refused.
    """
    named = [_versions(body) for bodies in seen.bodies.values() for body in bodies]
    beyond = sum(max(0, len(bodies) - len(SOUND)) for bodies in seen.bodies.values())
    return {
        "requests": sum(seen.answers.values()),
        "by_route": dict(seen.answers),
        "failed": len(seen.failures),
        "first_failures": seen.failures[:5],
        "versions_seen": len(SOUND & set[str]().union(*named)),
        "mixed": max(beyond, sum(len(versions) > 1 for versions in named)),
        "broken_answers": sum(bool(versions - SOUND) for versions in named),
    } | _grown([one for one in samples if one.resident_mb], warm_s)


def _versions(body: bytes) -> set[str]:
    return {version.decode() for version in _MARKED.findall(body)}


def _grown(samples: list[Sample], warm_s: float) -> dict[str, Any]:
    """Return how the process grew; without samples there is nothing to judge."""
    warm = [one for one in samples if one.seconds >= warm_s]
    if not warm:
        return {}
    return {
        "resident_mb": [warm[0].resident_mb, warm[-1].resident_mb],
        "most_resident_mb": max(one.resident_mb for one in warm),
        "growth_mb_per_minute": slope(lows(warm, LOW_S)),
        "growth_mb": round(_more(samples, lambda one: one.resident_mb), 1),
        "more_descriptors": _more(samples, lambda one: one.descriptors),
        "more_threads": _more(samples, lambda one: one.threads),
        "descriptors": [warm[0].descriptors, warm[-1].descriptors],
        "threads": [warm[0].threads, warm[-1].threads],
    }


def _more(samples: list[Sample], read: Callable[[Sample], float]) -> float:
    """Return how far the smallest of the last quarter is above that of the second quarter."""
    end = samples[-1].seconds
    second = [read(one) for one in samples if end / 4 <= one.seconds <= end / 2]
    last = [read(one) for one in samples if one.seconds >= 3 * end / 4]
    return min(last) - min(second or last)


def over(figures: dict[str, Any]) -> list[str]:
    """Return the figures that are not as they must be; one that is missing is not."""
    wrong = [name for name, most in LIMITS.items() if figures.get(name, math.inf) > most]
    wrong += [name for name, least in FLOORS.items() if figures.get(name, 0) < least]
    return wrong + ["exit_code"] * (figures["exit_code"] != 0)


def lows(samples: list[Sample], seconds: float) -> list[Sample]:
    """Return the smallest of every so many seconds: what is held for good, not for a moment."""
    parts: dict[int, list[Sample]] = {}
    for one in samples:
        parts.setdefault(int(one.seconds / seconds), []).append(one)
    return [min(part, key=lambda one: one.resident_mb) for part in parts.values()]


def slope(samples: list[Sample]) -> float:
    """Return the growth in MB of a million bytes a minute, by least squares."""
    middle = sum(one.seconds for one in samples) / len(samples)
    level = sum(one.resident_mb for one in samples) / len(samples)
    squares = sum((one.seconds - middle) ** 2 for one in samples) or 1.0
    products = sum((one.seconds - middle) * (one.resident_mb - level) for one in samples)
    return round(60 * products / squares, 3)


def soak(model: Path, seconds: float, warm_s: float) -> dict[str, Any]:
    """Run it all; return the figures."""
    seen, ended = Seen(), threading.Event()
    command = serve_command(model, "--name", NAME, "--watch", "1")
    with running(command) as server:
        given = (server.port, make_questions(), seen, ended)
        threads = [threading.Thread(target=ask, args=given, daemon=True) for _ in range(CLIENTS)]
        try:
            for thread in threads:
                thread.start()
            samples, steps = sample(server, model, seconds)
            counted = reloads(server.port)
        finally:
            ended.set()
        code = server.stop()
    ends = {"hung_clients": count_hung(threads), "steps": steps, "exit_code": code}
    return summarize(seen, samples, warm_s) | counted | ends


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundles", type=Path, nargs=2, metavar="BUNDLE", help="two versions")
    parser.add_argument("--seconds", type=float, default=600.0, help="of load (%(default)s)")
    options = parser.parse_args()
    first, second = (bundle.resolve() for bundle in options.bundles)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / NAME
        model.mkdir()
        write_versions((first, second), model)
        figures = soak(model, options.seconds, min(60.0, options.seconds / 3))
    wrong = over(figures)
    limits = {"at_most": LIMITS, "at_least": FLOORS, "over": wrong}
    print(json.dumps(figures | limits | {"load_average": os.getloadavg()}, indent=1))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
