"""Models from elsewhere become bundles that answer as they did, or are refused in two lines."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter
from support.imported import SIZE, small_network
from support.weights import IGNORE_COPIES

from sceneset.bundle.reader import Bundle, open_bundle
from sceneset.errors import DamagedDataError, MissingInputError, SceneSetError, UsageError
from sceneset.progress import Output
from training.commands.convert import convert
from training.imported.opening import check_kind
from training.models.backend import load_backend
from training.settings import ConvertSettings

pytestmark = [pytest.mark.train, IGNORE_COPIES]
QUIET = Output(quiet=True)
Convert = Callable[..., dict[str, Any]]
WITHOUT_EXTRAS = """
import sys
for name in ("tensorflow", "keras", "flatbuffers", "ai_edge_litert", "h5py", "jinja2", "sklearn"):
    sys.modules[name] = None
from sceneset.cli import main
sys.exit(any(main([command, "--help"]) for command in ("train", "evaluate", "convert", "places365")))
"""


def test_help_of_the_training_commands_needs_no_optional_package() -> None:
    run = subprocess.run(
        [sys.executable, "-c", WITHOUT_EXTRAS], capture_output=True, text=True, check=False
    )
    assert (run.returncode, run.stderr) == (0, "")
    assert "--scaling" in run.stdout


@pytest.fixture
def run(tmp_path: Path) -> Convert:
    """Return a function that converts a file into tmp_path/out for the classes a, b, c."""
    names = tmp_path / "names.txt"
    names.write_text("a\nb\nc\n")

    def make(path: Path, **options: Any) -> dict[str, Any]:  # noqa: ANN401  any setting
        given = {"class_names": names, "out": tmp_path / "out", "export": "keras"} | options
        return dict(convert(path, settings=ConvertSettings(**given), output=QUIET).summary)

    return make


def served(bundle: Bundle, pixels: Any) -> Any:  # noqa: ANN401  arrays
    """Return what model.tflite says of pixels 0..255."""
    interpreter = Interpreter(model_path=str(bundle.path("model.tflite")))
    interpreter.allocate_tensors()
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], pixels)
    interpreter.invoke()
    return interpreter.get_tensor(interpreter.get_output_details()[0]["index"])


def test_a_keras_file_becomes_a_whole_bundle_with_what_explains(
    run: Convert, tmp_path: Path
) -> None:
    network = small_network()
    network.save(tmp_path / "m.keras")
    summary = run(tmp_path / "m.keras")
    assert (summary["size"], summary["scaling"], summary["outputs"]) == (
        SIZE, "0..255", "probabilities",
    )  # fmt: skip
    assert "rescaling" in summary["found_by"]["scaling"]
    bundle = open_bundle(tmp_path / "out")
    assert bundle.class_names == ("a", "b", "c")
    names = {path.name for path in bundle.folder.iterdir()}
    assert names >= {"model.keras", "model.tflite", "explain.tflite", "head.npz"}
    parities = [one["parity"] for one in bundle.record["exports"].values() if "parity" in one]
    assert sum(len(one) for one in parities) == 2
    pixels = np.random.default_rng(1).uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32)
    assert np.abs(served(bundle, pixels) - np.asarray(network(pixels))).max() < 1e-6


@pytest.mark.parametrize(
    ("scaling", "scaled"),
    [("0..1", lambda x: x / 255), ("caffe", lambda x: x[..., ::-1] - (103.939, 116.779, 123.68))],
    ids=["0..1", "caffe"],
)
def test_a_stated_range_and_logits_are_put_around_the_model(
    run: Convert, tmp_path: Path, scaling: str, scaled: Callable[[Any], Any]
) -> None:
    network = small_network(scaled=False, end=None, pooled=False)
    network.save(tmp_path / "m.h5")
    summary = run(tmp_path / "m.h5", scaling=scaling)
    assert summary["outputs"] == "logits"
    assert "left_out" in summary["exports"]["explain.tflite"]
    pixels = np.random.default_rng(1).uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32)
    logits = np.asarray(network(scaled(pixels).astype(np.float32)), np.float64)
    shares = np.exp(logits) / np.exp(logits).sum()
    assert np.abs(served(open_bundle(tmp_path / "out"), pixels) - shares).max() < 1e-5


def test_a_saved_model_becomes_a_bundle_once_its_range_is_stated(
    run: Convert, tmp_path: Path
) -> None:
    network = small_network(end=None)
    network.export(tmp_path / "saved" / "2", verbose=False)
    with pytest.raises(UsageError, match="values it takes for black and white"):
        run(tmp_path / "saved")
    summary = run(tmp_path / "saved", scaling="none")
    assert summary["outputs"] == "logits"
    assert set(open_bundle(tmp_path / "out").record["files"]) >= {"model.tflite"}
    assert "left_out" in summary["exports"]["model.keras"]
    pixels = np.random.default_rng(1).uniform(0, 255, (1, SIZE, SIZE, 3)).astype(np.float32)
    logits = np.asarray(network(pixels), np.float64)
    shares = np.exp(logits) / np.exp(logits).sum()
    assert np.abs(served(open_bundle(tmp_path / "out"), pixels) - shares).max() < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["keras", "graph"])
def test_the_saved_model_of_a_bundle_is_proved_by_each_signature(
    run: Convert, tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "m.keras"
    if kind == "keras":
        small_network().save(path)
    else:
        path = tmp_path / "m"
        small_network().export(path, verbose=False)
    parity = run(path, scaling="none", export="saved_model")["exports"]["saved_model"]["parity"]
    assert set(parity) == {"serving_default", "bytes", "base64"}
    assert (tmp_path / "out" / "saved_model" / "1" / "saved_model.pb").is_file()


def saved(path: Path, *shape: int | None, outputs: int = 3, end: str | None = "softmax") -> Path:
    """Save a network of one dense layer that takes such a shape."""
    keras = load_backend().keras
    layers = keras.layers
    stack = [keras.Input(shape), layers.Flatten(), layers.Dense(outputs, activation=end)]
    keras.Sequential(stack).save(path)
    return path


@pytest.mark.parametrize(
    ("shape", "options", "words"),
    [
        ((8, 8, 1), {}, "not RGB pictures"),
        ((8,), {}, "not RGB pictures"),
        ((3, 8, 8), {}, "not RGB pictures"),
        ((8, 9, 3), {}, "not squares"),
        ((8, 8, 3), {"size": 9}, "--size is 9"),
        ((8, 8, 3), {"outputs": 4}, "holds 3 class names, the model has 4 outputs"),
        ((8, 8, 3), {"outputs": 1, "end": None}, "not a value for each class"),
        ((8, 8, 3), {"end": "sigmoid"}, "yes or no for each class"),
        ((8, 8, 3), {"scaling": None}, "black and white"),
    ],
)
def test_what_is_no_classifier_of_square_pictures_is_refused(
    run: Convert, tmp_path: Path, shape: tuple[int], options: dict[str, Any], words: str
) -> None:
    settings = {"scaling": "none"} | {
        key: value for key, value in options.items() if key in {"size", "scaling"}
    }
    given = {key: value for key, value in options.items() if key not in settings}
    path = saved(tmp_path / "m.keras", *shape, **given)
    with pytest.raises(UsageError, match=words) as caught:
        run(path, **settings)
    assert caught.value.cure
    assert not (tmp_path / "out").exists()


def test_several_inputs_and_a_free_size_are_refused_with_what_to_say(
    run: Convert, tmp_path: Path
) -> None:
    keras = load_backend().keras
    layers = keras.layers
    two = [keras.Input((8, 8, 3)), keras.Input((8, 8, 3))]
    answer = layers.Dense(3)(layers.Flatten()(layers.Add()(two)))
    keras.Model(two, answer).save(tmp_path / "two.keras")
    with pytest.raises(UsageError, match="has 2 inputs"):
        run(tmp_path / "two.keras")
    free = keras.Input((None, None, 3))
    answer = layers.Dense(3)(layers.GlobalAveragePooling2D()(layers.Conv2D(2, 3)(free)))
    keras.Model(free, answer).save(tmp_path / "free.keras")
    with pytest.raises(UsageError, match="pictures of any size"):
        run(tmp_path / "free.keras", scaling="none")
    assert run(tmp_path / "free.keras", scaling="none", size=20)["size"] == 20
    with pytest.raises(UsageError, match=r"pictures of 1 px: [^E]"):  # no "Exception encountered"
        run(tmp_path / "free.keras", scaling="none", size=1, out=tmp_path / "other")


def test_code_in_a_file_is_not_run(run: Convert, tmp_path: Path) -> None:
    keras = load_backend().keras

    class Doubled(keras.layers.Layer):  # type: ignore[misc]  Keras has no types
        def call(self, inputs: Any) -> Any:  # noqa: ANN401
            return 2 * inputs

    for name, layer in (
        ("custom.keras", Doubled()),
        ("lambda.keras", keras.layers.Lambda(lambda x: x / 2)),
        ("lambda.h5", keras.layers.Lambda(lambda x: x / 2)),
    ):
        stack = [keras.Input((8, 8, 3)), layer, keras.layers.Flatten(), keras.layers.Dense(3)]
        keras.Sequential(stack).save(tmp_path / name)
        with pytest.raises(UsageError, match=r"needs code of its own \((Doubled|Lambda)\)"):
            run(tmp_path / name, scaling="none")
    with h5py.File(tmp_path / "lambda.h5", "r+") as file:
        config = file.attrs["model_config"].replace('"Lambda"', '"\\u004cambda"')
        file.attrs["model_config"] = config
    with pytest.raises(UsageError, match=r"code of its own \(Lambda\)"):
        check_kind(tmp_path / "lambda.h5")


def test_files_that_are_cut_short_are_damaged(run: Convert, tmp_path: Path) -> None:
    for name in ("m.keras", "m.h5"):
        path = saved(tmp_path / name, 8, 8, 3)
        path.write_bytes(path.read_bytes()[:-3000])
        with pytest.raises(DamagedDataError, match=name):
            run(path, scaling="none")
    graph = tmp_path / "saved"
    graph.mkdir()
    (graph / "saved_model.pb").write_bytes(b"\x08\x01\x12\xff\xff\xff")
    with pytest.raises(DamagedDataError, match="saved"):
        run(graph, scaling="none")


def test_weights_other_formats_and_what_is_there_are_refused_before_anything_is_read(
    run: Convert, tmp_path: Path
) -> None:
    small_network().save_weights(tmp_path / "m.weights.h5")
    with pytest.raises(UsageError, match="weights without a network"):
        run(tmp_path / "m.weights.h5")
    for name, cure in (("m.tflite", "serve"), ("m.onnx", "Keras"), ("m.pt", "Keras")):
        (tmp_path / name).write_bytes(b"x")
        with pytest.raises(UsageError, match="no model of Keras") as caught:
            run(tmp_path / name)
        assert cure in caught.value.cure
    with pytest.raises(MissingInputError, match="no model at"):
        run(tmp_path / "none.keras")
    path = saved(tmp_path / "m.keras", 8, 8, 3)
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(UsageError, match="is there already"):
        run(path, scaling="none", out=tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "kept"
    with pytest.raises(UsageError, match="is a file"):
        run(path, scaling="none", out=tmp_path / "mine.txt" / "out")


def test_a_bundle_is_not_converted_again(run: Convert, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "bundle.json").write_text(json.dumps({}))
    with pytest.raises(SceneSetError, match="is a bundle already"):
        run(tmp_path / "b")
