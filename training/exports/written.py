"""Record what was exported: each file with its size, seconds and proof, or why it is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter

from training.exports.parity import Gate, Parity


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
