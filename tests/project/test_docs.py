"""The documents say what the program does."""

import re
import runpy
from pathlib import Path

from sceneset import cli

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
REFERENCE = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")


def test_the_command_reference_is_what_help_says() -> None:
    written = runpy.run_path(str(ROOT / "docs" / "write_cli.py"))["page"]()
    assert written == REFERENCE, "run: make docs"


def test_every_command_is_mentioned_in_the_readme_and_explains_its_options() -> None:
    helped = dict(re.findall(r"^## (\w+)\n\n```\n(.*?)\n```$", REFERENCE, re.MULTILINE | re.DOTALL))
    for name, *_ in cli.COMMANDS:
        assert re.search(rf"(cli\.py|sceneset|make) {name}\b", README), name
        options = re.findall(
            r"^  (--[a-z-]+|[A-Z]+[^:]*)(?:, --?[a-z-]+)*(?: [A-Z]+)?: (.*)$",
            helped[name],
            re.MULTILINE,
        )
        assert options, name
        for option, text in options:
            assert len(text) > 10, f"{name} {option} has no help"


def test_every_command_of_the_readme_exists() -> None:
    commands = set(re.findall(r"cli\.py ([a-z0-9]+)", README))
    assert commands <= {name for name, *_ in cli.COMMANDS}
    targets = set(re.findall(r"make ([a-z-]+)", README))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert all(re.search(rf"^{target}:", makefile, re.MULTILINE) for target in targets - {"up"})


def test_every_link_of_the_documents_leads_somewhere() -> None:
    for page in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]:
        for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
            if "://" not in target:
                assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_map_of_the_code_names_files_that_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = [line for line in text.splitlines() if line.startswith("| ")]
    for path in re.findall(r"`([a-z_./]+\.(?:py|js)|tests/[a-z_/]+)`", "\n".join(table)):
        assert (ROOT / path).exists(), path
