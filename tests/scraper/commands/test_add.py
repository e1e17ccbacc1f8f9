import json
import os
from pathlib import Path

import pytest
from support.drawing import draw_jpeg

from sceneset.class_list import SceneClass
from sceneset.errors import MissingInputError, SceneSetError, UsageError
from sceneset.manifest.store import Manifest
from sceneset.progress import Output
from scraper.commands.add import add
from scraper.settings import AddSettings

QUIET = Output(quiet=True)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    for number, name in enumerate(["Beach", "Text document", "🏖"]):
        (folder / name / "deeper").mkdir(parents=True)
        for i in range(3):
            (folder / name / f"{i}.jpg").write_bytes(draw_jpeg(10 * number + i))
        (folder / name / "deeper" / "again.jpg").write_bytes(draw_jpeg(10 * number))
    (folder / "Beach" / "notes.txt").write_text("no picture")
    return folder


def test_every_file_gets_a_sighting(pictures: Path, tmp_path: Path) -> None:
    outcome = add(pictures, settings=AddSettings(dataset=tmp_path / "set"), output=QUIET)
    classes = outcome.summary["classes"]
    assert isinstance(classes, dict)
    assert classes["Beach"] == {
        "kept": 3,
        "duplicate": 1,
        "rejected": 1,
        "failed": 0,
        "stopped_because": "end of results",
    }
    assert outcome.summary["kept"] == 9
    assert outcome.exit_code == 0


def test_people_are_told_of_a_folder_and_of_no_search(pictures: Path, tmp_path: Path) -> None:
    outcome = add(pictures, settings=AddSettings(dataset=tmp_path / "set"), output=QUIET)
    report = tmp_path / "set" / "reports" / "scrape"
    page = (report / "index.html").read_text(encoding="utf-8")
    for text in (page, "\n".join(outcome.lines)):
        assert "all files read" in text
        assert "end of results" not in text
    assert '<p class="muted">set; adopted from a folder; 9 new' in page
    kept = json.loads((report / "report.json").read_text(encoding="utf-8"))
    assert kept["classes"]["Beach"]["stopped_because"] == "end of results"
    assert (kept["engine"], kept["source"]) == ("folder", "adopted from a folder")
    assert str(tmp_path) not in json.dumps(kept) + page


def test_adding_again_adds_nothing_and_a_changed_file_is_new(
    pictures: Path, tmp_path: Path
) -> None:
    settings = AddSettings(dataset=tmp_path / "set")
    add(pictures, settings=settings, output=QUIET)
    again = add(pictures, settings=settings, output=QUIET)
    assert again.summary["added"] == 0
    assert "nothing new" in again.lines[0]
    (pictures / "Beach" / "0.jpg").write_bytes(draw_jpeg(77))
    assert add(pictures, settings=settings, output=QUIET).summary["added"] == 1


def test_a_folder_outside_the_list_is_refused_and_nothing_is_stored(
    pictures: Path, tmp_path: Path
) -> None:
    listed = tmp_path / "classes.txt"
    listed.write_text("Beach\nText document\n")
    with pytest.raises(UsageError, match="no class of"):
        add(pictures, settings=AddSettings(dataset=tmp_path / "set", classes=listed), output=QUIET)
    assert not (tmp_path / "set").exists()


@pytest.mark.parametrize("name", ["new\nline", "x" * 101, "back\\slash"])
def test_a_folder_name_that_is_no_class_name_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "mine" / name).mkdir(parents=True)
    with pytest.raises(UsageError):
        add(tmp_path / "mine", settings=AddSettings(dataset=tmp_path / "set"), output=QUIET)


def test_a_missing_folder_and_a_data_set_that_is_a_file_are_told(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no folder at"):
        add(tmp_path / "none", output=QUIET)
    (tmp_path / "mine" / "Beach").mkdir(parents=True)
    (tmp_path / "file").write_text("")
    with pytest.raises(SceneSetError, match="is a file"):
        add(
            tmp_path / "mine", settings=AddSettings(dataset=tmp_path / "file" / "set"), output=QUIET
        )


def test_queries_of_a_class_survive_adding_to_it(pictures: Path, tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        manifest.adopt_classes([SceneClass("Beach", ("sandy beach",))])
    add(pictures, settings=AddSettings(dataset=tmp_path / "set"), output=QUIET)
    with Manifest(tmp_path / "set" / "manifest.db") as manifest:
        assert manifest.classes()[0].queries == ("sandy beach",)


def test_a_name_that_is_no_text_a_vanished_file_and_a_huge_one_stop_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "mine" / "Beach"
    folder.mkdir(parents=True)
    (folder / os.fsdecode(b"caf\xe9.jpg")).write_bytes(draw_jpeg(1))
    (folder / "gone.jpg").symlink_to(folder / "nothing.jpg")
    (folder / "good.jpg").write_bytes(draw_jpeg(2))
    with (folder / "video.mp4").open("wb") as huge:
        huge.truncate(300_000_000)
    outcome = add(tmp_path / "mine", settings=AddSettings(dataset=tmp_path / "set"), output=QUIET)
    beach = outcome.summary["classes"]["Beach"]
    assert (beach["kept"], beach["rejected"]) == (2, 1)
