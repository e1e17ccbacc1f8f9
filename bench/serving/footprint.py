"""Weigh `serve` beside the usual TensorFlow server: installed, resident, and until it is ready.

Both get an environment of their own in the peers' folder: ours holds the project with the extra
`serve` alone. Sizes leave bytecode out; ready is the first right answer to a picture, the median of
several starts, with the best and the worst beside it; resident is a process' VmRSS. All MB are
millions of bytes. Prints one JSON object; exits 1 over a limit.

    python bench/serving/footprint.py BUNDLE [--peers FOLDER] [--starts 5]
"""

import argparse
import http
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.support.commands import ROOT
from bench.support.odd_pictures import b64
from bench.support.peer_env import SCRIPTS, Peer, add_option
from bench.support.pictures import drawn_photo
from bench.support.processes import MB
from bench.support.servers import JSON, Client, Probe, running

LEFT_OUT = shutil.ignore_patterns(
    ".*", "build", "*.egg-info", "datasets", "models", "tests", "docs"
)
REQUESTS = 200
SMALL = (250, 180)
LIMITS = {"installed_mb": 175.0, "installed_share": 0.1, "resident_mb": 130.0, "ready_s": 1.5}


@dataclass(frozen=True)
class Weighed:
    """A server: the environment it is in, and what starts it but for its port."""

    python: Path
    words: tuple[str, ...]

    @property
    def installed_mb(self) -> float:
        """Return the size of what is installed, without bytecode, in MB of a million bytes."""
        (packages,) = self.python.parents[1].glob("lib/python*/site-packages")
        files = (one for one in packages.rglob("*") if one.is_file() and not one.is_symlink())
        return round(sum(f.stat().st_size for f in files if "__pycache__" not in f.parts) / MB, 1)


def ours(bundle: Path, peers: Path) -> Weighed:
    """Install the project anew with the extra `serve` alone, from a copy: pip builds in place."""
    environment = peers / "serve_alone"
    subprocess.run([sys.executable, "-m", "venv", "--clear", environment], check=True)
    python = environment / "bin" / "python"
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "project"
        shutil.copytree(ROOT, copy, ignore=LEFT_OUT)
        pip = (python, "-m", "pip", "install", "--quiet", "--no-compile", f"{copy}[serve]")
        subprocess.run(pip, check=True, stdout=sys.stderr)
    command = str(environment / "bin" / "sceneset")
    return Weighed(python, (command, "serve", "--model", str(bundle), "--workers", "2", "--quiet"))


def tensorflow(peers: Path) -> Weighed:
    """Return the server that calls Keras for each picture."""
    peer = Peer("naive", peers)
    peer.make()
    return Weighed(peer.python, (str(peer.python), str(SCRIPTS / "naive_server.py")))


def weigh(server: Weighed, bundle: Path, starts: int) -> dict[str, float]:
    """Start a server several times; ask the last one for a while."""
    variables = {"BUNDLE": str(bundle), "TF_CPP_MIN_LOG_LEVEL": "3"}
    body = json.dumps({"images": [b64(drawn_photo(SMALL))]}).encode()
    figures, seconds = {"installed_mb": server.installed_mb}, []
    for _ in range(starts):
        probe = Probe("/classify", body)
        with running(server.words, probe, cwd=SCRIPTS, variables=variables) as one:
            seconds.append(one.ready_s)
            if len(seconds) == starts:
                figures["resident_ready_mb"] = round(one.resident_mb(), 1)
                ask(one.port, body)
                figures["resident_mb"] = round(one.resident_mb(), 1)
    ready = {"": statistics.median(seconds), "_best": min(seconds), "_worst": max(seconds)}
    return figures | {f"ready{name}_s": round(value, 2) for name, value in ready.items()}


def ask(port: int, body: bytes) -> None:
    """Send so many small pictures, one after the other. Raises RuntimeError when one fails."""
    client = Client(port)
    for _ in range(REQUESTS):
        answer = client.post("/classify", body, JSON)
        if answer.status != http.HTTPStatus.OK:
            raise RuntimeError(f"{answer.status} for a picture")


def compare(mine: dict[str, float], other: dict[str, float]) -> dict[str, Any]:
    """Return how many times as much the other takes, and which limits are passed."""
    shares = {name: round(other[name] / mine[name], 1) for name in mine if name in other}
    held = mine | {"installed_share": mine["installed_mb"] / other["installed_mb"]}
    return {
        "times_as_much": shares,
        "limits": LIMITS,
        "over": [name for name, most in LIMITS.items() if held[name] > most],
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path, help="the folder that holds model.keras")
    parser.add_argument("--starts", type=int, default=5, help="of each (%(default)s)")
    add_option(parser)
    options = parser.parse_args()
    bundle, peers = options.bundle.resolve(), options.peers.resolve()
    mine = weigh(ours(bundle, peers), bundle, options.starts)
    other = weigh(tensorflow(peers), bundle, options.starts)
    figures: dict[str, Any] = {"ours": mine, "tensorflow": other} | compare(mine, other)
    print(json.dumps(figures | {"load_average": os.getloadavg()}, indent=1))
    sys.exit(bool(figures["over"]))


if __name__ == "__main__":
    main()
