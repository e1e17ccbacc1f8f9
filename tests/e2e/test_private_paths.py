"""No folder of the user's stands in anything that is passed on: versions, exports, reports, bundles."""

import csv
import io
import json
import os
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from support.curate import rows_of, run
from support.curate_exports import exported
from support.drawing import draw_jpeg

from curate.commands.forget import forget
from curate.settings import ForgetSettings, FormatName
from sceneset.checksums import write_checksums
from sceneset.dataset import Dataset
from sceneset.errors import SettingsError
from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from sceneset.versions.published import MANIFEST_NAME
from scraper.commands.add import add
from scraper.settings import AddSettings

QUIET = Output(quiet=True)
parquet = pytest.importorskip("pyarrow.parquet", reason="needs the extra formats")
MARK = "qzxjvkwq"
PICTURES = (
    *(f"Beach/img_{n}.jpg" for n in range(3)),
    "Beach/Beach/100% #1 é?.jpg",
    *(f"Café & bar/{n}/Beach/a b.jpg" for n in range(3)),
)
FOLDERS = st.text(
    st.characters(codec="utf-8", exclude_characters="/\0", exclude_categories=["Cs"]), max_size=12
)


def adopted(home: Path, pictures: tuple[str, ...] = PICTURES, seed: int = 0) -> Dataset:
    """Adopt drawn pictures at these paths of `home`/photos."""
    for number, path in enumerate(pictures):
        (home / "photos" / path).parent.mkdir(parents=True, exist_ok=True)
        (home / "photos" / path).write_bytes(draw_jpeg(seed + number))
    dataset = Dataset(home / "set")
    add(home / "photos", settings=AddSettings(dataset=dataset.root), output=QUIET)
    return dataset


