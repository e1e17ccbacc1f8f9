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
HIDING = """
import contextlib, io, json, sys
from importlib.machinery import PathFinder

class Installed:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return None if name.split(".")[0] in hidden else PathFinder.find_spec(name, path, target)

hidden, told = json.loads(sys.stdin.read())
sys.meta_path[sys.meta_path.index(PathFinder)] = Installed
"""
HELP_OF_ALL = """
from sceneset import cli

for name in told:
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = cli.main([name, "--help"])
    print(name, code, f"Usage: sceneset {name} " in printed.getvalue())
"""
USE_OF_THE_API = """
from pathlib import Path
import sceneset

classes = Path(told)
model = classes.with_name("m.tflite")
scrape = sceneset.ScrapeSettings(classes=classes, dataset=classes.with_name("scenes"))
for use in (
    lambda: sceneset.Classifier(model, class_names=classes),
    lambda: sceneset.scrape(settings=scrape),
):
    try:
        use()
    except sceneset.SceneSetError as error:
        print(error.problem, error.cure, error.exit_code, sep="; ")
"""


def run_hidden(program: str, told: object) -> subprocess.CompletedProcess[str]:
    """Run a program in which no package of an extra can be imported; it finds `told` by that name."""
    return subprocess.run(
        [sys.executable, "-c", HIDING + program], cwd=ROOT,
        input=json.dumps([sorted(EXTRAS.keys() | BROUGHT), told]),
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_every_command_explains_itself_without_any_extra() -> None:
    commands = [name for name, *_ in cli.COMMANDS]
    answer = run_hidden(HELP_OF_ALL, commands)
    assert answer.stdout.splitlines() == [f"{name} 0 True" for name in commands], answer.stderr


def test_a_python_program_learns_which_extra_it_lacks(tmp_path: Path) -> None:
    (tmp_path / "classes.txt").write_text("Beach\nNight\n")
    (tmp_path / "m.tflite").write_bytes(b"a model")
    answer = run_hidden(USE_OF_THE_API, str(tmp_path / "classes.txt"))
    assert answer.stdout.splitlines() == [
        f"this command needs the package {package}, which is not installed;"
        f" pip install -e '.[{EXTRAS[package]}]'; 2"
        for package in ("ai_edge_litert", "selenium")
    ], answer.stderr
