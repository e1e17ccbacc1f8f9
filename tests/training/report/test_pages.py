"""The report and the model card, of a network that knows red from green."""

import base64
import hashlib
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image
from support.explain import SIZE, colour_detector

from sceneset.bundle.tag_rule import TagRule
from sceneset.progress import Bars, Stopwatch
from training.data.version import Example, Version
from training.evaluation.calibration import Temperature
from training.evaluation.evaluation import evaluate_answers
from training.evaluation.label_issues import LabelIssue
from training.evaluation.metrics import measure
from training.evaluation.predict import answer
from training.loop.trainer import Hyperparameters
from training.models.backbones.table import BACKBONES
from training.recipes.context import SEEN, Phase
from training.report.pages import Measured, origin, write_pages
from training.settings import TrainSettings

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
NAMES = ("Green <b>&", "Red")
Write = Callable[..., tuple[str, str]]
SAME = {"pictures": 5, "largest": 9.5e-6, "other_top1": 0}
EXPORTS: dict[str, dict[str, Any]] = {
    "model.keras": {"kind": "keras", "bytes": 9_812_345, "sha256": "ab" * 32},
    "model.tflite": {"kind": "litert", "bytes": 900, "parity": {"serving_default": SAME}},
    "model_int8.tflite": {"kind": "int8", "left_out": "36 validation pictures are too few"},
}


@pytest.fixture(scope="module")
def model() -> Any:  # noqa: ANN401  Keras has no types
    return colour_detector()


def pictures(folder: Path, count: int) -> tuple[Example, ...]:
    """Write red squares; every third is labelled as the class that the model calls red."""
    found = []
    for number in range(count):
        path = folder / f"{number}.png"
        picture = np.full((SIZE, SIZE, 3), 90, np.uint8)
        picture[4:16, 4 + number : 14 + number] = 230, 10, 10
        Image.fromarray(picture).save(path)
        found.append(Example(path, min(1, number % 3), f"{number:064x}"))
    return tuple(found)


@pytest.fixture
def write(tmp_path: Path, model: Any) -> Write:  # noqa: ANN401  the same
    """Return what writes a report and a card of so many test pictures: page and card."""

    def written(test: int, why: str = "") -> tuple[str, str]:
        examples = pictures(tmp_path, 6)
        splits = {"train": examples, "val": examples[:2], "test": examples[:test]}
        version = Version("v" * 64, tmp_path, NAMES, SIZE, "crop", splits)  # type: ignore[arg-type]
        answers = answer(model, version.splits["test"], SIZE, "crop", Bars(None).add("x"))
        found = evaluate_answers(answers, 1.5, TagRule())
        found = SimpleNamespace(**vars(found))
        found.calibration = SimpleNamespace(**vars(found.calibration))
        found.calibration.fit = Temperature(1.5, 1.5, 40, 0.1, 0.05, why)
        issues = [
            LabelIssue(examples[1].path, "a", "Red", "label", 0.9, NAMES[0]),
            LabelIssue(tmp_path / "gone.png", "b", "Red", "outlier", 0.8, None),
        ]
        run = {
            "name": "m 1", "created_at": "2026-01-02T03:04:05", "backbone": "small",
            "weights": "none", "recipe": "fast", "parameters": 7, "temperature": 1.5,
            "ece_before": 0.1, "metrics": measure(answers.probabilities, answers.labels, NAMES),
            "evaluation": found, "unreadable": ["test/x.jpg"], "untaught": [],
            "unmeasured": [NAMES[0]], "exports": EXPORTS, "suspects_note": why and SEEN,
        }  # fmt: skip
        plan = Hyperparameters(epochs=2, batch_size=8, views=2, rotation=0.3, fewest_per_class=77)
        curves = [{"accuracy": 0.5, "loss": 1.0}, {"accuracy": 0.6, "loss": 0.9}]
        phases = [Phase("head", 2, 8, 2, 2, curves), Phase("fine-tune", 6, 64, 1, 1, curves[:1])]
        trained = SimpleNamespace(recipe="fast", plan=plan, phases=phases, kept_phase=phases[1])
        start = SimpleNamespace(may_know=lambda _id: bool(why))
        setup = SimpleNamespace(
            version=version,
            settings=TrainSettings(),
            watch=Stopwatch(),
            start=start,
            weights=None if why else tmp_path / "imagenet.h5",
        )
        sources = {
            "pictures": 6,
            "sites": 2,
            "ways": ["found through google", "adopted from a folder"],
            "licensed": 1,
        }
        measured = Measured(model, answers, issues, sources)
        write_pages(tmp_path, setup, trained, run, measured)  # type: ignore[arg-type]
        page = (tmp_path / "report" / "index.html").read_text()
        return page, (tmp_path / "model_card.md").read_text()

    return written


