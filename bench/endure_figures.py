"""Note what the clients of `endure.py` were answered, and judge it with the process' samples.

Memory is in MB of a million bytes. A leak is judged twice, and one that is slower than both limits is
not seen: by the slope of the low points, where 1 MB a minute passes, which is 10 MB in ten minutes
and 1.4 GB in a day; and by the smallest of the last quarter above that of the second quarter, where
10 MB pass. A run of less than some five minutes is too short for the slope and may fail by noise.
"""

import http.client
import math
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from process_figures import Sampled, lows, slope

LOW_S = 12.0
SOUND = {"1", "2"}
# Every figure may be as much as this.
LIMITS = {
    "failed": 0,
    "hung_clients": 0,
    "mixed": 0,
    "broken_answers": 0,
    "growth_mb_per_minute": 1.0,
    "growth_mb": 10.0,
    "more_descriptors": 4,
    "more_threads": 4,
}
# And these must be at least as much.
FLOORS = {"versions_seen": len(SOUND), "reloads_done": 2, "reloads_refused": 1}
_MARK = " of version "
_MARKED = re.compile(rf"{_MARK}(\d+)".encode())


def marked(name: str, version: str) -> str:
    """Return a class name that says which version answers."""
    return f"{name}{_MARK}{version}"


@dataclass
class Seen:
    """What the clients got: answers by route, failures in words, and the answers' bodies."""

    answers: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    bodies: dict[str, set[bytes]] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, path: str, asked: bytes, status: int, body: bytes) -> None:
        """Keep what an answer says; a status of 0 means that none came."""
        with self.lock:
            if status == http.client.OK:
                self.answers[path] += 1
                self.bodies.setdefault(f"{path} {len(asked)}", set()).add(body)
            else:
                self.failures.append(f"{path}: {status} {body[:200]!r}")


def figures(seen: Seen, samples: list[Sampled], warm_s: float) -> dict[str, Any]:
    """Return what the samples and answers say.

    Mixed are answers of neither version alone, broken ones those of a version to be refused.
    """
    named = [_versions(body) for bodies in seen.bodies.values() for body in bodies]
    beyond = sum(max(0, len(bodies) - len(SOUND)) for bodies in seen.bodies.values())
    return {
        "requests": sum(seen.answers.values()),
        "by_route": dict(seen.answers),
        "failed": len(seen.failures),
        "first_failures": seen.failures[:5],
        "versions_seen": len(SOUND & set[str]().union(*named)),
        "mixed": max(beyond, sum(len(versions) > 1 for versions in named)),
        "broken_answers": sum(bool(versions - SOUND) for versions in named),
    } | _grown([one for one in samples if one.resident_mb], warm_s)


def _versions(body: bytes) -> set[str]:
    return {found.decode() for found in _MARKED.findall(body)}


def _grown(samples: list[Sampled], warm_s: float) -> dict[str, Any]:
    """Return how the process grew; without samples there is nothing to judge."""
    warm = [one for one in samples if one.seconds >= warm_s]
    if not warm:
        return {}
    return {
        "resident_mb": [warm[0].resident_mb, warm[-1].resident_mb],
        "most_resident_mb": max(one.resident_mb for one in warm),
        "growth_mb_per_minute": slope(lows(warm, LOW_S)),
        "growth_mb": round(_more(samples, lambda one: one.resident_mb), 1),
        "more_descriptors": _more(samples, lambda one: one.descriptors),
        "more_threads": _more(samples, lambda one: one.threads),
        "descriptors": [warm[0].descriptors, warm[-1].descriptors],
        "threads": [warm[0].threads, warm[-1].threads],
    }


def _more(samples: list[Sampled], read: Callable[[Sampled], float]) -> float:
    """Return how far the smallest of the last quarter is above that of the second quarter."""
    end = samples[-1].seconds
    second = [read(one) for one in samples if end / 4 <= one.seconds <= end / 2]
    last = [read(one) for one in samples if one.seconds >= 3 * end / 4]
    return min(last) - min(second or last)


def over(found: dict[str, Any]) -> list[str]:
    """Return the figures that are not as they must be; one that is missing is not."""
    wrong = [name for name, most in LIMITS.items() if found.get(name, math.inf) > most]
    wrong += [name for name, least in FLOORS.items() if found.get(name, 0) < least]
    return wrong + ["exit_code"] * (found["exit_code"] != 0)
