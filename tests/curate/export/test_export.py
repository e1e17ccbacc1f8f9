import json
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from support.curate import tree
from support.curate_exports import drawn, exported, publish, truth
from support.drawing import draw_jpeg

from curate.export.card import card, plain, yaml_lines
from curate.export.formats import FORMATS
from curate.export.samples import Written, open_version
from curate.settings import FormatName
from sceneset.checksums import altered_files
from sceneset.dataset import Dataset, run_lock
from sceneset.errors import (
    DamagedDataError,
    LockedError,
    MissingExtraError,
    MissingInputError,
    SettingsError,
)
from sceneset.manifest.store import Manifest

ROOT = Path(__file__).resolve().parents[3]
WITHOUT_EXTRA = [name for name in FORMATS if name != "parquet"]


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    return publish(tmp_path / "set", drawn(["A", "B"]))


def test_every_format_that_can_be_named_is_in_the_table() -> None:
    assert list(FORMATS) == list(get_args(FormatName))


@pytest.mark.parametrize("name", WITHOUT_EXTRA)
def test_the_same_version_gives_the_same_bytes(dataset: Dataset, tmp_path: Path, name: str) -> None:
    summary = exported(dataset, name, tmp_path / "one").summary
    exported(dataset, name, tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")
    assert altered_files(tmp_path / "one") == []
    assert summary["splits"] == {split: len(pairs) for split, pairs in truth(dataset).items()}
    assert summary["files"] == sum(p.is_file() for p in (tmp_path / "one").rglob("*"))


def test_parquet_too_gives_the_same_bytes(dataset: Dataset, tmp_path: Path) -> None:
    pytest.importorskip("pyarrow", reason="needs the extra formats")
    exported(dataset, "parquet", tmp_path / "one")
    exported(dataset, "parquet", tmp_path / "two")
    assert tree(tmp_path / "one") == tree(tmp_path / "two")


def test_parquet_without_its_extra_is_two_lines_and_leaves_nothing(
    dataset: Dataset, tmp_path: Path
) -> None:
    hide = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.split('.')[0] == 'pyarrow':\n"
        "            raise ModuleNotFoundError(f'No module named {name!r}', name=name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "import cli\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    words = ["export", "--dataset", dataset.root, "--format", "parquet", "--out", tmp_path / "out"]
    answer = subprocess.run(
        [sys.executable, "-c", hide, *words], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert answer.returncode == MissingExtraError.exit_code
    assert len(answer.stderr.strip().splitlines()) == 2
    assert "pip install -e '.[formats]'" in answer.stderr
    assert sorted(p.name for p in tmp_path.iterdir()) == ["set"]


def test_a_full_disk_in_the_middle_leaves_the_export_before(tmp_path: Path) -> None:
    large = {
        name: [draw_jpeg(n, (1200, 900), 98) for n in range(k, k + 5)]
        for k, name in ((0, "A"), (9, "B"))
    }
    dataset = publish(tmp_path / "set", large)
    exported(dataset, "imagefolder", tmp_path / "out")
    before = tree(tmp_path / "out")
    limit = (
        "import resource, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (300000, 300000));"
        "import cli; sys.exit(cli.main(sys.argv[1:]))"
    )
    words = ["export", "--dataset", dataset.root, "--format", "webdataset", "--out"]
    answer = subprocess.run(
        [sys.executable, "-c", limit, *words, tmp_path / "out"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert answer.returncode == 73
    assert tree(tmp_path / "out") == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out", "set"]
    with Manifest(dataset.manifest_path) as manifest:
        assert [r.outcome for r in manifest.runs("export")] == ["exported", "failed"]


def test_a_damaged_version_is_not_exported(dataset: Dataset, tmp_path: Path) -> None:
    next((dataset.current / "train").glob("*/*.jpg")).write_bytes(b"junk")
    with pytest.raises(DamagedDataError, match="version 1 is damaged"):
        exported(dataset, "imagefolder", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_version_that_is_not_there_is_named(dataset: Dataset, tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no published version 5") as caught:
        exported(dataset, "imagefolder", tmp_path / "out", version=5)
    assert "name one of 1" in caught.value.cure
    dataset.current.unlink()
    assert exported(dataset, "imagefolder", tmp_path / "out", version=1).summary["number"] == 1
    with pytest.raises(MissingInputError, match="has no published version"):
        exported(dataset, "imagefolder", tmp_path / "out")


def test_wrong_settings_and_a_busy_data_set_are_refused(dataset: Dataset, tmp_path: Path) -> None:
    for size in (0, -1, float("nan"), float("inf")):
        with pytest.raises(SettingsError, match=f"--shard-mb is {size}"):
            exported(dataset, "webdataset", tmp_path / "out", shard_mb=size)
    with run_lock(dataset.root, "scrape"), pytest.raises(LockedError):
        exported(dataset, "webdataset", tmp_path / "out")


def test_the_card_counts_and_names_sources_and_licences(tmp_path: Path) -> None:
    dataset = publish(tmp_path / "set", drawn(["A|B", "<b>*x*"]), dropped={"near_duplicate": 7})
    exported(dataset, "imagefolder", tmp_path / "out")
    text = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "10 pictures of 2 classes" in text
    assert "| 1 | A&#124;B | 3 | 1 | 1 |" in text
    assert "&#60;b&#62;&#42;x&#42;" in text
    assert "<b>" not in text
    assert "| pages.example | 10 |" in text
    assert "Pictures: found through openverse (10)." in text
    assert "CC BY 4.0 (https://creativecommons.org/licenses/by/4.0/) | 10 |" in text
    assert "| near&#95;duplicate | 7 |" in text
    assert "collected between 2026-01-02 and 2026-01-02" in text
    assert json.loads((tmp_path / "out" / "export.json").read_text())["splits"]["train"] == 6


def test_a_card_names_a_replica_and_not_the_engine_that_it_stands_in_for(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        template = "http://me:secret@127.0.0.1:8099/private?q={query}"
        run = manifest.start_run("scrape", {"search_url": template}, {})
        manifest._db.execute("UPDATE sightings SET run_id = ? WHERE class_id = 1", [run])
        text = card(open_version(dataset, manifest, dataset.version(), 10), Written("how"))
    assert "found in openverse results as served by http://127.0.0.1:8099 (5)" in text
    assert "found through openverse (5)" in text
    assert "secret" not in text
    assert "private" not in text


def test_a_card_without_known_licences_says_so(dataset: Dataset) -> None:
    with Manifest(dataset.manifest_path) as manifest:
        version = open_version(dataset, manifest, dataset.version(), 10)
        manifest._db.execute("UPDATE sightings SET licence = 'unknown', licence_url = ''")
        unknown = open_version(dataset, manifest, dataset.version(), 10)
    assert 'license: "other"' in card(version, Written("how"))
    assert 'license: "unknown"' in card(unknown, Written("how"))


def test_text_cannot_be_markup_or_break_a_table() -> None:
    assert plain("a|b\n# c `d`") == "a&#124;b &#35; c &#96;d&#96;"


def test_front_matter_is_yaml() -> None:
    lines = yaml_lines({"a": [{"b": 1, "c": ["é"]}], "d": {"0": "x: y"}, "e": {}})
    assert lines == ["a:", "- b: 1", "  c:", '  - "é"', "d:", '  "0": "x: y"', "e: {}"]
