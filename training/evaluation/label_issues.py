"""Rank labels worth a second look, by out-of-fold predictions on embeddings; drop nothing."""

import warnings
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from sceneset.manifest.rows import SuspectKind, SuspectRow
from sceneset.manifest.store import Manifest
from training.data.version import Example, groups_of, labels_of

FOLDS = 5
DIRECTIONS = 256
VOTERS = 15
NEIGHBOURS = 10
FEWEST = FOLDS
# The sum of two opinions has to speak against a label by this much.
MARGIN = -0.4
IQR_FACTOR = 3.0
_STRENGTH, _TOLERANCE = 1e-3, 1e-2
_BLOCK = 512

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Opinion:
    """What embeddings say of each picture without having seen its label or its leak group.

    probabilities float64[N, classes]: mean of the neighbours' votes and of a logistic regression;
    distance float64[N]: mean cosine distance to the ten nearest, 0 to 2; judged bool[N]: the class
    has enough pictures to judge by.
    """

    probabilities: NDArray[np.float64]
    distance: NDArray[np.float64]
    judged: NDArray[np.bool_]


class RankedIssue(NamedTuple):
    """One picture (its row) worth a look.

    A label: `score` is the probability that the label is wrong, `other` the class that fits best.
    An outlier: `score` is the mean cosine distance to its neighbours, `other` is None.
    """

    row: int
    kind: SuspectKind
    score: float
    other: int | None


def judge_labels(embeddings: Floats, labels: Ints, groups: Ints, classes: int) -> Opinion:
    """Judge every picture by the pictures of other leak groups.

    embeddings float32[N, D], labels int[N], groups int[N] numbered from 0. The embeddings are
    standardised and turned into their 256 strongest directions, which loses nothing measurable and
    makes 15,000 pictures a matter of seconds.
    """
    groups_by_label = np.unique(np.stack([labels, groups]), axis=1)
    judged = np.bincount(groups_by_label[0], minlength=classes)[labels] >= FEWEST
    rows = strongest_directions(np.asarray(embeddings, np.float32))
    votes, distance = neighbour_votes(rows, labels, groups, classes)
    folds = fold_of(labels, groups)
    regression = regression_probabilities(rows, labels, folds, classes)
    return Opinion((votes + regression) / 2, distance, judged)


def rank_issues(opinion: Opinion, labels: Ints) -> list[RankedIssue]:
    """Return wrong labels, the likeliest first, then outliers, the farthest first."""
    rows = np.arange(len(labels))
    of_label = opinion.probabilities[rows, labels]
    others = opinion.probabilities.copy()
    others[rows, labels] = -1
    best = others.argmax(axis=1)
    is_wrong = opinion.judged & (of_label - others.max(axis=1, initial=-1) < MARGIN)
    wrong = [
        RankedIssue(int(row), "label", float(1 - of_label[row]), int(best[row]))
        for row in np.flatnonzero(is_wrong)
    ]
    far = [
        RankedIssue(int(row), "outlier", float(opinion.distance[row]), None)
        for row in far_rows(opinion.distance)
    ]
    return [*sorted(wrong, key=lambda s: (-s.score, s.row)), *far]


def far_rows(distance: NDArray[np.float64]) -> list[int]:
    """Return rows more than three interquartile ranges above the upper quartile, farthest first."""
    if len(distance) <= NEIGHBOURS:
        return []
    q1, q3 = np.percentile(distance, [25, 75])
    far = np.flatnonzero(distance > q3 + IQR_FACTOR * (q3 - q1))
    return [int(row) for row in sorted(far, key=lambda row: (-distance[row], row))]


def strongest_directions(embeddings: Floats) -> Floats:
    """Return float32[N, 256 or fewer]: standardised values along their strongest directions."""
    from sklearn.utils.extmath import randomized_svd  # noqa: PLC0415  imported where it runs: it takes a second

    rows = embeddings - embeddings.mean(axis=0)
    rows /= rows.std(axis=0) + 1e-3
    many = min(DIRECTIONS, *rows.shape)
    left, strength, _ = randomized_svd(rows, many, n_iter=2, random_state=0)
    return np.asarray(left * strength, np.float32)


