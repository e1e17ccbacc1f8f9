"""The public API: its names, what importing it costs, and that its examples are true."""

import ast
import doctest
import io
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from PIL import Image
from support.bundles import write_model
from support.drawing import draw_jpeg

import sceneset
from sceneset.errors import MissingInputError, SceneSetError, UsageError
from serving.inference import classifier

ROOT = Path(__file__).resolve().parents[2]
RED = "#f02010"


def flat(colour: str, kind: str = "JPEG", size: tuple[int, int] = (60, 40)) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", size, colour).save(file, kind)
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stand in a folder as after a training: pictures, a model that knows colours, a red photo."""
    for number, name in enumerate(["Beach", "Night"]):
        (tmp_path / "pictures" / name).mkdir(parents=True)
        for i in range(4):
            (tmp_path / "pictures" / name / f"{i}.jpg").write_bytes(draw_jpeg(10 * number + i))
    write_model(tmp_path / "models" / "scenes")
    (tmp_path / "photo.jpg").write_bytes(flat(RED))
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("module", [sceneset, classifier])
@pytest.mark.usefixtures("folder")
def test_the_examples_of_the_api_are_true(module: ModuleType) -> None:
    results = doctest.testmod(module)
    assert results.failed == 0
    assert results.attempted > 0


def test_every_public_name_is_there_and_type_checkers_see_the_same_ones() -> None:
    tree = ast.parse((ROOT / "sceneset" / "__init__.py").read_text(encoding="utf-8"))
    typed = {
        alias.name: node.module
        for block in tree.body if isinstance(block, ast.If)
        for node in block.body if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }  # fmt: skip
    assert typed == sceneset._HOMES
    assert sorted(typed) == sorted(sceneset.__all__)
    assert set(sceneset.__all__) <= set(dir(sceneset))
    for name in sceneset.__all__:
        assert getattr(sceneset, name).__name__ == name
    with pytest.raises(AttributeError, match="has no attribute 'classify'"):
        sceneset.classify  # noqa: B018


def test_importing_sceneset_imports_nothing_that_costs_time() -> None:
    code = "import sys, sceneset; print(*set(sys.modules) - sys.stdlib_module_names)"
    answer = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names = {name for name in answer.stdout.split() if "." not in name}
    assert names == {"__main__", "sceneset"}


@pytest.mark.usefixtures("folder")
def test_every_kind_of_picture_gets_the_same_answer() -> None:
    colours = sceneset.Classifier()
    image = Image.open("photo.jpg")
    kinds = (
        "photo.jpg",
        Path("photo.jpg"),
        Path("photo.jpg").read_bytes(),
        image,
        np.asarray(image),
    )
    answers = colours.classify_many(kinds, top=1)
    assert len({str(answer) for answer in answers}) == 1
    assert answers[0][0][0] == "red"
    assert answers[0][0][1] > 0.99


@pytest.mark.usefixtures("folder")
def test_an_explanation_is_hot_where_the_class_was_seen() -> None:
    half = Image.new("RGB", (64, 64), RED)
    half.paste("#20d030", (32, 0, 64, 64))
    colours = sceneset.Classifier("models/scenes/1")
    seen = {name: np.asarray(colours.explain(half, name), float) for name in ("Red", "green")}
    covered = {name: np.abs(one - half).sum(axis=(0, 2)) for name, one in seen.items()}
    assert covered["Red"][8] > covered["green"][8]
    assert covered["green"][56] > covered["Red"][56]
    assert np.array_equal(
        np.asarray(colours.explain(flat(RED))), np.asarray(colours.explain(flat(RED), "red"))
    )


@pytest.mark.parametrize(
    ("picture", "problem", "kind"),
    [
        ("nowhere.jpg", "nowhere.jpg cannot be read", MissingInputError),
        (b"no picture", "cannot be read", UsageError),
        (flat(RED)[:300], "cannot be read", UsageError),
        (np.zeros((4, 4, 3)), "float64 is no picture", UsageError),
        (np.zeros((4, 4, 7), np.uint8), "cannot be read", UsageError),
    ],
    ids=["missing", "bytes", "truncated", "floats", "channels"],
)
@pytest.mark.usefixtures("folder")
def test_what_is_no_picture_is_an_error_with_a_cure(
    picture: classifier.Picture, problem: str, kind: type[SceneSetError]
) -> None:
    colours = sceneset.Classifier()
    for ask in (
        colours.classify,
        colours.tags,
        colours.explain,
        lambda p: colours.classify_many([p]),
    ):
        with pytest.raises(kind, match=problem) as caught:
            ask(picture)
        assert caught.value.cure


@pytest.mark.usefixtures("folder")
def test_a_class_that_the_model_does_not_know_is_named_with_those_it_knows() -> None:
    with pytest.raises(UsageError, match="'Blau' is no class") as caught:
        sceneset.Classifier().explain("photo.jpg", "Blau")
    assert "red, green, blue" in caught.value.cure


@pytest.mark.usefixtures("folder")
def test_tags_follow_the_rule_that_the_bundle_states() -> None:
    half = Image.new("RGB", (64, 64), RED)
    half.paste("#20d030", (32, 0, 64, 64))
    assert sceneset.Classifier().tags(half) == ["Red", "Green"]
    record = Path("models/scenes/1/bundle.json")
    rule = {"alone": 0.4, "together": 1.0, "fitted": True}
    record.write_text(json.dumps(json.loads(record.read_text()) | {"tag_rule": rule}))
    assert sceneset.Classifier().tags(half) == ["Red"]
