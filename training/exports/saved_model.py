"""Write a SavedModel whose signatures take pixels, JPEG or PNG bytes, and base64."""

from pathlib import Path
from typing import Any

from pipeline.pictures import Fit
from training.backend import load_backend
from training.exports.decoding import decode_base64, decode_picture
from training.exports.native import native_work

# TensorFlow Serving loads a folder of numbered versions.
VERSION = "1"
PIXELS, BYTES, BASE64 = "serving_default", "bytes", "base64"
# Signature -> its input; a name in _bytes tells TensorFlow Serving of {"b64": ...}.
INPUTS = {PIXELS: "image", BYTES: "image_bytes", BASE64: "image_base64"}


def write_saved_model(folder: Path, model: Any, fit: Fit) -> Path:  # noqa: ANN401  no types
    """Write saved_model/1/: each signature maps a batch to `probabilities`, float32[N, classes].

    By hand: Keras' own archive traces everything twice and is twice the size.
    """
    tf = load_backend().tf
    path = folder / "saved_model" / VERSION
    holder = tf.Module()
    holder.held = [variable.value for variable in model.variables]
    with native_work():
        graphs = {
            name: tf.function(run, input_signature=[spec], autograph=False).get_concrete_function()
            for name, (run, spec) in _signatures(model, fit).items()
        }
        tf.saved_model.save(holder, str(path), signatures=graphs)
    return path


def _signatures(model: Any, fit: Fit) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401
    tf = load_backend().tf
    shape = (None, *model.input.shape[1:])
    pixels = tf.TensorSpec(shape, tf.float32, name=INPUTS[PIXELS])
    size = int(shape[1])

    # Traced once: the three signatures share the network's graph.
    @tf.function(input_signature=[pixels], autograph=False)  # type: ignore[untyped-decorator]
    def answer(image: Any) -> Any:  # noqa: ANN401
        return {"probabilities": model(image, training=False)}

    def decoded(image_bytes: Any) -> Any:  # noqa: ANN401
        one = tf.TensorSpec((size, size, 3), tf.float32)
        return tf.map_fn(
            lambda data: decode_picture(data, size, fit), image_bytes, fn_output_signature=one
        )

    def from_bytes(image_bytes: Any) -> Any:  # noqa: ANN401
        return answer(decoded(image_bytes))

    def from_base64(image_base64: Any) -> Any:  # noqa: ANN401
        return answer(decoded(tf.map_fn(decode_base64, image_base64)))

    texts = {name: tf.TensorSpec((None,), tf.string, name=INPUTS[name]) for name in (BYTES, BASE64)}
    return {
        PIXELS: (answer, pixels),
        BYTES: (from_bytes, texts[BYTES]),
        BASE64: (from_base64, texts[BASE64]),
    }
