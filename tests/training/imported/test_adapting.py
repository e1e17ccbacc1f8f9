"""A model whose input and output have names is taken in; a large one is converted in less memory."""

from pathlib import Path

import numpy as np
import pytest
from support.imported import SIZE, small_network
from support.weights import IGNORE_COPIES

from sceneset.progress import Bars
from training.exports.exporter import ExportJob, export_all
from training.imported.adapting import adapt, own_answers
from training.imported.bundling import draw_pictures, drawn_version
from training.imported.opening import open_imported
from training.models.backend import load_backend

pytestmark = [pytest.mark.train, IGNORE_COPIES]


@pytest.mark.parametrize("takes", ["plain", "named"])
def test_an_output_with_a_name_is_the_only_one(tmp_path: Path, takes: str) -> None:
    keras = load_backend().keras
    inside = small_network()
    image = keras.Input((SIZE, SIZE, 3), name="picture")
    given = {"picture": image} if takes == "named" else image
    keras.Model(given, {"classes": inside(image)}).save(tmp_path / "m.keras")
    imported = open_imported(tmp_path / "m.keras")
    pictures = draw_pictures(SIZE, 2)
    expected = np.asarray(inside(pictures.astype(np.float32)))
    assert own_answers(imported, "0..255", pictures) == pytest.approx(expected, abs=1e-6)


@pytest.mark.slow
def test_a_large_model_has_the_same_exports_and_leaves_nothing_else(tmp_path: Path) -> None:
    small_network().save(tmp_path / "m.keras")
    imported = open_imported(tmp_path / "m.keras")
    pictures = draw_pictures(SIZE)
    answers = own_answers(imported, "0..255", pictures)
    (tmp_path / "drawn").mkdir()
    version = drawn_version(tmp_path / "drawn", pictures, ("a", "b", "c"), "crop")
    made = {}
    for large in (0, 10**9):
        folder = tmp_path / str(large)
        folder.mkdir()
        job = ExportJob(
            folder, *adapt(imported, SIZE, "0..255", "probabilities"), version, Bars(None), "mine", version.splits["test"],
            answers, imported=True, large=large,
        )  # fmt: skip
        exports = export_all(job, ("litert",))
        assert all(one.exact for export in exports for one in export.parity.values())
        made[large] = sorted(path.name for path in folder.iterdir())
    assert made[0] == made[10**9] == ["explain.tflite", "head.npz", "model.tflite"]
