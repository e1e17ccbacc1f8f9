"""Say what is installed and what is missing, and install a browser on request."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from sceneset.errors import EXTRAS, BrowserMissingError
from sceneset.progress import Outcome, Output
from scraper.browser.chromedriver import (
    DriverChoice,
    choose,
    fetchers,
    is_debian_root,
    read_version,
)
from scraper.settings import DoctorSettings

DEBIAN_PACKAGES = ("chromium", "chromium-driver")
APT_COMMANDS = (
    ("/usr/bin/apt-get", "update", "-qq"),
    ("/usr/bin/apt-get", "install", "-y", "-qq", *DEBIAN_PACKAGES),
)
LOG_LINES = 20
_DISTRIBUTIONS = {
    "webdriver_manager": "webdriver-manager",
    "imagehash": "ImageHash",
    "keras_hub": "keras-hub",
    "sklearn": "scikit-learn",
    "ai_edge_litert": "ai-edge-litert",
}


_DEFAULTS = DoctorSettings()


def doctor(*, settings: DoctorSettings = _DEFAULTS, output: Output = Output()) -> Outcome:
    """Say what is installed and what is missing; exit 2 when no browser fits."""
    packages = {module: _version(module) for module in EXTRAS}
    browser, trouble = _browser(output, may_install=settings.install_browser)
    lines = [f"Python {sys.version.split()[0]}"]
    lines += [
        f"{module} {version}"
        if version
        else f"{module} missing: pip install -e '.[{EXTRAS[module]}]'"
        for module, version in packages.items()
    ]
    if browser is not None:
        lines.append(f"browser: {_describe(browser)}")
    summary = {
        "python": sys.version.split()[0],
        "packages": packages,
        "browser": _describe(browser) if browser else None,
    }
    if trouble is None:
        return Outcome(summary, tuple(lines))
    return Outcome(
        summary, tuple(lines), trouble.exit_code, problem=trouble.problem, cure=trouble.cure
    )


def _browser(
    output: Output, *, may_install: bool
) -> tuple[DriverChoice | None, BrowserMissingError | None]:
    try:
        return choose(None, os.environ, shutil.which), None
    except BrowserMissingError:
        if may_install and is_debian_root():
            install(output.say)
    try:
        return choose(
            None, os.environ, shutil.which, fetchers=fetchers if may_install else tuple
        ), None
    except BrowserMissingError as error:
        return None, error


def install(say: Callable[[str], None], commands: Sequence[Sequence[str]] = APT_COMMANDS) -> None:
    """Install a browser by commands whose output goes to a log file.

    When the last of them fails, `say` gets the end of the log and the cure.
    """
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    status = 0
    with tempfile.NamedTemporaryFile(
        prefix="sceneset-install-", suffix=".log", delete=False
    ) as log:
        say(f"installing {' and '.join(DEBIAN_PACKAGES)}; the log is {log.name}")
        for command in commands:
            status = subprocess.run(  # noqa: S603  fixed words
                command, env=environment, stdout=log, stderr=subprocess.STDOUT, check=False
            ).returncode
    if status:
        lines = Path(log.name).read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines[-LOG_LINES:]:
            say(line)
        say(
            f"the installation failed with status {status}; mend what its log names, then try again"
        )


def _describe(choice: DriverChoice) -> str:
    browser = read_version(choice.browser).strip() if choice.browser else "its own browser"
    return f"{browser or choice.browser} with {choice.driver} ({choice.how})"


def _version(module: str) -> str | None:
    try:
        return metadata.version(_DISTRIBUTIONS.get(module, module))
    except metadata.PackageNotFoundError:
        return None
