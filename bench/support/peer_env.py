"""Keep each peer in an environment of its own, and run a script there: JSON in, JSON out.

The project's own environment never imports a peer. peers.txt lists them with what pip installs;
make the environments ahead of time with

    python bench/support/peer_env.py FOLDER [NAME ...]
"""

import argparse
import json
import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BENCH = Path(__file__).resolve().parents[1]
SCRIPTS = BENCH / "peers"
DEFAULT_FOLDER = Path.home() / ".cache" / "sceneset-bench-peers"


def requirements() -> dict[str, list[str]]:
    """Return each peer's name with what pip installs for it, as peers.txt has them."""
    lines = (SCRIPTS / "peers.txt").read_text(encoding="utf-8").splitlines()
    parts = (line.split(":", 1) for line in lines if line and not line.startswith("#"))
    return {name: words.split() for name, words in parts}


@dataclass(frozen=True)
class Peer:
    """One peer's environment, made when it is first asked."""

    name: str
    folder: Path

    @property
    def python(self) -> Path:
        """Return the environment's interpreter."""
        return self.folder / self.name / "bin" / "python"

    def make(self) -> None:
        """Make the environment with pip unless it is complete."""
        done = self.folder / self.name / "requirements.txt"
        wanted = "\n".join(requirements()[self.name])
        if done.is_file() and done.read_text() == wanted:
            return
        venv.create(done.parent, with_pip=True, clear=True)
        pip = (self.python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check")
        subprocess.run((*pip, *wanted.splitlines()), check=True, stdout=sys.stderr)
        done.write_text(wanted)

    def ask(self, script: str, request: object, *, threads: int = 2) -> Any:  # noqa: ANN401  JSON
        """Run peers/`script` with `request` on its stdin; return the JSON it prints last."""
        self.make()
        limits = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), str(threads))
        answer = subprocess.run(
            [self.python, SCRIPTS / script],
            input=json.dumps(request),
            env=os.environ | limits,
            check=True,
            stdout=subprocess.PIPE,
            text=True,
        )
        return json.loads(answer.stdout.splitlines()[-1])


def add_option(parser: argparse.ArgumentParser) -> None:
    """Let a script take --peers FOLDER."""
    parser.add_argument(
        "--peers",
        type=Path,
        default=DEFAULT_FOLDER,
        metavar="FOLDER",
        help="where the peers' environments are, or are made (%(default)s)",
    )


def main() -> None:
    """Make environments."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", default=list(requirements()))
    options = parser.parse_args()
    for name in options.names:
        Peer(name, options.folder.resolve()).make()


if __name__ == "__main__":
    main()
