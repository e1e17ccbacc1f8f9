"""Define and check the settings of `curate`, `export` and `forget`."""

from dataclasses import asdict, dataclass
from math import isclose, isfinite
from pathlib import Path
from typing import Annotated, Literal, get_args

from cyclopts import Parameter

from sceneset.dataset import DatasetSettings
from sceneset.errors import SettingsError
from sceneset.images import Encoding, Fit
from sceneset.manifest.rows import SPLITS, Split
from sceneset.workers import parse_executor

FormatName = Literal["imagefolder", "parquet", "webdataset", "tfrecord", "croissant"]
Conflicts = Literal["quarantine", "best-rank", "train-only"]
Issue = Literal[
    "dark", "light", "blurry", "low_information", "odd_aspect_ratio", "odd_size", "grayscale"
]
ISSUES: tuple[Issue, ...] = get_args(Issue)
# As cleanvision has them: scores below are an issue; a size is odd so many interquartile ranges off.
THRESHOLDS: dict[Issue, float] = {
    "dark": 0.32,
    "light": 0.05,
    "blurry": 0.29,
    "low_information": 0.3,
    "odd_aspect_ratio": 0.35,
    "odd_size": 3.0,
}
# Of 64 bits, of which random pictures share half: above this unrelated pictures match.
MAX_RADIUS = 16
MB = 1_000_000
_MOST = 100
_SPEED_ONLY = ("dataset", "executor", "keep_versions")


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class CurateSettings(DatasetSettings):
    """What counts as a duplicate, what is left out, and how the rest is published."""

    size: int = 160
    """Side of the published square pictures in px."""
    fit: Fit = "crop"
    """How a picture becomes square: the centre, the whole on grey, or stretched."""
    encoding: Encoding = "jpeg"
    """How the published pictures are stored: JPEG at quality 95 without chroma subsampling, or PNG."""
    radius: int = 8
    """Hash bits (of 64) in which two copies of one picture may differ."""
    leak_radius: int = 12
    """Hash bits within which pictures must share a split; at least --radius."""
    views: bool = True
    """Also find mirrored, turned, cropped and framed copies; --no-views compares whole ones only."""
    split: str = "0.8,0.1,0.1"
    """Shares of train, val and test; they sum to 1."""
    conflicts: Conflicts = "quarantine"
    """A picture under two classes: leave it out, keep it where it ranked best, or only train."""
    min_side: int = 32
    """Shorter side in px below which a picture is dropped."""
    drop: str = ""
    """Issues that drop a picture: dark,light,blurry,low_information,odd_aspect_ratio,odd_size,grayscale."""
    thresholds: str = ""
    """Scores below which an issue is named, such as dark=0.32,blurry=0.29; the rest stay as they are."""
    exact_hash: bool = False
    """Hash with the imagehash package on fully decoded pictures: slower, at most 2 bits different."""
    keep_versions: int = 3
    """Published versions to keep, the newest included."""
    executor: str = "local"
    """Workers: serial, local, local:N, threads:N, ray or ray://HOST:PORT."""
    seed: int = 0
    """Seed of the split; another seed or --split assigns every picture anew."""

    def __post_init__(self) -> None:
        """Check the values. Raises SettingsError."""
        _between("--size", self.size, 8, 2048)
        _between("--radius", self.radius, 0, MAX_RADIUS)
        _between("--leak-radius", self.leak_radius, 0, MAX_RADIUS)
        if self.leak_radius < self.radius:
            raise SettingsError(
                f"--radius {self.radius} is above --leak-radius {self.leak_radius}",
                cure=f"give --leak-radius {self.radius} to {MAX_RADIUS} too, or a smaller --radius",
            )
        _between("--min-side", self.min_side, 0, 10_000)
        _between("--keep-versions", self.keep_versions, 1, 1_000_000)
        parse_executor(self.executor)
        _check_shares(self.split)
        _check_issues(self.drop)
        _check_thresholds(self.thresholds)

    @property
    def limits(self) -> dict[Issue, float]:
        """Return the threshold of each quality issue that has one."""
        given = dict(word.split("=") for word in _words(self.thresholds))
        return {issue: float(given.get(issue, usual)) for issue, usual in THRESHOLDS.items()}

    @property
    def shares(self) -> dict[Split, float]:
        """Return the share of each split."""
        return dict(zip(SPLITS, map(float, self.split.split(",")), strict=True))

    @property
    def dropped_issues(self) -> tuple[Issue, ...]:
        """Return the quality issues that drop a picture, in their fixed order."""
        named = _words(self.drop)
        return tuple(issue for issue in ISSUES if issue in named)

    @property
    def shaping(self) -> dict[str, object]:
        """Return the settings that shape the result, and none that only shape the run."""
        shaping = {k: v for k, v in asdict(self).items() if k not in _SPEED_ONLY}
        return shaping | {"split": ",".join(str(share) for share in self.shares.values())}