def test_the_page_asks_for_nothing_but_the_pictures_beside_it(write: Write, tmp_path: Path) -> None:
    page, _ = write(5)
    sources = re.findall(r'src="([^"]*)"', page)
    assert len(sources) > 20
    assert all((tmp_path / "report" / source).is_file() for source in sources)
    assert "http" not in page.replace("http-equiv", "")
    targets = set(re.findall(r'href="([^"]*)"', page))
    assert {target.removeprefix("#") for target in targets} <= set(
        re.findall(r'id="([^"]*)"', page)
    )


def test_the_policy_allows_its_own_style_and_script_and_no_other(write: Write) -> None:
    page, _ = write(5)
    (policy,) = re.findall(r'Content-Security-Policy" content="([^"]*)"', page)
    for kind in ("style", "script"):
        (text,) = re.findall(rf"<{kind}>(.*?)</{kind}>", page, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert f"{kind}-src 'sha256-{digest}'" in policy
    assert not re.search(r"<[^>]+\s(style|on[a-z]+)=", page)


def test_a_number_of_the_confusion_matrix_opens_the_pictures_of_its_cell(write: Write) -> None:
    page, _ = write(5)
    cells = re.findall(r'<td class="[hm]\d"><a href="#(c\d-\d)"[^>]*>(\d+)</a>', page)
    assert sum(int(count) for _, count in cells) == 5
    for cell, count in cells:
        (section,) = re.findall(rf'<section class="cell" id="{cell}".*?</section>', page, re.DOTALL)
        assert section.count("<figure>") == int(count)


def test_names_are_escaped_and_every_picture_that_tells_something_says_so(write: Write) -> None:
    page, card = write(5)
    assert "Green &lt;b&gt;&amp;" in page
    assert "<b>&" not in page + card
    assert not re.search(r"<img(?![^>]*alt=)", page)


def test_what_was_left_out_or_not_done_is_said(write: Write) -> None:
    page, card = write(5, "T = 1.200 would raise the ECE")
    for text in (page, card):
        assert "The temperature stays 1: T = 1.200 would raise the ECE" in text
    assert "1 test pictures could not be read" in page
    assert "test/x.jpg" in page
    assert "1 label and 1 outlier" in page
    assert "1 of them name a licence; the rights in all others are unknown" in card
    assert "6 pictures found through google or adopted from a folder, on 2 sites." in card


def test_every_export_is_told_with_its_proof_or_the_reason_why_it_is_missing(write: Write) -> None:
    page, card = (re.sub("&#95;", "_", text) for text in write(5))
    for text in (page, card):
        assert "9.8 MB" in text
        assert "abababababab" in text
        assert "probabilities at most 1e-05 apart on 5 pictures, top-1 equal" in text
        assert "left out: 36 validation pictures are too few" in text
        assert re.search(r"model\.onnx.*left out: not asked for (\(|&#40;)--export onnx", text)


def test_suspects_by_a_backbone_that_saw_labels_are_told_as_such(write: Write) -> None:
    assert SEEN in write(5, "why")[0]
    assert SEEN not in write(5)[0]


def test_each_training_is_told_with_its_own_plan(write: Write) -> None:
    page, card = write(5)
    assert "| head | 2 of at most 2 epochs, epoch 2 kept, batches of 8 |" in card
    tuned = "1 of at most 6 epochs, epoch 1 kept, batches of 64: the exported network"
    assert f"| fine-tune | {tuned} |" in card
    assert "1 of at most 6, number 1 kept" in page
    assert "(2 of 2)" in page
    assert "(1 of 1)" in page


def test_values_that_the_recipe_has_no_use_for_are_not_told(write: Write) -> None:
    page, _ = write(5)
    assert "<dt>rotation</dt>" in page
    assert "fewest per class" not in page


def test_a_start_that_may_know_the_test_pictures_and_the_weights_licence_are_told(
    write: Write,
) -> None:
    for text in write(5, "why"):
        assert "another version of the data set, which may hold these test pictures" in text
    _, card = write(5)
    assert "which may hold these" not in card
    own = BACKBONES["mobilenet_v2"].pretrained
    assert own is not None
    assert f"| weights' licence | {own.licence}, by {own.source} |" in card


def test_the_licence_is_told_only_of_the_backbones_own_weights() -> None:
    file = Path("w.h5")
    assert origin(TrainSettings(), file) is BACKBONES["mobilenet_v2"].pretrained
    assert origin(TrainSettings(weights="w.h5"), file) is None
    assert origin(TrainSettings(from_bundle=Path("m")), None) is None


@pytest.mark.parametrize("test", [0, 1])
def test_one_test_picture_or_none_make_a_page_without_intervals(write: Write, test: int) -> None:
    page, card = write(test)
    assert ("No test pictures" in page) == (test == 0)
    assert ("has no picture that can be read" in card) == (test == 0)
    assert "% to " not in page
