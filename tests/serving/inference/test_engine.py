from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sceneset.bundle.reader import open_bundle
from sceneset.errors import DamagedDataError
from sceneset.images import PictureError
from serving.inference.engine import Engine, top_classes


@pytest.fixture
def engine(model: Path) -> Engine:
    return Engine(open_bundle(model), workers=2)


def test_probabilities_follow_the_channels_of_the_picture(engine: Engine, pictures: Path) -> None:
    found = engine.classify((pictures / "a.png").read_bytes())
    logits = np.array([0xF0, 0x20, 0x10]) * 8 / 255
    assert found == pytest.approx(np.exp(logits) / np.exp(logits).sum(), abs=1e-6)


def test_bytes_that_are_no_picture_are_refused_and_the_engine_goes_on(
    engine: Engine, pictures: Path
) -> None:
    for _ in range(3):
        with pytest.raises(PictureError):
            engine.classify(b"no picture")
    assert engine.classify((pictures / "b.png").read_bytes()).argmax() == 1


def test_threads_get_each_the_answer_to_their_own_picture(engine: Engine, pictures: Path) -> None:
    files = [pictures / "a.png", pictures / "b.png", pictures / "deep" / "c.PNG"] * 20
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda path: engine.classify(path.read_bytes()).argmax(), files))
    assert answers == [0, 1, 2] * 20


def test_equal_probabilities_keep_the_order_of_labels() -> None:
    probabilities = np.array([0.25, 0.5, 0.25], np.float32)
    assert [name for name, _ in top_classes(probabilities, ("a", "b", "c"), 3)] == ["b", "a", "c"]


def test_a_model_that_does_not_fit_its_class_names_is_refused(model: Path) -> None:
    bundle = open_bundle(model)
    with pytest.raises(DamagedDataError, match="not 32 px to 2 classes"):
        Engine(replace(bundle, class_names=("a", "b")))
    with pytest.raises(DamagedDataError, match="not 64 px to 3 classes"):
        Engine(replace(bundle, size=64))


def test_a_file_that_is_no_model_is_refused(model: Path) -> None:
    bundle = open_bundle(model)
    bundle.path("model.tflite").write_bytes(b"garbage" * 20)
    with pytest.raises(DamagedDataError, match="cannot be run"):
        Engine(bundle)