def _words(text: str) -> set[str]:
    return {word.strip() for word in text.split(",") if word.strip()}


def _between(flag: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise SettingsError(f"{flag} is {value}", cure=f"give {flag} {least} to {most}")


def _check_shares(split: str) -> None:
    try:
        shares = [float(part) for part in split.split(",")]
    except ValueError:
        shares = []
    good = len(shares) == len(SPLITS) and all(0 <= share <= 1 for share in shares)
    if not good or not isclose(sum(shares), 1, abs_tol=1e-6) or shares[0] == 0:
        raise SettingsError(
            f"--split {split!r} is not three shares that sum to 1",
            cure="give train, val and test, train above 0, such as --split 0.8,0.1,0.1",
        )


def _check_issues(drop: str) -> None:
    unknown = sorted(_words(drop) - set(ISSUES))
    if unknown:
        raise SettingsError(
            f"--drop {unknown[0]!r} is not a quality issue", cure=f"name any of {', '.join(ISSUES)}"
        )


def _check_thresholds(text: str) -> None:
    for word in sorted(_words(text)):
        name, _, value = word.partition("=")
        try:
            good = name in THRESHOLDS and 0 <= float(value) <= _MOST
        except ValueError:
            good = False
        if not good:
            raise SettingsError(
                f"--thresholds {word!r} is not a threshold",
                cure=f"give ISSUE=NUMBER, 0 to {_MOST}, of {', '.join(THRESHOLDS)}",
            )


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ExportSettings(DatasetSettings):
    """What to export, how, and where to."""

    format: FormatName
    """What to write; each comes with a README.md that says how to read it."""
    out: Path
    """The folder to write; an earlier export that nobody changed is replaced whole."""
    version: int | None = None
    """Number of the published version; by default the current one."""
    shard_mb: float = 500
    """Pictures per file of parquet, webdataset and tfrecord, in MB."""

    def __post_init__(self) -> None:
        """Check the values. Raises SettingsError."""
        if not (self.shard_mb > 0 and isfinite(self.shard_mb)):
            raise SettingsError(f"--shard-mb is {self.shard_mb}", cure="give a number above 0")

    @property
    def shard_bytes(self) -> int:
        """Return the size of a shard in bytes."""
        return max(1, int(self.shard_mb * MB))


@Parameter(name="*")
@dataclass(frozen=True, kw_only=True)
class ForgetSettings(DatasetSettings):
    """What to forget, just one of --site, --page and --sha256, and why."""

    site: str | None = None
    """Every picture found on this host or a host below it, such as example.org."""
    page: str | None = None
    """Every picture found on the page with this address, however it is spelt; an adopted picture by
    its file's address, or its path as manifest.csv has it."""
    sha256: str | None = None
    """The picture with this SHA-256."""
    reason: str = ""
    """Why; stands in the manifest's tombstones."""
    models: Path = Path("models")
    """Where to look for bundles trained on the pictures, besides those that train recorded."""
    in_advance: Annotated[bool, Parameter(negative="")] = False
    """Refuse it from now on also when the data set holds nothing of it yet."""
    dry_run: Annotated[bool, Parameter(negative="")] = False
    """Only list what would go."""
