"""The wheel holds every file of the packages, and nothing that could shadow another project's."""

import runpy
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = [
    name
    for name in runpy.run_path(str(ROOT / "docs" / "measure_house.py"))["PACKAGES"]
    if (ROOT / name).is_dir()
]
BUILD = "from setuptools import build_meta; build_meta.build_wheel('dist')"


def test_the_wheel_holds_the_packages_whole_and_no_other_module(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "README.md", "cli.py"):
        shutil.copy(ROOT / name, tmp_path)
    for name in (*PACKAGES, "docs", "bench"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-c", BUILD], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    with zipfile.ZipFile(next((tmp_path / "dist").glob("*.whl"))) as wheel:
        held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    files = (path for name in PACKAGES for path in (tmp_path / name).rglob("*") if path.is_file())
    assert held == {path.relative_to(tmp_path).as_posix() for path in files}
    assert {"sceneset/classes.txt", *(f"{name}/py.typed" for name in PACKAGES)} <= held
