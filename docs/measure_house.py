"""Print how big the house is: modules, lines, statements, importers, folders, functions.

`python docs/measure_house.py [--json] [FOLDER]` measures the packages of this or another checkout; tests
and bench are not counted. A module is any .py file, `__init__.py` included.
"""

import ast
import json
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("sceneset", "scraper", "curate", "training", "serving", "review")
# limits: modules, lines, statements, single importers %, modules per folder, net lines per function
GOALS = {
    "modules": 200,
    "lines": 27_500,
    "statements": 16_800,
    "single_importer_percent": 22.0,
    "largest_folder": 15,
    "longest_module": 400,
    "longest_function": 40,
    "shortest_module": 40,
}
MAY_BE_SHORT = ("__init__.py", "__main__.py", "cli.py")
SHORT_FOLDERS = ("engines", "protocols", "formats")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def modules(root: Path = ROOT) -> dict[Path, ast.Module]:
    """Return every module of the packages, relative to the root, with its tree."""
    paths = [root / "cli.py"]
    paths += [path for name in PACKAGES for path in sorted((root / name).rglob("*.py"))]
    trees = {path: ast.parse(path.read_text(encoding="utf-8")) for path in paths}
    return {path.relative_to(root): tree for path, tree in trees.items()}


def dotted(path: Path) -> str:
    """Return a module's name: `a/b.py` -> `a.b`, `a/__init__.py` -> `a`."""
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(tree: ast.AST) -> Iterator[str]:
    """Yield the dotted names that a module imports at any depth: modules, and names in them."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def functions(tree: ast.AST) -> list[Function]:
    """Return every function of a module."""
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def net_lines(node: Function) -> int:
    """Count a function's lines without its docstring."""
    first = node.body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


def importers(trees: dict[Path, ast.Module]) -> Counter[str]:
    """Count by how many other modules each module is imported."""
    names = {dotted(path) for path in trees}
    users: Counter[str] = Counter()
    for path, tree in trees.items():
        users.update((set(imports(tree)) & names) - {dotted(path)})
    return users


def length(root: Path, path: Path) -> int:
    """Count a module's lines."""
    return len((root / path).read_text(encoding="utf-8").splitlines())


def too_short(root: Path, trees: dict[Path, ast.Module]) -> list[str]:
    """Name the modules under 40 lines that are no launcher, engine, protocol or format."""
    return [
        str(path)
        for path in trees
        if length(root, path) < GOALS["shortest_module"]
        and path.name not in MAY_BE_SHORT
        and path.parent.name not in SHORT_FOLDERS
    ]


def measure(root: Path = ROOT) -> dict[str, Any]:
    """Return every figure, and the names of what is outside the rules."""
    trees = modules(root)
    users = importers(trees)
    rooms = [dotted(path) for path in trees if path.name != "__init__.py"]
    single = sorted(name for name in rooms if users[name] == 1)
    folders = Counter(str(path.parent) for path in trees)
    lengths = {str(path): length(root, path) for path in trees}
    return {
        "modules": len(trees),
        "without_init": sum(path.name != "__init__.py" for path in trees),
        "lines": sum(lengths.values()),
        "statements": sum(isinstance(n, ast.stmt) for t in trees.values() for n in ast.walk(t)),
        "single_importer_percent": round(100 * len(single) / len(trees), 1),
        "largest_folder": max(folders.values()),
        "longest_module": max(lengths.values()),
        "longest_function": max(net_lines(f) for t in trees.values() for f in functions(t)),
        "too_short": too_short(root, trees),
        "single_importers": single,
        "by_package": dict(Counter(path.parts[0] for path in trees)),
        "statements_by_package": {
            name: sum(
                isinstance(n, ast.stmt)
                for path, tree in trees.items()
                if path.parts[0] == name
                for n in ast.walk(tree)
            )
            for name in PACKAGES
        },
    }


def main() -> None:
    """Print the figures as a table with their goals, or as JSON."""
    words = [word for word in sys.argv[1:] if word != "--json"]
    figures = measure(Path(words[0]) if words else ROOT)
    if "--json" in sys.argv:
        sys.stdout.write(json.dumps(figures, indent=1) + "\n")
        return
    for name, value in figures.items():
        goal = GOALS.get(name)
        beside = (
            "" if goal is None else f"  (at most {goal:,}{'' if value <= goal else ': NOT MET'})"
        )
        shown = ", ".join(value) if isinstance(value, list) else value
        sys.stdout.write(f"{name:24} {shown}{beside}\n")


if __name__ == "__main__":
    main()
