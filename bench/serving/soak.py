"""Load `serve` for minutes while its model changes; say what failed and what grew. JSON out.

16 clients ask over connections that stay open, by several contracts, small and large pictures and
heat maps. Meanwhile the model's link moves between two versions, SIGHUP comes, and now and then the
link names a broken bundle, which must be refused. At the end SIGTERM comes under load: whatever was
sent must be answered. Exits 1 when a request failed, a broken bundle was not refused, or a figure is
over its limit (`endure_figures.py`); a server that dies is told the same way.

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
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from endure_figures import FLOORS, LIMITS, Seen, figures, marked, over
from process_figures import Sampled, free_port, started
from serve import picture

from sceneset.checksums import hash_files

ROOT = Path(__file__).resolve().parents[1]
CLIENTS, STEP_S, END_S, NAME = 16, 3.0, 60.0, "endure"
ALTERED, HALF = "3", "4"
JSON = {"Content-Type": "application/json"}
JPEG = {"Content-Type": "image/jpeg"}


@dataclass(frozen=True)
class Question:
    """One way to ask, and how often it is taken."""

    path: str
    body: bytes
    headers: dict[str, str]
    weight: int


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
    (folder / "class_names.json").write_text(json.dumps([marked(n, folder.name) for n in names]))
    record = json.loads((folder / "bundle.json").read_text())
    record["files"] = hash_files(folder, without="bundle.json")
    (folder / "bundle.json").write_text(json.dumps(record))


def write_versions(bundles: tuple[Path, Path], model: Path) -> None:
    """Write two sound versions and two broken ones, and the link."""
    for number, bundle in enumerate(bundles, 1):
        copy_version(bundle, model / str(number))
    for broken in (ALTERED, HALF):  # with names of their own, so that an answer of theirs is seen
        copy_version(bundles[0], model / broken)
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
    found = [line for line in lines if line.startswith("sceneset_reloads_total{")]
    return {"reloads_" + line.split('"')[1]: int(float(line.split()[-1])) for line in found}


def sampled(
    process: "subprocess.Popen[bytes]", model: Path, seconds: float
) -> tuple[list[Sampled], int]:
    """Change the model again and again while the server lives; return its samples and the changes."""
    samples: list[Sampled] = []
    began, step = time.monotonic(), 0
    while (passed := time.monotonic() - began) < seconds and process.poll() is None:
        samples.append(Sampled.of(process.pid, passed))
        if passed >= step * STEP_S:
            change(step, model, process.pid)
            step += 1
        time.sleep(0.5)
    return samples, step


def stopped(process: "subprocess.Popen[bytes]") -> int:
    """Tell a server to end; return its exit status, below 0 when a signal ended it."""
    process.send_signal(signal.SIGTERM)
    with suppress(subprocess.TimeoutExpired):
        return process.wait(END_S)
    process.kill()
    return process.wait()


def hung(threads: list[threading.Thread]) -> int:
    """Wait for the clients; return how many still wait for an answer."""
    until = time.monotonic() + END_S
    for thread in threads:
        thread.join(max(0.0, until - time.monotonic()))
    return sum(thread.is_alive() for thread in threads)


def endured(model: Path, seconds: float, warm_s: float) -> dict[str, Any]:
    """Run it all; return the figures."""
    port, seen, ended = free_port(), Seen(), threading.Event()
    words = ["--model", str(model), "--name", NAME, "--watch", "1", "--port", str(port), "--quiet"]
    process, _ = started([sys.executable, str(ROOT / "cli.py"), "serve", *words], port, ROOT)
    given = (port, questions(), seen, ended)
    threads = [threading.Thread(target=ask, args=given, daemon=True) for _ in range(CLIENTS)]
    try:
        for thread in threads:
            thread.start()
        samples, steps = sampled(process, model, seconds)
        counted = reloads(port)
        ended.set()
        code = stopped(process)
    finally:
        ended.set()
        process.kill()
    ends = {"hung_clients": hung(threads), "steps": steps, "exit_code": code}
    return figures(seen, samples, warm_s) | counted | ends


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
    wrong = over(found)
    told = found | {"at_most": LIMITS, "at_least": FLOORS, "over": wrong}
    print(json.dumps(told | {"load_average": os.getloadavg()}, indent=1))
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