def neighbour_votes(
    rows: Floats, labels: Ints, groups: Ints, classes: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the shares of the 15 nearest pictures' labels and the mean distance to the first 10.

    float64[N, classes] and float64[N]; cosine, each vote weighing its similarity. Pictures of the
    same leak group do not vote.
    """
    unit = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    count = max(1, min(VOTERS, len(rows) - 1))
    shares, distance = np.zeros((len(rows), classes)), np.zeros(len(rows))
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        near = unit[part] @ unit.T
        near[groups[part, None] == groups[None, :]] = -1
        chosen = np.argpartition(-near, count - 1, axis=1)[:, :count]
        alike = np.take_along_axis(near, chosen, axis=1)
        votes = np.zeros((len(near), classes))
        np.add.at(votes, (np.arange(len(near))[:, None], labels[chosen]), np.maximum(alike, 1e-6))
        shares[part] = votes / votes.sum(axis=1, keepdims=True)
        distance[part] = 1 - -np.sort(-alike, axis=1)[:, :NEIGHBOURS].mean(axis=1)
    return shares, distance


def fold_of(labels: Ints, groups: Ints) -> Ints:
    """Return the fold of each picture, 0 to 4: groups stay whole, classes are spread evenly."""
    rng = np.random.default_rng(0)
    _, first = np.unique(groups, return_index=True)
    seen: dict[int, int] = defaultdict(int)
    folds = np.zeros(int(groups.max(initial=0)) + 1, np.int64)
    for row in rng.permutation(first):
        label = int(labels[row])
        folds[groups[row]] = (seen[label] + label) % FOLDS
        seen[label] += 1
    return folds[groups]


def regression_probabilities(
    rows: Floats, labels: Ints, folds: Ints, classes: int
) -> NDArray[np.float64]:
    """Return float64[N, classes] by logistic regressions that never saw the picture's fold."""
    from sklearn.linear_model import LogisticRegression  # noqa: PLC0415

    probabilities = np.full((len(rows), classes), 1 / classes)
    # A regression cut short is good enough for an opinion.
    with warnings.catch_warnings(action="ignore"):
        for fold in range(FOLDS):
            out = folds == fold
            if not out.any() or len(np.unique(labels[~out])) < 2:  # noqa: PLR2004  two to choose of
                continue
            model = LogisticRegression(C=_STRENGTH, tol=_TOLERANCE)
            model.fit(rows[~out], labels[~out])
            probabilities[out] = 0
            probabilities[np.ix_(out, model.classes_)] = model.predict_proba(rows[out])
    return probabilities


@dataclass(frozen=True)
class LabelIssue:
    """One picture worth a look: its file, SHA-256, class, why, how much, and what fits better."""

    path: Path
    sha256: str
    class_name: str
    kind: SuspectKind
    score: float
    other: str | None

    def as_json(self) -> dict[str, object]:
        """Return what metrics.json holds of it, without the file."""
        return {key: value for key, value in vars(self).items() if key != "path"}


def find_label_issues(
    examples: Sequence[Example], embeddings: Floats, class_names: Sequence[str]
) -> list[LabelIssue]:
    """Judge examples by their embeddings float32[N, D]: wrong labels first, then outliers."""
    labels = labels_of(examples)
    opinion = judge_labels(embeddings, labels, groups_of(examples), len(class_names))
    return [
        LabelIssue(
            path=examples[one.row].path,
            sha256=examples[one.row].sha256,
            class_name=class_names[labels[one.row]],
            kind=one.kind,
            score=round(one.score, 4),
            other=None if one.other is None else class_names[one.other],
        )
        for one in rank_issues(opinion, labels)
    ]


def format_label_issues(issues: Sequence[LabelIssue], note: str = "") -> list[str]:
    """Return the lines for the terminal, or none; `note` says what they are to be taken with."""
    if not (issues or note):
        return []
    labels = sum(one.kind == "label" for one in issues)
    outliers = len(issues) - labels
    line = f"worth a second look: {labels} labels, {outliers} outliers (see the report)"
    return [line, *([f"of these: {note}"] if note else [])]


def store_label_issues(manifest_path: Path, run_id: int, issues: Sequence[LabelIssue]) -> None:
    """Replace what is up for review in the manifest; pictures it no longer holds are left out."""
    with Manifest(manifest_path) as manifest:
        ids = {row.name: row.id for row in manifest.classes()}
        manifest.replace_suspects(
            [
                SuspectRow(
                    run_id,
                    ids[one.class_name],
                    one.sha256,
                    one.kind,
                    one.score,
                    ids.get(one.other or ""),
                )
                for one in issues
                if one.class_name in ids
            ]
        )
