"""Compare the servers that `serve.py` asked, and say which goals are reached."""

from typing import Any

NAIVE = {"small_1": 15.0, "large_8": 10.0, "small_16": 12.0}
BUSY, BUSY_TIMES, LEAST_TIMES = "small_16", 1.5, 1.0
MODEL_SERVERS = ("litserve", "bentoml")
Round = dict[str, float]
Figures = dict[str, Any]


def better(before: Round | None, found: Round) -> Round:
    """Return the round with the most answers, the failures of all, and the worst round's p99."""
    earlier = [] if before is None else [before]
    best = max([found, *earlier], key=lambda one: one["per_second"])
    worst = [one.get("p99_worst_ms", one["p99_ms"]) for one in (found, *earlier)]
    failed = sum(one["failed"] for one in (found, *earlier))
    return best | {"p99_worst_ms": max(worst), "failed": failed}


def compared(figures: Figures, loads: list[str]) -> Figures:
    """Return the ratios by server and load, and which goals are reached.

    `times_faster` is how many times as many requests a second ours answers; `p99_share` is our p99
    over the other's, both of their best rounds.
    """
    others = [name for name in figures if name != "ours"]
    return {
        "times_faster": _ratios(figures, loads, others, _faster),
        "p99_share": _ratios(figures, loads, others, _p99),
        "goals": _naive(figures) | _model_servers(figures, loads),
    }


def _ratios(figures: Figures, loads: list[str], others: list[str], how: Any) -> Figures:  # noqa: ANN401  _faster or _p99
    ours = figures["ours"]
    return {
        name: {load: round(how(ours[load], figures[name][load]), 2) for load in loads}
        for name in others
    }


def _faster(ours: Round, other: Round) -> float:
    return ours["per_second"] / max(other["per_second"], 0.01)


def _p99(ours: Round, other: Round) -> float:
    return ours["p99_ms"] / other["p99_ms"]


def _goal(asked: str, seen: float, *, reached: bool) -> Figures:
    return {"asked": asked, "seen": round(seen, 3), "reached": reached}


def _naive(figures: Figures) -> Figures:
    if "naive" not in figures:
        return {}
    goals = {}
    for load, least in NAIVE.items():
        seen = _faster(figures["ours"][load], figures["naive"][load])
        goals[f"naive {load}"] = _goal(f"at least {least:g} times", seen, reached=seen >= least)
    return goals


def _model_servers(figures: Figures, loads: list[str]) -> Figures:
    """Judge ours against the one of both that answers a load faster, and against its p99."""
    rivals = [figures[name] for name in MODEL_SERVERS if name in figures]
    goals: Figures = {}
    for load in loads if len(rivals) == len(MODEL_SERVERS) else []:
        ours, rival = figures["ours"][load], max((r[load] for r in rivals), key=_per_second)
        least = BUSY_TIMES if load == BUSY else LEAST_TIMES
        times, share = _faster(ours, rival), _p99(ours, rival)
        asked = f"at least {least:g} times"
        goals[f"better peer {load}"] = _goal(asked, times, reached=times >= least)
        goals[f"better peer {load} p99"] = _goal("at most 1 time", share, reached=share <= 1)
    return goals


def _per_second(found: Round) -> float:
    return found["per_second"]
