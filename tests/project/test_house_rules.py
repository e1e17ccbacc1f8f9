"""Keep the walls: who imports whom, how long a function is, what stands where."""

import ast
import re
import runpy
from graphlib import TopologicalSorter
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HOUSE = runpy.run_path(str(ROOT / "docs" / "measure_house.py"))
TREES: dict[Path, ast.Module] = HOUSE["modules"](ROOT)
STAGES = ("scraper", "curate", "training", "serving")
# What may start a stage: the command line, the demo and the lazy names of the public API.
DOORS = {"sceneset/cli.py", "sceneset/demo.py", "sceneset/__init__.py"}


def imported_roots(tree: ast.AST) -> set[str]:
    """Return the first name of everything a module imports, at any depth."""
    return {name.split(".")[0] for name in HOUSE["imports"](tree)}


def layers() -> dict[str, list[str]]:
    """Read the layers that docs/architecture.md draws: package -> folders and modules, top first."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^(\w+): (\w+(?: > \w+)+)$", text, re.MULTILINE)
    return {package: order.split(" > ") for package, order in drawn}


def test_stages_meet_only_through_the_core() -> None:
    """A stage imports sceneset and libraries, never another stage; the core imports no stage."""
    for path, tree in TREES.items():
        if str(path) not in DOORS:
            strangers = set(STAGES) - {path.parts[0]}
            assert not imported_roots(tree) & (strangers | {"cli"} - {path.parts[0]}), path


def test_no_stage_is_imported_before_its_command_runs() -> None:
    """The command line and the public API name stages inside functions only."""
    for path, tree in TREES.items():
        if str(path) in {*DOORS, "cli.py", "sceneset/__main__.py"}:
            top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
            assert not imported_roots(ast.Module(body=top, type_ignores=[])) & set(STAGES), path


def test_no_folder_of_a_package_imports_one_above_it() -> None:
    """The layers in docs/architecture.md name every folder, and every import goes downwards."""
    drawn = layers()
    assert set(drawn) == set(STAGES)
    for path, tree in TREES.items():
        package = path.parts[0]
        if package not in drawn or (len(path.parts) == 2 and path.name == "__init__.py"):
            continue
        order = drawn[package]
        own = order.index(Path(path.parts[1]).stem)
        for name in HOUSE["imports"](tree):
            parts = name.split(".")
            if parts[0] == package and len(parts) > 1 and parts[1] in order:
                assert order.index(parts[1]) >= own, f"{path} imports {name}"


def test_no_modules_import_each_other_in_a_circle() -> None:
    """At any depth: an import inside a function hides a circle, and does not mend it."""
    names = {HOUSE["dotted"](path) for path in TREES} - {"sceneset"}  # whose names are lazy
    graph = {
        own: {name for name in HOUSE["imports"](tree) if not f"{own}.".startswith(f"{name}.")}
        & names
        for own, tree in ((HOUSE["dotted"](path), tree) for path, tree in TREES.items())
        if own in names
    }
    TopologicalSorter(graph).prepare()


def test_modules_folders_and_functions_stay_small() -> None:
    """400 lines, 15 modules, 40 net lines, 5 positional parameters; nothing tiny but by its kind."""
    figures = HOUSE["measure"](ROOT)
    for name in ("longest_module", "longest_function", "largest_folder"):
        assert figures[name] <= HOUSE["GOALS"][name], name
    assert figures["too_short"] == []
    for path, tree in TREES.items():
        for node in HOUSE["functions"](tree):
            arguments = node.args.posonlyargs + node.args.args
            positional = [a for a in arguments if a.arg not in {"self", "cls"}]
            assert len(positional) <= 5, f"{path} {node.name}"


def test_only_the_browser_folder_starts_selenium() -> None:
    """Selenium is imported below scraper/browser/ alone."""
    users = {path.parent for path, tree in TREES.items() if "selenium" in imported_roots(tree)}
    assert users == {Path("scraper/browser")}


def names_tensorflow(tree: ast.AST) -> bool:
    """Say whether a module uses TensorFlow itself, by import or as `tf`."""
    names = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    return bool({"tf", "tensorflow"} & (names | imported_roots(tree)))


def test_networks_and_recipes_name_no_backend_of_keras() -> None:
    """TensorFlow is named where networks are compiled, fed and exported; never outside training."""
    may = {"training/exports", "training/imported", "training/loop", "training/data"}
    may_too = {"training/models/backend.py", "training/models/inference.py"}
    for path, tree in TREES.items():
        if str(path.parent) not in may and str(path) not in may_too:
            assert not names_tensorflow(tree), path


def test_datasets_is_a_folder_of_data_and_no_package() -> None:
    """A package there would shadow the well-known library of that name."""
    assert not (ROOT / "datasets" / "__init__.py").exists()
    assert not [p for p in TREES if p.name in {"utils.py", "helpers.py", "common.py"}]


def test_the_default_classes_travel_with_the_package() -> None:
    """The list in the checkout and the one in the wheel are the same bytes."""
    packaged = ROOT / "sceneset" / "classes.txt"
    assert packaged.read_bytes() == (ROOT / "classes.txt").read_bytes()
