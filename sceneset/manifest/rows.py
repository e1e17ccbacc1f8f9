"""Type the manifest's rows; each dataclass has the columns of its table, in their order."""

from dataclasses import dataclass
from typing import Literal

Status = Literal["kept", "duplicate", "rejected", "failed"]
STATUSES: tuple[Status, ...] = ("kept", "duplicate", "rejected", "failed")
Split = Literal["train", "val", "test"]
SuspectKind = Literal["label", "outlier"]
SPLITS: tuple[Split, ...] = ("train", "val", "test")


@dataclass(frozen=True, slots=True)
class ClassRow:
    """One class; the id is stable and is not the label."""

    id: int
    name: str
    slug: str
    queries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageRow:
    """One file content of raw/."""

    sha256: str
    path: str
    format: str
    width: int
    height: int
    bytes: int
    added_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SightingRow:
    """One search result at its end state."""

    engine: str
    class_id: int
    query: str
    rank: int
    result_id: str
    title: str = ""
    page_url: str = ""
    site: str = ""
    thumb_url: str = ""
    licence: str = "unknown"
    licence_url: str = ""
    creator: str = ""
    attribution: str = ""
    sha256: str | None = None
    status: Status
    reason: str = ""
    http_status: int | None = None
    attempts: int = 1
    run_id: int
    seen_at: str


@dataclass(frozen=True, slots=True)
class KeptPicture:
    """One picture of one class as curate meets it: its best sighting and its file."""

    class_id: int
    sha256: str
    path: str
    format: str
    width: int
    height: int
    bytes: int
    rank: int
    page_url: str
    site: str
    engine: str


@dataclass(frozen=True, slots=True)
class FeatureRow:
    """One measure of one file content, by kind and algorithm version."""

    sha256: str
    kind: str
    algorithm: str
    value: bytes


@dataclass(frozen=True, slots=True)
class DecisionRow:
    """One verdict on one picture of one class in one run."""

    run_id: int
    class_id: int
    sha256: str
    verdict: Literal["keep", "drop"]
    reason: str = ""
    of_sha256: str | None = None
    distance: int | None = None


@dataclass(frozen=True, slots=True)
class SplitRow:
    """Where one kept picture went in one run."""

    run_id: int
    class_id: int
    sha256: str
    group_id: str
    split: Split
    path: str


@dataclass(frozen=True, slots=True)
class SuspectRow:
    """One picture of one class worth a second look.

    `label`: the score is the probability that the label is wrong, the other class fits best;
    `outlier`: the score is the mean cosine distance to its ten nearest pictures, 0 to 2.
    """

    run_id: int
    class_id: int
    sha256: str
    kind: SuspectKind
    score: float
    other_class_id: int | None = None


@dataclass(frozen=True, slots=True)
class OverrideRow:
    """What a person decided about one picture of one class."""

    sha256: str
    class_id: int
    action: str
    new_class_id: int | None
    note: str
    at: str


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run of a stage; settings, versions and counts are JSON objects."""

    id: int
    stage: str
    settings: dict[str, object]
    versions: dict[str, object]
    started_at: str
    finished_at: str | None
    outcome: str | None
    counts: dict[str, object] | None