def passed_on(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """Yield every file and link of a folder with all that it holds, also compressed."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink():
            yield path, os.fsencode(path.readlink())
        elif path.suffix == ".parquet":
            table = parquet.read_table(path)
            yield path, repr((table.to_pylist(), table.schema.metadata)).encode()
        elif path.is_file():
            yield path, path.read_bytes()
            if zipfile.is_zipfile(path):
                with zipfile.ZipFile(path) as inside:
                    for name in inside.namelist():
                        yield path / name, name.encode() + inside.read(name)


def leaks(*folders: Path) -> list[str]:
    """Return the files that hold the mark; of a path's any spelling it keeps its letters."""
    return [str(p) for folder in folders for p, data in passed_on(folder) if MARK.encode() in data]


def exports(dataset: Dataset, out: Path) -> Path:
    for name in get_args(FormatName):
        exported(dataset, name, out / name)
    return out


def published(dataset: Dataset) -> list[Path]:
    return [dataset.root / name for name in ("curated", "reports", "quarantine")]


@settings(max_examples=4, phases=[Phase.reuse, Phase.generate])  # to shrink takes minutes
@given(FOLDERS, FOLDERS)
def test_what_is_passed_on_holds_the_path_in_the_adopted_folder_and_no_other(
    tmp_path_factory: pytest.TempPathFactory, before: str, after: str
) -> None:
    home = tmp_path_factory.mktemp("home") / "100% ü" / f"{before}{MARK} %41{after}"
    dataset = adopted(home)
    run(dataset, size=32)
    out = exports(dataset, home / "out")
    assert leaks(*published(dataset), out) == []
    assert sorted(row["page_url"] for row in rows_of(dataset)) == sorted(PICTURES)
    assert sorted(row.page_url for row in dataset.rows()) == sorted(PICTURES)
    for table in (out / "imagefolder" / MANIFEST_NAME, out / "croissant" / "pictures.csv"):
        rows = csv.DictReader(io.StringIO(table.read_text(encoding="utf-8"), newline=""))
        assert sorted(row["page_url"] for row in rows) == sorted(PICTURES)
    with Manifest(dataset.manifest_path) as manifest:
        urls = [url for (url,) in manifest.query("SELECT page_url FROM sightings")]
    assert all(url.startswith("file:///") and MARK in url for url in urls)


def as_earlier_releases_left_it(dataset: Dataset) -> None:
    """Put whole addresses, which do not tell the adopted folder, into manifest and version."""
    with Manifest(dataset.manifest_path) as manifest:
        manifest.query("UPDATE sightings SET page_url = substr(page_url, 1, instr(page_url,'#')-1)")
        urls = dict(manifest.query("SELECT sha256, page_url FROM sightings"))
    rows = [row | {"page_url": urls[row["sha256"]]} for row in rows_of(dataset)]
    with (dataset.current / MANIFEST_NAME).open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    (dataset.current / "SHA256SUMS").unlink()
    write_checksums(dataset.current.resolve())


def test_an_export_of_a_version_of_before_is_as_clean_and_the_version_stays(tmp_path: Path) -> None:
    dataset = adopted(tmp_path / MARK)
    run(dataset, size=32)
    as_earlier_releases_left_it(dataset)
    before = (dataset.current / MANIFEST_NAME).read_bytes()
    assert MARK.encode() in before
    out = exports(dataset, tmp_path / MARK / "out")
    assert leaks(out) == []
    assert "adopted from a folder (7)" in (out / "parquet" / "README.md").read_text()
    assert (dataset.current / MANIFEST_NAME).read_bytes() == before
    run(dataset, size=48)
    rows = rows_of(dataset)
    assert {"Beach/img_0.jpg", "Beach/a b.jpg"} < {row["page_url"] for row in rows}
    assert MARK not in json.dumps(rows)


def forgotten(dataset: Dataset, page: str) -> Any:  # noqa: ANN401  JSON
    wanted = ForgetSettings(dataset=dataset.root, page=page, models=dataset.root / "models")
    return forget(settings=wanted, output=QUIET).summary["sha256s"]


def test_an_adopted_picture_is_forgotten_by_its_path_and_by_its_address(tmp_path: Path) -> None:
    dataset = adopted(tmp_path / "a %41 home")
    run(dataset, size=32)
    sha256s = {row["page_url"]: row["sha256"] for row in rows_of(dataset)}
    path, other = PICTURES[3], PICTURES[0]
    assert forgotten(dataset, path) == [sha256s[path]]
    assert forgotten(dataset, path) == []  # said again, it still names the same file
    address = (tmp_path / "a %41 home" / "photos" / other).as_uri()
    assert forgotten(dataset, address) == [sha256s[other]]
    assert not {path, other} & {row["page_url"] for row in rows_of(dataset)}
    photos = tmp_path / "a %41 home" / "photos"
    (photos / other).write_bytes(draw_jpeg(99))
    again = add(photos, settings=AddSettings(dataset=dataset.root), output=QUIET)
    assert again.summary["added"] == 0
    with pytest.raises(SettingsError, match="is not an address"):
        forgotten(dataset, "Beach/unknown.jpg")


def test_two_folders_with_the_same_paths_stay_apart(tmp_path: Path) -> None:
    dataset = adopted(tmp_path / "one")
    for number, path in enumerate(PICTURES):
        (tmp_path / "two" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "two" / path).write_bytes(draw_jpeg(100 + number))
    add(tmp_path / "two", settings=AddSettings(dataset=dataset.root), output=QUIET)
    run(dataset, size=32)
    assert sorted(row["page_url"] for row in rows_of(dataset)) == sorted(PICTURES * 2)
    exports(dataset, tmp_path / "out")
    with pytest.raises(SettingsError, match="is a file of 2 adopted folders") as caught:
        forgotten(dataset, PICTURES[0])
    assert (tmp_path / "one" / "photos" / PICTURES[0]).as_uri() in caught.value.cure
    gone = forgotten(dataset, (tmp_path / "two" / PICTURES[0]).as_uri())
    assert len(gone) == 1
    assert sum(row["page_url"] == PICTURES[0] for row in rows_of(dataset)) == 1


@pytest.mark.train
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")
def test_a_bundle_holds_no_folder_of_the_machine(tmp_path: Path) -> None:
    from training.commands.train import train  # noqa: PLC0415  TensorFlow
    from training.settings import TrainSettings  # noqa: PLC0415

    home = tmp_path / f"my {MARK}"
    dataset = adopted(home)
    run(dataset, size=32)
    wanted = TrainSettings(
        dataset=dataset.root, out=home / "model", backbone="small", epochs=1, mirrored_test=False
    )
    train(settings=wanted, output=QUIET)
    assert leaks(home / "model") == []
    card = (home / "model" / "current" / "model_card.md").read_text(encoding="utf-8")
    assert "7 pictures adopted from a folder." in card
