"""Judge what `fuzz.py` saw: what failed, and whether as much was tried as there is."""

from typing import Any

ROWS = 42
LEAST_BODIES = 10_000
LIMIT_MB = 50
RANDOM = ("bodies", "guarded_bodies")
DESCRIBED = ("schemathesis", "guarded_schemathesis")
Told = dict[str, Any]


def judged(told: Told) -> Told:
    """Return the figures with the rows that pass, what is wrong, and the verdict."""
    bad = {one["row"] for one in told["rows"] if not one["passed"]}
    good = {one["row"] for one in told["rows"]} - bad
    sums = {
        "rows_passed": f"{len(good)} of {ROWS}",
        "bodies_in_all": sum(told[name]["bodies"] for name in RANDOM + DESCRIBED),
    }
    holds = {
        "rows": good == set(range(1, ROWS + 1)),
        "bodies_in_all": sums["bodies_in_all"] >= LEAST_BODIES,
        "tracebacks": not told["tracebacks"],
        "growth_mb": max(told["growth_mb"].values()) < LIMIT_MB,
    }
    holds |= {f"{name} failures": not told[name]["failures"] for name in RANDOM + DESCRIBED}
    holds |= {f"{name} incomplete": _complete(told[name]) for name in DESCRIBED}
    wrong = [name for name, held in holds.items() if not held]
    return told | sums | {"wrong": wrong, "passed": not wrong}


def _complete(described: Told) -> bool:
    """Say whether schemathesis ended well and tried every operation of the document."""
    tried: int = described["operations"]
    there: int = described["operations_in_all"]
    return bool(described["exit_code"] == 0) and 0 < tried == there
