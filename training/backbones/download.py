"""Download a file of weights: known within 5 s whether it can be had, checked, never half there."""

import hashlib
import os
import threading
import urllib.error
import urllib.request
from http.client import HTTPException
from pathlib import Path

from pipeline.durable import write_file

REACH_SECONDS = 5.0
STALL_SECONDS = 30.0
_MD5_DIGITS = 32


def keras_home() -> Path:
    """Return the folder in which Keras keeps what it downloads."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras")


def is_intact(path: Path, digest: str | None) -> bool:
    """Say whether the file is there and is the one that was published."""
    return path.is_file() and (digest is None or has_digest(path.read_bytes(), digest))


def has_digest(data: bytes, digest: str) -> bool:
    """Say whether bytes have an MD5 or SHA-256, told apart by its length."""
    # Keras publishes MD5 of its older files; against accidents it will do.
    algorithm = "md5" if len(digest) == _MD5_DIGITS else "sha256"
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest() == digest


def unreachable(address: str, *, seconds: float = REACH_SECONDS) -> str | None:
    """Ask for an address without its content; return why it cannot be had, or None."""
    answer: list[str | None] = [f"no answer from the download address within {seconds:.0f} s"]

    def ask() -> None:
        answer[0] = _refusal(address, seconds)

    # Name resolution knows no timeout, so the question runs beside us.
    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    asking.join(seconds)
    return answer[0]


def download(address: str, path: Path, digest: str | None) -> str | None:
    """Download a file whole into its place; return why it failed, or None.

    Raises OSError when the place cannot be written.
    """
    try:
        with urllib.request.urlopen(address, timeout=STALL_SECONDS) as answer:  # noqa: S310  our own https address
            data = answer.read()
            promised = answer.headers.get("Content-Length")
    except (OSError, ValueError, HTTPException) as error:
        return _why(error)
    if promised is not None and len(data) != int(promised):
        return f"{len(data)} of {promised} bytes came"
    if digest is not None and not has_digest(data, digest):
        return "what came is not the published file: its checksum differs"
    write_file(path, data)
    return None


def _refusal(address: str, seconds: float) -> str | None:
    try:
        request = urllib.request.Request(address, method="HEAD")  # noqa: S310  the same
        with urllib.request.urlopen(request, timeout=seconds):  # noqa: S310
            return None
    except (OSError, ValueError, HTTPException) as error:
        return _why(error)


def _why(error: Exception) -> str:
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    return " ".join(str(reason).split()) or type(error).__name__
