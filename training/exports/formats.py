"""Say of each export whether it was written, its proof, or why it is missing."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from decimal import ROUND_CEILING, Context
from pathlib import Path
from time import perf_counter
from typing import Any

from training.exports.proof import Gate, Parity
from training.exports.saved_model import PIXELS
from training.settings import EXPLAIN_FILE, FILES, HEAD_FILE


@dataclass(eq=False)
class Export:
    """One export: a file or folder of the bundle, how it was proved; or why it was left out.

    `sha256` is a file's; the files of a folder have theirs in bundle.json.
    """

    name: str
    kind: str
    seconds: float = 0.0
    bytes: int = 0
    sha256: str = ""
    parity: dict[str, Parity] = field(default_factory=dict)
    gate: Gate | None = None
    left_out: str = ""

    def as_json(self) -> dict[str, object]:
        """Return what bundle.json and metrics.json say of it."""
        said: dict[str, object] = {"kind": self.kind}
        said |= {"seconds": round(self.seconds, 2)} if self.seconds else {}
        said |= {"left_out": self.left_out} if self.left_out else {"bytes": self.bytes}
        said |= {"sha256": self.sha256} if self.sha256 else {}
        if self.parity:
            said["parity"] = {name: asdict(one) for name, one in self.parity.items()}
        if self.gate is not None:
            said["gate"] = {**asdict(self.gate), "passed": self.gate.passed}
        return said


@contextmanager
def timed(export: Export) -> Iterator[None]:
    """Add the block's seconds to an export's."""
    start = perf_counter()
    try:
        yield
    finally:
        export.seconds += perf_counter() - start


def size_of(path: Path) -> int:
    """Return the bytes of a file, or of every file below a folder."""
    if path.is_file():
        return path.stat().st_size
    return sum(one.stat().st_size for one in path.rglob("*") if one.is_file())


_PICTURES = {"train": "training", "val": "validation", "test": "test"}
_DIGITS = 12


@dataclass(frozen=True)
class Listed:
    """One export as it is told; `left_out` says why there is none, and the rest is then empty."""

    name: str
    size: str = ""
    sha256: str = ""
    proof: str = ""
    left_out: str = ""


def listed(exports: Mapping[str, Mapping[str, Any]], asked: Sequence[str]) -> list[Listed]:
    """Return every export of metrics.json, then the kinds that were not asked for."""
    told = [_told(name, one) for name, one in exports.items()]
    others = [kind for kind in FILES if kind not in asked and FILES[kind] not in exports]
    return told + [
        Listed(FILES[kind], left_out=f"not asked for (--export {kind})") for kind in others
    ]


def _told(name: str, one: Mapping[str, Any]) -> Listed:
    if "left_out" in one:
        return Listed(name, left_out=str(one["left_out"]))
    digest = str(one.get("sha256", ""))[:_DIGITS]
    return Listed(name, size_told(int(one["bytes"])), digest, _proof(name, one))


def _proof(name: str, one: Mapping[str, Any]) -> str:
    if name == FILES["keras"]:
        return "measured itself; the others are compared with it"
    if name == HEAD_FILE:
        return f"proved with {EXPLAIN_FILE}"
    parts = [_compared(how, found) for how, found in one.get("parity", {}).items()]
    gate = one.get("gate")
    if gate:
        parts.append(
            f"top-1 {100 * gate['top1']:.1f} % where the model has {100 * gate['float_top1']:.1f} %"
            f" (judged on {_PICTURES[gate['split']]} pictures)"
        )
    return "; ".join(parts) or "not compared"


def _compared(how: str, found: Mapping[str, Any]) -> str:
    by = {PIXELS: "", "judged": "", HEAD_FILE: f"with {HEAD_FILE}: "}.get(how, f"{how}: ")
    other, largest = found["other_top1"], found["largest"]
    apart = f"at most {rounded_up(largest):.1g} apart" if largest else "equal"
    top1 = f"another top-1 on {other}" if other else "top-1 equal"
    return f"{by}probabilities {apart} on {found['pictures']} pictures, {top1}"


def rounded_up(value: float) -> float:
    """Return the next number of one digit that is not smaller: what differs at most, never less."""
    return float(Context(prec=1, rounding=ROUND_CEILING).create_decimal(repr(float(value))))


def size_told(count: int) -> str:
    """Write a number of bytes as kB or MB, thousands of them."""
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} kB"  # noqa: PLR2004  a MB
