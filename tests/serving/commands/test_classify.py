import csv
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from support.drawing import grey_jpeg
from support.heic import HALVES

from sceneset.errors import DamagedDataError, MissingInputError, SettingsError, UsageError
from sceneset.files.heic import is_installed
from serving.commands.classify import classify, table
from serving.settings import ClassifySettings

ROOT = Path(__file__).resolve().parents[3]


def run_cli(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "cli.py"), "classify", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)


def first_labels(summary: Mapping[str, Any]) -> list[str]:
    return [one["labels"][0]["label"] for one in summary["predictions"]]


def test_each_picture_of_a_folder_is_named_in_order(model: Path, pictures: Path) -> None:
    outcome = classify(str(pictures), settings=ClassifySettings(model=model))
    assert first_labels(outcome.summary) == ["red", "green", "blue"]
    assert outcome.exit_code == 0


def test_the_answer_holds_as_many_classes_as_asked_for(model: Path, pictures: Path) -> None:
    for top, expected in ((1, 1), (2, 2), (9, 3)):
        outcome = classify(str(pictures / "a.png"), settings=ClassifySettings(model=model, top=top))
        summary: Any = outcome.summary
        shares = [label["probability"] for label in summary["predictions"][0]["labels"]]
        assert len(shares) == expected
        assert shares == sorted(shares, reverse=True)


def test_a_bad_file_is_an_entry_and_the_others_are_answered(model: Path, pictures: Path) -> None:
    words = [str(pictures / name) for name in ("a.png", "missing.png", "notes.txt", "b.png")]
    outcome = classify(*words, settings=ClassifySettings(model=model))
    summary: Any = outcome.summary
    assert [sorted(one) for one in summary["predictions"]] == [
        ["file", "labels"],
        ["error", "file"],
        ["error", "file"],
        ["file", "labels"],
    ]
    assert outcome.exit_code == 3
    assert "missing.png" in outcome.problem


def test_why_a_broken_picture_is_refused_is_said_in_plain_words(
    model: Path, pictures: Path
) -> None:
    whole = (pictures / "a.png").read_bytes()
    lengths = (0, 3, 8, 14, 30, len(whole) // 2)
    for length in lengths:
        (pictures / f"{length}.png").write_bytes(whole[:length])
    words = [str(pictures / f"{length}.png") for length in lengths]
    outcome = classify(*words, settings=ClassifySettings(model=model))
    errors = [one["error"] for one in outcome.summary["predictions"]]
    header = "truncated: its header cannot be read"
    assert errors[:3] == ["truncated: 0 bytes", "not a picture", header]
    assert all(error.startswith("truncated: ") for error in errors[2:])
    assert not [error for error in errors if "0x" in error or "object" in error]


def test_what_is_passed_over_and_what_is_too_large_is_said(model: Path, pictures: Path) -> None:
    (pictures / "huge.jpg").write_bytes(grey_jpeg(8064, 6048))
    settings = ClassifySettings(model=model)
    outcome = classify(str(pictures), settings=settings)
    assert (outcome.exit_code, len(outcome.summary["predictions"])) == (0, 4)
    assert outcome.summary["passed_over"] == {"without a picture's ending": 1}
    assert outcome.lines[-1] == "passed over: 1 without a picture's ending"
    (pictures / "a.png").unlink()
    for limits, told in (
        ({"max_megapixels": 40}, "8064 x 6048 px, the limit is 40 megapixels: --max-megapixels"),
        ({"max_file_mb": 0.1}, "0.6 MB, the limit is 0.1: --max-file-mb"),
    ):
        outcome = classify(str(pictures), settings=ClassifySettings(model=model, **limits))
        assert outcome.exit_code == 3
        assert f"too large: {told}" in outcome.problem


def test_a_heic_is_classified_or_says_what_it_needs(model: Path, tmp_path: Path) -> None:
    (tmp_path / "IMG_1.HEIC").write_bytes(HALVES)
    outcome = classify(str(tmp_path), settings=ClassifySettings(model=model))
    (one,) = outcome.summary["predictions"]
    assert ("labels" in one) == is_installed()
    assert is_installed() or one["error"] == "HEIC: install sceneset[heic]"


def test_nothing_to_classify_is_wrong_use(model: Path, tmp_path: Path) -> None:
    settings = ClassifySettings(model=model)
    with pytest.raises(UsageError):
        classify(settings=settings)
    with pytest.raises(MissingInputError, match=r"x\*"):
        classify(str(tmp_path / "x*"), settings=settings)


def test_a_count_below_one_is_refused() -> None:
    with pytest.raises(SettingsError, match="--top is 0"):
        ClassifySettings(top=0)


def test_an_altered_model_is_refused(model: Path, pictures: Path) -> None:
    with (model / "1" / "model.tflite").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DamagedDataError, match=r"model\.tflite"):
        classify(str(pictures), settings=ClassifySettings(model=model))


def test_the_table_has_a_row_per_file_and_empty_cells_for_failures() -> None:
    labels = [{"label": "x", "probability": 0.75}, {"label": "y", "probability": 0.25}]
    text = table([{"file": "a", "labels": labels}, {"file": "b", "error": "no"}], 2)
    assert list(csv.reader(text.splitlines())) == [
        ["Name", "Prediction_0", "Prediction_1", "Probability_0", "Probability_1"],
        ["a", "x", "y", "0.750000", "0.250000"],
        ["b", "", "", "", ""],
    ]


@pytest.mark.parametrize("table", ["a.png", "deep/../a.png", "a.explained.jpg", "deep"])
def test_a_table_is_never_written_over_a_picture_or_a_folder(
    model: Path, pictures: Path, table: str
) -> None:
    data = (pictures / "a.png").read_bytes()
    settings = ClassifySettings(model=model, csv=pictures / table, explain=pictures)
    with pytest.raises(UsageError, match="--csv "):
        classify(str(pictures), settings=settings)
    assert (pictures / "a.png").read_bytes() == data
    assert not (pictures / "a.explained.jpg").exists()


def test_the_command_prints_one_json_object_and_nothing_else(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    done = run_cli(str(pictures), "--model", str(model), "--csv", str(tmp_path / "o.csv"), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    assert first_labels(json.loads(done.stdout)) == ["red", "green", "blue"]
    assert len((tmp_path / "o.csv").read_text().splitlines()) == 4


def test_classifying_and_explaining_never_import_tensorflow(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    words = ["classify", str(pictures), "--model", str(model), "--explain", str(tmp_path / "why")]
    program = (
        "import sys, cli\n"
        f"code = cli.main({words!r})\n"
        "strangers = {'tensorflow', 'keras', 'training', 'curate', 'scraper'} & set(sys.modules)\n"
        "assert not strangers, strangers\n"
        "sys.exit(code)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "red" in done.stdout
    assert len(list((tmp_path / "why").iterdir())) == 3
