"""A command's extra is imported where it runs: help and the public API need none."""

import json
import subprocess
import sys
from pathlib import Path

from sceneset import cli
from sceneset.errors import EXTRAS

ROOT = Path(__file__).resolve().parents[2]
# What the packages of the extras bring along, and what only some commands may need.
BROUGHT = {"flatbuffers", "h5py", "numba", "pandas", "pywt", "scipy", "urllib3", "uvloop"}
HELP_OF_ALL = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

class Installed:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split(".")[0] in hidden else PathFinder.find_spec(name, path, target)

hidden, commands = json.loads(sys.stdin.read())
sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
from sceneset import cli

for name in commands:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = cli.main([name, "--help"])
    print(name, code, f"Usage: sceneset {name} " in printed.getvalue())
"""


def test_every_command_explains_itself_without_any_extra() -> None:
    commands = [name for name, *_ in cli.COMMANDS]
    told = json.dumps([sorted(EXTRAS.keys() | BROUGHT), commands])
    answer = subprocess.run(
        [sys.executable, "-c", HELP_OF_ALL],
        cwd=ROOT, input=told, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.stdout.splitlines() == [f"{name} 0 True" for name in commands], answer.stderr
