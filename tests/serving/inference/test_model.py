"""Every command finds the same bundle, takes a lone .tflite file, and says how others become one."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.served_model import RED

from sceneset import cli
from sceneset.bundle.reader import find_bundle, open_bundle
from sceneset.errors import MissingInputError, SettingsError
from serving.commands.classify import classify
from serving.inference.model import find_served
from serving.inference.service import Reloader
from serving.settings import ClassifySettings, ServeSettings

WriteBundle = Callable[..., Path]


def test_current_counts_and_without_it_the_highest_number(
    model: Path, write_bundle: WriteBundle
) -> None:
    for number in ("9", "10", "not-a-number"):
        write_bundle(model / number, ["a", "b", "c"])
    assert find_bundle(model) == find_served(model) == model / "1"
    (model / "current").unlink()
    assert find_bundle(model) == find_served(model) == model / "10"
    assert open_bundle(model).folder == model / "10"


@pytest.mark.parametrize("half_copied", [True, False])
def test_a_link_to_what_is_not_there_is_named_and_no_other_version_stands_in(
    model: Path, write_bundle: WriteBundle, *, half_copied: bool
) -> None:
    reloader = Reloader(ServeSettings(model=model), 1)
    write_bundle(model / "7", ["a", "b", "c"])
    (model / "current").unlink()
    (model / "current").symlink_to("3")
    if half_copied:
        (model / "3").mkdir()
        (model / "3" / "model.tflite").write_bytes(b"half")
    with pytest.raises(
        MissingInputError, match="current names 3, where there is no bundle"
    ) as caught:
        find_bundle(model)
    assert "--model" in caught.value.cure
    assert find_bundle(model / "7") == model / "7"
    assert not reloader.is_stale()
    assert (reloader.current.version, reloader.problem_kind) == ("1", "missing")


def test_classify_takes_a_lone_file_with_class_names(model: Path, tmp_path: Path) -> None:
    lone, names = tmp_path / "mine.tflite", tmp_path / "names.json"
    shutil.copy(model / "1" / "model.tflite", lone)
    names.write_text('["rot", "grün", "blau"]')
    settings = ClassifySettings(model=lone, class_names=names, top=1)
    summary: Any = classify(str(_red(tmp_path)), settings=settings).summary
    assert summary["predictions"][0]["labels"][0]["label"] == "rot"
    with pytest.raises(SettingsError, match="comes without class names"):
        classify(str(_red(tmp_path)), settings=ClassifySettings(model=lone))
    with pytest.raises(SettingsError, match="--engine onnx cannot run"):
        settings = ClassifySettings(model=lone, class_names=names, engine="onnx")
        classify(str(_red(tmp_path)), settings=settings)


@pytest.mark.parametrize("name", ["m.keras", "m.h5", "m.onnx", "m.pt", "saved"])
@pytest.mark.parametrize("command", ["serve", "classify"])
def test_other_models_are_refused_and_convert_is_named(
    tmp_path: Path, name: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / name
    if name == "saved":
        path.mkdir()
        (path / "saved_model.pb").write_bytes(b"x")
    else:
        path.write_bytes(b"x")
    words = ["classify", str(_red(tmp_path))] if command == "classify" else ["serve"]
    assert cli.main([*words, "--model", str(path)]) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert f"{name} is no bundle" in first
    assert "sceneset convert" in second


def test_a_folder_without_anything_is_a_missing_bundle(tmp_path: Path) -> None:
    with pytest.raises(MissingInputError, match="no bundle at"):
        find_served(tmp_path)


def _red(folder: Path) -> Path:
    path = folder / "red.png"
    path.write_bytes(RED)
    return path
