import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sceneset.errors import SettingsError
from sceneset.workers import Workers, map_items, parse_executor

ROOT = Path(__file__).resolve().parents[2]
SLOW = """
import os, sys, time
from sceneset.workers import map_items

def nap(folder):
    open(os.path.join(folder, str(os.getpid())), "w").close()
    time.sleep(60)

if __name__ == "__main__":
    list(map_items(nap, [sys.argv[1]] * 2, "local:2"))
"""


def double(number: int) -> int:
    """Double a number; refuse 3; die at 5."""
    if number == 3:
        raise ValueError("three")
    if number == 5:
        os._exit(9)
    return 2 * number


@pytest.mark.parametrize("executor", ["serial", "threads:3", "local:2"])
def test_results_come_in_order_and_one_failure_stays_alone(executor: str) -> None:
    results = list(map_items(double, [1, 2, 3, 4], executor))
    assert [r.item for r in results] == [1, 2, 3, 4]
    assert [r.value for r in results] == [2, 4, None, 8]
    assert isinstance(results[2].error, ValueError)


def test_an_item_that_kills_its_worker_is_found_and_the_others_are_done() -> None:
    results = list(map_items(double, range(9), "local:2"))
    assert [r.item for r in results if r.error is not None] == [3, 5]
    assert [r.value for r in results if r.error is None] == [0, 2, 4, 8, 12, 14, 16]


def test_a_worker_that_dies_while_the_caller_is_busy_ends_nothing() -> None:
    values = []
    for result in map_items(double, [1, 5, 2, 4, 6, 7, 8, 9, 10], "local:1"):
        time.sleep(0.1)
        values.append(result.value)
    assert values == [2, None, 4, 8, 12, 14, 16, 18, 20]


def test_items_are_taken_as_they_are_needed() -> None:
    taken: list[int] = []

    def items() -> object:
        for number in range(1000):
            taken.append(number)
            yield number

    results = map_items(abs, items(), "threads:1")  # type: ignore[arg-type]
    next(results)
    assert len(taken) <= 5


@pytest.mark.parametrize(
    ("spec", "workers"),
    [
        ("serial", Workers("serial", 1)),
        ("local:3", Workers("local", 3)),
        ("local", Workers("local", os.cpu_count() or 1)),
        ("threads:2", Workers("threads", 2)),
        ("ray://host:10001", Workers("ray", os.cpu_count() or 1, "ray://host:10001")),
    ],
)
def test_an_executor_is_read_from_its_name(spec: str, workers: Workers) -> None:
    assert parse_executor(spec) == workers


@pytest.mark.parametrize(
    "spec", ["", "locl", "local:0", "local:-1", "threads", "ray://", "serial:2"]
)
def test_an_unknown_executor_is_refused(spec: str) -> None:
    with pytest.raises(SettingsError, match="--executor"):
        parse_executor(spec)


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_workers_do_not_outlive_a_killed_caller(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "ids").mkdir()
    caller = subprocess.Popen(
        [sys.executable, str(tmp_path / "slow.py"), str(tmp_path / "ids")],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    deadline = time.monotonic() + 30
    while len(list((tmp_path / "ids").iterdir())) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    workers = [int(p.name) for p in (tmp_path / "ids").iterdir()]
    assert len(workers) == 2
    caller.kill()
    caller.wait()
    while any(is_running(w) for w in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_running(w) for w in workers)


def is_running(process: int) -> bool:
    """Say whether a process exists and is no zombie."""
    try:
        return ") Z " not in Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False


SCRIPT = """
from sceneset.workers import map_chunked, map_items
print("begun")
print([result.value for result in map_items(abs, [-1, -2, -3], "local:2")])
print([result.value for result in map_chunked(abs, [-1, -2, -3], "local:2")])
"""


def test_a_script_without_a_guard_is_run_once(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(SCRIPT)
    ran = subprocess.run(
        [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.splitlines() == ["begun", "[1, 2, 3]", "[1, 2, 3]"]
    assert ran.stderr == ""
