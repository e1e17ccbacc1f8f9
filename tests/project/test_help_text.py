"""A command's help is paragraphs, without the line breaks of the source."""

import contextlib
import io
import re
from itertools import pairwise

import pytest

from sceneset import cli
from sceneset.cli import paragraph


def test_an_entry_hangs_under_its_first_line_and_keeps_long_words_whole() -> None:
    assert paragraph("  --a PATH: one two three", 14) == [
        "  --a PATH:",
        "      one two",
        "      three",
    ]
    assert paragraph("  --a: http://h.example/no-break", 12)[1] == "      http://h.example/no-break"


@pytest.mark.parametrize("name", ["serve", "scrape"])
def test_every_line_of_help_is_full_before_the_next_begins(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.suppress(SystemExit):
        cli.build_app()([name, "--help"])
    lines = printed.getvalue().splitlines()
    assert lines[0].startswith(f"Usage: sceneset {name} ")
    assert max(map(len, lines)) <= 80
    for line, after in pairwise(lines):
        if re.match(r" {6}\S", after):
            assert len(line) + 1 + len(after.split()[0]) > 80, line
    assert "--empty-" not in printed.getvalue()
