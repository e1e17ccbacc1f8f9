"""Load `serve` for minutes while its model changes; say what failed and what grew. JSON out.

16 clients ask over connections that stay open, by several contracts, small and large pictures and
heat maps. Meanwhile the model's link moves between two versions, SIGHUP comes, and now and then the
link names a broken bundle, which must be refused. At the end SIGTERM comes under load: whatever was
sent must be answered. Exits 1 when a request failed or a figure is over its limit.

    python bench/endure.py BUNDLE_A BUNDLE_B [--seconds 600]
"""

import argparse
import base64
import http.client
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from process_figures import Sampled, free_port, lows, slope, started
from serve import picture

from pipeline.checksums import hash_files

ROOT = Path(__file__).resolve().parents[1]
CLIENTS, STEP_S, NAME = 16, 3.0, "endure"
VERSIONS, ALTERED, HALF = 2, "3", "4"
GOALS = {"failed": 0, "mixed": 0, "exit_code": 0, "growth_mb_per_minute": 1.0}
JSON = {"Content-Type": "application/json"}
JPEG = {"Content-Type": "image/jpeg"}


@dataclass(frozen=True)
class Question:
    """One way to ask, and how often it is taken."""

    path: str
    body: bytes
    headers: dict[str, str]
    weight: int


@dataclass
class Seen:
    """What the clients got: answers by question, failures in words, and the answers' bodies."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def questions() -> list[Question]:
    """Return what the clients ask."""
    small, large = picture((250, 180)), picture((1600, 1200))
    text = base64.b64encode(small).decode()
    tensor = {"name": "image", "shape": [1], "datatype": "BYTES", "data": [text]}
    bodies = {
        "/classify": {"images": [text, text]},
        f"/v1/models/{NAME}:predict": {"instances": [{"b64": text}]},
        f"/v2/models/{NAME}/infer": {"inputs": [tensor]},
    }
    asked = [Question(path, json.dumps(body).encode(), JSON, 4) for path, body in bodies.items()]
    return [
        *asked,
        Question("/classify", json.dumps({"images": [text]}).encode(), JSON, 20),
        Question("/v1/classify?top=3", small, JPEG, 8),
        Question("/v1/classify?top=2", large, JPEG, 4),
        Question("/v1/explain", small, JPEG, 1),
    ]


def copy_version(bundle: Path, folder: Path) -> None:
    """Copy a bundle whose class names say which version answers."""
    shutil.copytree(bundle, folder)
    names = json.loads((folder / "class_names.json").read_text())
    (folder / "class_names.json").write_text(json.dumps([f"{n} {folder.name}" for n in names]))
    record = json.loads((folder / "bundle.json").read_text())
    record["files"] = hash_files(folder, without="bundle.json")
    (folder / "bundle.json").write_text(json.dumps(record))


def write_versions(bundles: tuple[Path, Path], model: Path) -> None:
    """Write two sound versions and two broken ones, and the link."""
    for number, bundle in enumerate(bundles, 1):
        copy_version(bundle, model / str(number))
    for broken in (ALTERED, HALF):
        shutil.copytree(model / "1", model / broken)
    network = model / ALTERED / "model.tflite"
    data = bytearray(network.read_bytes())
    data[len(data) // 2] ^= 1
    network.write_bytes(data)
    whole = (model / "1" / "model.tflite").read_bytes()
    (model / HALF / "model.tflite").write_bytes(whole[: len(whole) // 2])
    point(model, "1")


def point(model: Path, version: str) -> None:
    """Let the link name another version, at once."""
    (model / "next").symlink_to(version)
    (model / "next").rename(model / "current")


def ask(port: int, asked: list[Question], seen: Seen, ended: threading.Event) -> None:
    """Ask until the server, told to end, closes the connection after an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    weights = [one.weight for one in asked]
    while True:
        one = random.choices(asked, weights)[0]  # noqa: S311  no secret
        if ended.is_set() and connection.sock is None:
            return
        try:
            connection.request("POST", one.path, one.body, one.headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
        except (OSError, http.client.HTTPException) as error:
            note(seen, one, 0, repr(error).encode())
            connection.close()
            continue
        note(seen, one, status, body)


def note(seen: Seen, one: Question, status: int, body: bytes) -> None:
    """Keep what an answer says."""
    with seen.lock:
        if status == http.HTTPStatus.OK:
            key = f"{one.path} {len(one.body)}"
            seen.answers[one.path] += 1
            seen.bodies.setdefault(key, set()).add(body)
        else:
            seen.failures.append(f"{one.path}: {status} {body[:200]!r}")


def change(step: int, model: Path, pid: int) -> None:
    """Do one of the things that happen to a model's folder: two in eight are broken bundles."""
    version = {2: ALTERED, 6: HALF}.get(step % 8, str(1 + step % 2))
    point(model, version)
    if step % 3 == 0:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGHUP)


