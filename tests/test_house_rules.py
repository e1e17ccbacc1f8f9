"""Keep the walls: who imports whom, how long a function is, what stands where."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("scraper", "curate", "training", "serving")
PACKAGES = ("pipeline", *STAGES)
MODULES = [
    ROOT / "cli.py",
    ROOT / "demo.py",
    *(p for name in PACKAGES for p in sorted((ROOT / name).rglob("*.py"))),
]


def imported_roots(tree: ast.AST) -> set[str]:
    """Return the first name of everything a module imports, at any depth."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.split(".")[0])
    return found


def functions(tree: ast.AST) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function of a module."""
    return [n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef)]


def net_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring."""
    body = node.body
    first = body[0]
    documented = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
    return (node.end_lineno or 0) - node.lineno + 1 - docstring


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_stages_meet_only_through_pipeline(path: Path) -> None:
    """A stage imports pipeline and libraries, never another stage; pipeline imports no stage."""
    package = path.relative_to(ROOT).parts[0]
    if package in {"cli.py", "demo.py"}:
        return
    strangers = set(STAGES) - {package}
    assert not imported_roots(ast.parse(path.read_text())) & (strangers | {"cli"})


def test_the_command_line_imports_no_stage_at_its_top() -> None:
    """Only pipeline is loaded before a command is chosen."""
    top = ast.parse((ROOT / "cli.py").read_text()).body
    module = ast.Module(
        body=[n for n in top if isinstance(n, ast.Import | ast.ImportFrom)], type_ignores=[]
    )
    assert not imported_roots(module) & set(STAGES)


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_modules_and_functions_stay_small(path: Path) -> None:
    """A module has at most 250 lines, a function 40 net lines and 5 positional parameters."""
    text = path.read_text()
    assert len(text.splitlines()) <= 250
    for node in functions(ast.parse(text)):
        positional = [
            a for a in node.args.posonlyargs + node.args.args if a.arg not in {"self", "cls"}
        ]
        assert net_lines(node) <= 40, node.name
        assert len(positional) <= 5, node.name


def test_only_the_browser_module_starts_selenium() -> None:
    """Selenium starts in scraper/browser.py alone; two more prepare its options and its driver."""
    users = {p.name for p in MODULES if "selenium" in imported_roots(ast.parse(p.read_text()))}
    assert users <= {"browser.py", "chromium.py", "driver.py"}


def names_tensorflow(tree: ast.AST) -> bool:
    """Say whether a module uses TensorFlow itself, by import or as `tf`."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return bool({"tf", "tensorflow"} & (names | imported_roots(tree)))


def test_model_code_is_keras_and_names_tensorflow_where_it_feeds_compiles_and_exports() -> None:
    """What networks are made of, and trained from, names no backend of Keras.

    `training/backend.py` imports TensorFlow; SavedModels come and go by it.
    """
    few = {"backend.py", "pictures.py", "embed.py", "fine_tune.py", "export.py"}
    for path in MODULES:
        place = path.relative_to(ROOT)
        if place.parts[:2] in {("training", "exports"), ("training", "foreign")}:
            continue
        if place.parts[0] != "training" or place.name not in few:
            assert not names_tensorflow(ast.parse(path.read_text())), place


def test_datasets_is_a_folder_of_data_and_no_package() -> None:
    """A package there would shadow the well-known library of that name."""
    assert not (ROOT / "datasets" / "__init__.py").exists()
    assert not [p for p in MODULES if p.name in {"utils.py", "helpers.py", "common.py"}]
