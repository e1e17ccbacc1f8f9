"""Write a SavedModel whose signatures take pixels, JPEG or PNG bytes, and base64."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sceneset.errors import InterruptedRunError, disk_errors
from sceneset.images import PAD_COLOUR, Fit
from sceneset.progress import STDERR, STDOUT, without_native_chatter
from sceneset.signals import stop_on_request
from training.models.backend import tf

_CUBIC = "keyscubic"
_EXIF = b"Exif\0\0"
_ORIENTATION_TAG = 0x0112
_MOST_TAGS = 512
_READ = 65536
_PNG_DEPTH_AT = 24


def decode_base64(text: Any) -> Any:  # noqa: ANN401  TensorFlow has no types
    """Return the bytes of base64 in the standard or the URL-safe alphabet, as a scalar string.

    TensorFlow's own op takes the URL-safe one alone. A data URI's prefix, line breaks and padding
    are cut.
    """
    text = tf.strings.regex_replace(text, r"^\s*data:[^,]*,", "")
    text = tf.strings.regex_replace(text, r"[\s=]", "")
    text = tf.strings.regex_replace(text, r"\+", "-")
    return tf.io.decode_base64(tf.strings.regex_replace(text, "/", "_"))


def decode_picture(data: Any, size: int, fit: Fit) -> Any:  # noqa: ANN401
    """Decode a JPEG or PNG, a scalar string, to float32[size, size, 3] of whole values 0..255.

    Upright, alpha over white, bicubic with antialiasing: the pixels of sceneset/images.py but for
    large JPEGs, which that decodes at a fraction of their size.
    """
    picture = tf.cond(tf.io.is_jpeg(data), lambda: _jpeg(data), lambda: _png(data))
    shaped = {"crop": _crop, "pad": _pad, "stretch": _stretch}[fit](picture, size)
    return tf.ensure_shape(shaped, (size, size, 3))


def _jpeg(data: Any) -> Any:  # noqa: ANN401
    picture = tf.io.decode_jpeg(data, channels=3, dct_method="INTEGER_ACCURATE")
    return tf.cast(_turn(picture, _orientation(data)), tf.float32)


def _png(data: Any) -> Any:  # noqa: ANN401
    """Decode a PNG over white.

    Asked for four channels the decoder turns pictures of less than 8 bits transparent; in their own
    channels it forgets a colour that stands for transparent. So the header's depth decides.
    """
    depth = tf.io.decode_raw(tf.strings.substr(data, _PNG_DEPTH_AT, 1), tf.uint8)
    shallow = tf.reduce_any(tf.cast(depth, tf.int32) < 8)  # noqa: PLR2004  bits
    layer = tf.cond(
        shallow, lambda: tf.io.decode_png(data), lambda: tf.io.decode_png(data, channels=4)
    )
    layer = tf.cast(layer, tf.float32)
    channels = tf.shape(layer)[2]
    grey = tf.tile(layer[..., :1], (1, 1, 3))
    colour = tf.cond(channels < 3, lambda: grey, lambda: layer[..., :3])  # noqa: PLR2004  RGB
    whole = tf.ones_like(layer[..., :1])
    share = tf.cond(channels % 2 == 0, lambda: layer[..., -1:] / 255.0, lambda: whole)
    return tf.ensure_shape(tf.round(colour * share + 255.0 * (1.0 - share)), (None, None, 3))


def _orientation(data: Any) -> Any:  # noqa: ANN401
    """Return the EXIF orientation 1..8 of a JPEG, 1 where none is stated."""
    head = tf.cast(tf.io.decode_raw(tf.strings.substr(data, 0, _READ), tf.uint8), tf.int32)
    head = tf.concat([head, tf.zeros(len(_EXIF) + 8, tf.int32)], 0)
    last = tf.size(head) - len(_EXIF)
    same = [head[k : last + k] == byte for k, byte in enumerate(_EXIF)]
    places = tf.where(tf.reduce_all(tf.stack(same), 0))[:, 0]

    found = tf.cond(
        tf.size(places) > 0,
        lambda: _tag(head, tf.cast(places[0], tf.int32) + len(_EXIF)),
        lambda: tf.constant(1),
    )
    return tf.where((found >= 1) & (found <= 8), found, 1)  # noqa: PLR2004  the eight of EXIF


def _tag(head: Any, start: Any) -> Any:  # noqa: ANN401
    """Return the orientation in the TIFF block that begins at `start` of int32[bytes], or 1."""
    little = head[start] == ord("I")

    def pairs(at: Any) -> Any:  # noqa: ANN401
        """Read unsigned numbers of two bytes, int32[N], at int32[N]; 0 beyond the end."""
        inside = (at >= 0) & (at + 1 < tf.size(head))
        at = tf.where(inside, at, 0)
        low, high = tf.gather(head, at), tf.gather(head, at + 1)
        value = tf.where(little, low + 256 * high, 256 * low + high)
        return tf.where(inside, value, 0)

    # The offset has four bytes; a directory beyond the first 64 kB is not looked for.
    entries = start + pairs(tf.where(little, start + 4, start + 6)[tf.newaxis])[0]
    count = tf.minimum(pairs(entries[tf.newaxis])[0], _MOST_TAGS)
    tags = entries + 2 + 12 * tf.range(count)
    values = tf.boolean_mask(pairs(tags + 8), pairs(tags) == _ORIENTATION_TAG)
    return tf.concat([values, [1]], 0)[0]


def _turn(picture: Any, orientation: Any) -> Any:  # noqa: ANN401
    """Put a picture upright by its EXIF orientation."""

    def among(*values: int) -> Any:  # noqa: ANN401
        return tf.reduce_any(orientation == tf.constant(values))

    picture = tf.cond(among(5, 6, 7, 8), lambda: tf.transpose(picture, (1, 0, 2)), lambda: picture)
    picture = tf.cond(among(2, 3, 6, 7), lambda: tf.reverse(picture, [1]), lambda: picture)
    return tf.cond(among(3, 4, 7, 8), lambda: tf.reverse(picture, [0]), lambda: picture)


def _crop(picture: Any, size: int) -> Any:  # noqa: ANN401
    height, width = tf.unstack(tf.shape(picture)[:2])
    side = tf.minimum(height, width)
    corner = ((height - side) // 2, (width - side) // 2)
    return _resize(picture, (size, size), (side, side), corner)


def _stretch(picture: Any, size: int) -> Any:  # noqa: ANN401
    shape = tf.shape(picture)
    return _resize(picture, (size, size), (shape[0], shape[1]))


def _pad(picture: Any, size: int) -> Any:  # noqa: ANN401
    """Fit the whole picture into the square, on grey; halves are rounded as Pillow rounds them."""
    shape = tf.cast(tf.shape(picture)[:2], tf.float64)
    inner = tf.cast(tf.round(shape / tf.reduce_max(shape) * size), tf.int32)
    inner = tf.maximum(inner, 1)
    small = _resize(picture, (inner[0], inner[1]), (tf.shape(picture)[0], tf.shape(picture)[1]))
    before = tf.cast(tf.round(tf.cast(size - inner, tf.float64) / 2), tf.int32)
    grey = tf.constant(PAD_COLOUR, tf.float32)
    margins = tf.stack([before, size - inner - before], axis=1)
    return tf.pad(small - grey, tf.concat([margins, [[0, 0]]], 0)) + grey


def _resize(
    picture: Any,  # noqa: ANN401
    size: tuple[Any, Any],
    box: tuple[Any, Any],
    corner: tuple[Any, Any] = (0, 0),
) -> Any:  # noqa: ANN401
    """Resize the box (height, width) at a corner (top, left): rows first, then columns.

    Each pass ends in whole values 0..255, as Pillow's do, and reads past the box where it can.
    """
    wide = _pass(picture, (tf.shape(picture)[0], size[1]), (1, box[1]), (0, corner[1]))
    return _pass(wide, size, (box[0], 1), (corner[0], 0))


def _pass(
    picture: Any,  # noqa: ANN401
    size: tuple[Any, Any],
    box: tuple[Any, Any],
    corner: tuple[Any, Any],
) -> Any:  # noqa: ANN401
    """Resize along the side whose box is not 1; the other keeps its length."""
    whole = tf.constant(1.0)
    scale = tf.stack(
        [
            whole if isinstance(side, int) else tf.cast(to, tf.float32) / tf.cast(side, tf.float32)
            for to, side in zip(size, box, strict=True)
        ]
    )
    moved = -scale * tf.cast(tf.stack(corner), tf.float32)
    out = tf.raw_ops.ScaleAndTranslate(
        images=picture[tf.newaxis],
        size=tf.stack(size),
        scale=scale,
        translation=moved,
        kernel_type=_CUBIC,
        antialias=True,
    )[0]
    return tf.clip_by_value(tf.round(out), 0.0, 255.0)


@contextmanager
def native_work() -> Iterator[None]:
    """Hold signals until the block ends, keep it quiet, and turn a full disk into OSError.

    The converters take a signal for an error of their own; TensorFlow and HDF5 speak of the disk in
    words only, and warn of settings that are meant.
    """
    with (
        stop_on_request() as stop,
        without_native_chatter(STDOUT, STDERR),
        warnings.catch_warnings(action="ignore"),
        disk_errors(),
    ):
        yield
    if stop.signal_number is not None:
        raise InterruptedRunError(stop.signal_number)


# TensorFlow Serving loads a folder of numbered versions.
VERSION = "1"
PIXELS, BYTES, BASE64 = "serving_default", "bytes", "base64"
# Signature -> its input; a name in _bytes tells TensorFlow Serving of {"b64": ...}.
INPUTS = {PIXELS: "image", BYTES: "image_bytes", BASE64: "image_base64"}


def write_saved_model(folder: Path, model: Any, fit: Fit) -> Path:  # noqa: ANN401  no types
    """Write saved_model/1/: each signature maps a batch to `probabilities`, float32[N, classes].

    By hand: Keras' own archive traces everything twice and is twice the size.
    """
    path = folder / "saved_model" / VERSION
    with native_work():
        graphs = {
            name: tf.function(run, input_signature=[spec], autograph=False).get_concrete_function()
            for name, (run, spec) in _signatures(model, fit).items()
        }
        save_graphs(path, graphs, model.variables)
    return path


def save_graphs(path: Path, graphs: Any, variables: Sequence[Any]) -> None:  # noqa: ANN401
    """Write concrete functions as a SavedModel that holds these variables of Keras."""
    holder = tf.Module()
    holder.held = [variable.value for variable in variables]
    tf.saved_model.save(holder, str(path), signatures=graphs)


def _signatures(model: Any, fit: Fit) -> dict[str, tuple[Any, Any]]:  # noqa: ANN401
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
