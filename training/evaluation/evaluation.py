"""Say what answers are worth: calibration before and after, intervals, tags, speed."""

from dataclasses import dataclass

from sceneset.bundle.tag_rule import TagRule
from training.evaluation.calibration import Temperature, without_temperature
from training.evaluation.metrics import (
    Interval,
    ReliabilityBin,
    calibration_error,
    intervals,
    reliability,
)
from training.evaluation.predict import Answers
from training.evaluation.tags import TagOutcome, tag_outcome


@dataclass(frozen=True)
class Calibration:
    """The temperature, and on the measured pictures the ECE and the bins without and with it.

    `fit` says how the temperature was chosen; it is None for a bundle that does not say.
    """

    temperature: float
    ece_before: float | None
    ece_after: float | None
    before: list[ReliabilityBin]
    after: list[ReliabilityBin]
    fit: Temperature | None


@dataclass(frozen=True)
class Evaluation:
    """What is measured in addition to the metrics.

    `intervals` are 95 % bootstrap intervals by figure; `pictures_per_second` counts from files to
    answers, in batches of 32.
    """

    intervals: dict[str, Interval | None]
    calibration: Calibration
    tags: TagOutcome
    pictures_per_second: float | None


def evaluate_answers(
    answers: Answers,
    temperature: float,
    rule: TagRule,
    *,
    seed: int = 0,
    fit: Temperature | None = None,
) -> Evaluation:
    """Measure answers of a model whose temperature is already in its probabilities.

    `fit` says how that temperature was chosen.
    """
    probabilities, labels = answers.probabilities, answers.labels
    before = without_temperature(probabilities, temperature) if len(labels) else probabilities
    some = len(labels) > 0
    return Evaluation(
        intervals=intervals(probabilities, labels, answers.groups, seed=seed),
        calibration=Calibration(
            temperature,
            ece_before=calibration_error(before, labels) if some else None,
            ece_after=calibration_error(probabilities, labels) if some else None,
            before=reliability(before, labels) if some else [],
            after=reliability(probabilities, labels) if some else [],
            fit=fit,
        ),
        tags=tag_outcome(probabilities, labels, rule),
        pictures_per_second=round(len(labels) / answers.seconds, 1)
        if some and answers.seconds > 0
        else None,
    )


def format_evaluation(evaluation: Evaluation, top1: float | None) -> list[str]:
    """Return the lines for the terminal: interval, calibration, tags, speed."""
    if top1 is None:
        return []
    lines, between = [], evaluation.intervals["top1"]
    if between is not None:
        lines.append(f"top-1 lies in {100 * between.low:.1f} to {100 * between.high:.1f} % (95 %)")
    how = evaluation.calibration
    if how.ece_before is not None and how.ece_after is not None:
        note = f"; {how.fit.why}" if how.fit and how.fit.why else ""
        lines.append(
            f"ECE {how.ece_before:.3f} before, {how.ece_after:.3f} with"
            f" T = {how.temperature:.2f}{note}"
        )
    lines.append(_format_tags(evaluation.tags))
    if evaluation.pictures_per_second is not None:
        lines.append(f"{evaluation.pictures_per_second:.0f} pictures a second")
    return lines


def _format_tags(tags: TagOutcome) -> str:
    kinds = (("one tag", tags.one), ("two tags", tags.two), ("Unknown", tags.unknown))
    parts = [
        f"{name} {100 * (kind.share or 0):.1f} %"
        + (f" (right {100 * kind.right:.1f} %)" if kind.right is not None else "")
        for name, kind in kinds
    ]
    rule = f"above {tags.rule.alone:.3g} alone, {tags.rule.together:.3g} together"
    return f"tags, {rule}: {', '.join(parts)}"
