"""Installing a browser: one line while it works, the end of the log when it does not."""

import sys
from pathlib import Path

from scraper.commands.doctor import install

NOISE = "import sys; print('\\n'.join(f'line {n}' for n in range(600))); sys.exit(int(sys.argv[1]))"


def installed(*statuses: str) -> tuple[list[str], str]:
    """Install by noisy commands that end with these statuses; return what was said, and the log."""
    lines: list[str] = []
    install(lines.append, [[sys.executable, "-c", NOISE, status] for status in statuses])
    log = Path(lines[0].rpartition(" ")[2])
    text = log.read_text()
    log.unlink()
    return lines, text


def test_the_output_of_the_package_manager_goes_to_a_log_that_is_named() -> None:
    (line,), log = installed("0")
    assert line.startswith("installing chromium and chromium-driver; the log is /")
    assert len(log.splitlines()) == 600


def test_the_last_lines_of_a_failed_installation_are_shown_with_a_cure() -> None:
    lines, _ = installed("100")
    assert lines[1:-1] == [f"line {n}" for n in range(580, 600)]
    assert "status 100" in lines[-1]
    assert "try again" in lines[-1]


def test_lists_that_cannot_be_updated_do_not_keep_the_installation_from_being_tried() -> None:
    lines, log = installed("1", "0")
    assert len(lines) == 1
    assert len(log.splitlines()) == 1200
