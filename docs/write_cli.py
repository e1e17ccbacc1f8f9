"""Write docs/cli.md from what `--help` says, so that neither can go stale."""

import contextlib
import io
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from sceneset import cli  # noqa: E402  the project is not installed when this runs from a checkout


def help_of(*words: str) -> str:
    """Return what a command prints for --help."""
    os.environ["COLUMNS"] = "80"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.build_app()([*words, "--help"])
    return "\n".join(line.rstrip() for line in printed.getvalue().strip().splitlines())


def page() -> str:
    """Return the whole page."""
    parts = [
        "# Commands\n\nWritten by `make docs` from `--help`.\n",
        f"```\n{cli.overview()}\n```\n",
    ]
    parts += [f"## {name}\n\n```\n{help_of(name)}\n```\n" for name, *_ in cli.COMMANDS]
    return "\n".join(parts)


if __name__ == "__main__":
    (ROOT / "docs" / "cli.md").write_text(page(), encoding="utf-8")
