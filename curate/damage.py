"""Find raw pictures whose file is gone or no longer what was stored, before they are used."""

import hashlib
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Literal

from pipeline.workers import map_items

Damage = Literal["missing", "unreadable", "altered"]
# Reading and hashing give up the interpreter's lock.
_EXECUTOR = "threads:2"


def find_damage(files: Mapping[str, Path]) -> dict[str, Damage]:
    """Return SHA-256 -> what is wrong with the file, for those with something wrong."""
    look = partial(_damage_of, files)
    results = map_items(look, sorted(files), _EXECUTOR)
    return {result.item: result.value for result in results if result.value is not None}


def _damage_of(files: Mapping[str, Path], sha256: str) -> Damage | None:
    try:
        data = files[sha256].read_bytes()
    except FileNotFoundError:
        return "missing"
    except OSError:
        return "unreadable"
    return None if hashlib.sha256(data).hexdigest() == sha256 else "altered"
