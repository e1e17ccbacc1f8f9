"""Keep bench/ on its own feet."""

import ast
import runpy
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSE = runpy.run_path(str(ROOT / "docs" / "measure_house.py"))


def test_bench_imports_nothing_from_tests() -> None:
    """Figures must not rest on fakes: what the scripts share is in bench/support/."""
    paths = sorted((ROOT / "bench").rglob("*.py"))
    assert paths
    for path in paths:
        names = HOUSE["imports"](ast.parse(path.read_text(encoding="utf-8")))
        assert not {name.split(".")[0] for name in names} & {"tests", "support", "conftest"}, path
