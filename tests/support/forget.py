"""Make a data set that has something of everything that forget must find."""

import json
import shutil
from pathlib import Path

import pytest

from curate.commands.forget import forget
from curate.settings import ForgetSettings
from sceneset.checksums import altered_files
from sceneset.class_list import SceneClass
from sceneset.dataset import Dataset, DatasetSettings, create_dataset
from sceneset.manifest.rows import SightingRow
from sceneset.manifest.store import Manifest
from sceneset.progress import Outcome, Output
from sceneset.versions.published import numbers, read_record
from sceneset.versions.verify import verify
from support.curate import keep_picture, recoded, run, sha
from support.curate_exports import exported
from support.drawing import draw_jpeg

PICTURES = {name: [draw_jpeg(100 * k + n) for n in range(8)] for k, name in enumerate("AB")}
WANTED, COPY = PICTURES["A"][0], recoded(PICTURES["A"][0])
GONE = sha(WANTED)
SITE = "pictures.example.org"
PAGE = f"https://{SITE}/a/0"


def fill(root: Path) -> Path:
    """Make a data set with two versions, a copy in quarantine, caches, an export, bundles."""
    dataset = create_dataset(root / "set")
    with Manifest(dataset.manifest_path) as manifest:
        ids = manifest.adopt_classes(SceneClass(name, (name,)) for name in "AB")
        run_id = manifest.start_run("scrape", {}, {})
        for name, files in PICTURES.items():
            for n, data in enumerate([*files, *([COPY] if name == "A" else [])]):
                row = _sighting(ids[name], name, n, data, run_id=run_id)
                keep_picture(dataset, manifest, data, row)
        again = _sighting(ids["A"], "A", 50, WANTED, run_id=run_id, site="other.example")
        manifest.insert([again])
        failed = _sighting(ids["A"], "A", 51, b"", run_id=run_id, status="failed", sha256=None)
        manifest.insert([failed])
    run(dataset, size=32)
    run(dataset, size=48)
    (dataset.root / "cache" / "embeddings" / "x").mkdir(parents=True)
    (dataset.root / "cache" / "embeddings" / "x" / "embeddings.npy").write_bytes(b"1")
    exported(dataset, "webdataset", root / "exported")
    for number, trained_on in enumerate([version_of(dataset, 2), "another"], start=1):
        bundle = root / "models" / "m" / str(number)
        bundle.mkdir(parents=True)
        (bundle / "bundle.json").write_text(json.dumps({"dataset_version": trained_on}))
    return root


def _sighting(  # a result of class A stands on PAGE's site, one of class B elsewhere
    class_id: int,
    name: str,
    n: int,
    data: bytes,
    *,
    run_id: int,
    site: str = "",
    status: str | None = None,
    sha256: str | None = "",
) -> SightingRow:
    site = site or (SITE if (name == "A" and n == 0) or n == 51 else f"b{n}.example")
    return SightingRow(
        engine="google", class_id=class_id, query=name, rank=n, result_id=f"{name}{n}",
        title=f"secret title {n}", page_url=f"https://{site}/{name.lower()}/{n}", site=site,
        sha256=sha(data) if sha256 == "" else sha256,
        status=status or ("duplicate" if n == 50 else "kept"),  # type: ignore[arg-type]
        reason="http_error" if status == "failed" else "", run_id=run_id, seen_at="2026-01-01",
    )  # fmt: skip


def version_of(dataset: Dataset, number: int) -> str:
    return str((read_record(dataset.versions / str(number)) or {})["version"])


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return fill(tmp_path_factory.mktemp("forget"))


@pytest.fixture
def place(whole: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(whole, tmp_path / "place", symlinks=True))


@pytest.fixture
def dataset(place: Path) -> Dataset:
    return Dataset(place / "set")


def forgotten(dataset: Dataset, **options: object) -> Outcome:
    settings = ForgetSettings(
        dataset=dataset.root,
        models=dataset.root.parent / "models",
        **options,  # type: ignore[arg-type]
    )
    return forget(settings=settings, output=Output(quiet=True))


def verified(dataset: Dataset) -> Outcome:
    return verify(settings=DatasetSettings(dataset=dataset.root), output=Output(quiet=True))


def is_sound(dataset: Dataset) -> bool:
    outcome = verified(dataset)
    assert outcome.summary["problems"] == []
    assert outcome.summary["orphans"] == 0
    return all(altered_files(dataset.versions / str(n)) == [] for n in numbers(dataset.versions))


def is_nowhere(dataset: Dataset) -> bool:
    """Say whether no file but the manifest's tombstone names the picture or holds its bytes."""
    for path in dataset.root.rglob("*"):
        assert GONE[:16] not in path.name
        if path.is_file() and "manifest.db" not in path.name:
            data = path.read_bytes()
            assert GONE[:16].encode() not in data
            assert data != WANTED
    return True