def reloads(port: int) -> dict[str, int]:
    """Return how many reloads the server counted, by outcome."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    found = [line for line in lines if line.startswith("sceneset_reloads_total{")]
    return {line.split('"')[1]: int(float(line.split()[-1])) for line in found}


def endured(model: Path, seconds: float, warm_s: float) -> dict[str, Any]:
    """Run it all; return the figures."""
    port, seen, ended = free_port(), Seen(), threading.Event()
    words = ["--model", str(model), "--name", NAME, "--watch", "1", "--port", str(port), "--quiet"]
    asked = questions()
    process, _ = started([sys.executable, str(ROOT / "cli.py"), "serve", *words], port, ROOT)
    threads = [
        threading.Thread(target=ask, args=(port, asked, seen, ended)) for _ in range(CLIENTS)
    ]
    samples: list[Sampled] = []
    try:
        for thread in threads:
            thread.start()
        began, step = time.monotonic(), 0
        while (passed := time.monotonic() - began) < seconds and process.poll() is None:
            samples.append(Sampled.of(process.pid, passed))
            if passed >= step * STEP_S:
                change(step, model, process.pid)
                step += 1
            time.sleep(0.5)
        counted = reloads(port)
        ended.set()
        process.send_signal(signal.SIGTERM)
        code = process.wait(60)
    finally:
        process.kill()
    for thread in threads:
        thread.join(60)
    return figures(seen, samples, warm_s) | {"reloads": counted, "steps": step, "exit_code": code}


def figures(seen: Seen, samples: list[Sampled], warm_s: float) -> dict[str, Any]:
    """Return what the samples and answers say; mixed are answers of neither version alone."""
    warm = [one for one in samples if one.seconds >= warm_s]
    return {
        "requests": sum(seen.answers.values()),
        "by_route": dict(seen.answers),
        "failed": len(seen.failures),
        "first_failures": seen.failures[:5],
        "versions_seen": max(map(len, seen.bodies.values())),
        "mixed": sum(max(0, len(bodies) - VERSIONS) for bodies in seen.bodies.values()),
        "resident_mb": [warm[0].resident_mb, warm[-1].resident_mb],
        "most_resident_mb": max(one.resident_mb for one in warm),
        "growth_mb_per_minute": slope(lows(warm, 4 * STEP_S)),
        "descriptors": [warm[0].descriptors, warm[-1].descriptors],
        "threads": [warm[0].threads, warm[-1].threads],
    }


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
        found = endured(model, options.seconds, min(60.0, options.seconds / 3))
    over = [name for name, most in GOALS.items() if found[name] > most]
    over += ["versions_seen"] if found["versions_seen"] < VERSIONS else []
    told = found | {"goals": GOALS, "over": over, "load_average": os.getloadavg()}
    print(json.dumps(told, indent=1))
    sys.exit(bool(over))


if __name__ == "__main__":
    main()
