"""Choose tags for a picture from its probabilities, by the thresholds that its model's bundle states."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

UNKNOWN = "Unknown"


@dataclass(frozen=True)
class TagRule:
    """One tag when the top class is above `alone`; else two when they sum above `together`.

    The defaults are the published rule; `fitted` says that the thresholds were fitted on validation
    pictures. At a threshold of 1 that kind of answer is never given.
    """

    alone: float = 0.9
    together: float = 0.5
    fitted: bool = False

    def labels(self, probabilities: Sequence[float]) -> list[int]:
        """Return the labels of the tags, the most probable first; none for `Unknown`.

        The probabilities are a list: NumPy would give up the interpreter's lock for each call.
        """
        best = max(probabilities)
        first = probabilities.index(best)
        if best > self.alone:
            return [first]
        others = [*probabilities[:first], *probabilities[first + 1 :]]
        next_best = max(others, default=-1.0)
        if others and best + next_best > self.together:  # false where they are NaN
            second = others.index(next_best)
            return [first, second + (second >= first)]
        return []

    def tags(self, probabilities: Sequence[float], names: Sequence[str]) -> list[str]:
        """Return one or two capitalised class names, the most probable first, or `Unknown`."""
        return [names[label].capitalize() for label in self.labels(probabilities)] or [UNKNOWN]

    def as_json(self) -> dict[str, object]:
        """Return what a bundle's record holds of it."""
        return asdict(self)


def read_tag_rule(record: Any) -> TagRule:  # noqa: ANN401  parsed JSON
    """Return the rule of a bundle's record; of None the published one.

    Raises ValueError or TypeError when it is none.
    """
    if record is None:
        return TagRule()
    rule = TagRule(float(record["alone"]), float(record["together"]), bool(record.get("fitted")))
    if not (0 <= rule.alone <= 1 and 0 <= rule.together <= 2):  # noqa: PLR2004  a sum of two shares
        raise ValueError(f"tag rule {record}")
    return rule
