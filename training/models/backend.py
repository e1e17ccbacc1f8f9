"""Import TensorFlow and Keras once, without their chatter."""

import os
import platform
import warnings
from dataclasses import dataclass
from functools import cache
from typing import Any

from sceneset.progress import STDERR, STDOUT, without_native_chatter


@dataclass(frozen=True)
class Backend:
    """The two libraries, imported."""

    tf: Any
    keras: Any


@cache
def load_backend() -> Backend:
    """Import TensorFlow and Keras; takes 5 to 12 s the first time.

    Raises ModuleNotFoundError when the extra is not installed.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    with without_native_chatter(STDOUT, STDERR), warnings.catch_warnings(action="ignore"):
        import tensorflow as tf  # noqa: PLC0415  seconds to import
    import keras  # noqa: PLC0415

    tf.get_logger().setLevel("ERROR")
    keras.utils.disable_interactive_logging()
    return Backend(tf, keras)


class _Late:
    """One of the two, imported when something of it is used first."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:  # noqa: ANN401  the libraries have no types
        # Whoever only looks at a module's names asks for these; nothing is imported for that.
        if attribute.startswith("__"):
            raise AttributeError(attribute)
        return getattr(getattr(load_backend(), self._name), attribute)


tf: Any = _Late("tf")
keras: Any = _Late("keras")


def versions() -> dict[str, str]:
    """Return the versions of everything that shapes a trained model."""
    import numpy as np  # noqa: PLC0415
    import PIL  # noqa: PLC0415

    backend = load_backend()
    return {
        "python": platform.python_version(),
        "tensorflow": backend.tf.__version__,
        "keras": backend.keras.__version__,
        "numpy": np.__version__,
        "pillow": PIL.__version__,
    }
