"""Run the same LiteRT file behind each peer's server, with the decoding everyone would write."""

import base64
import io
import json
import os
from pathlib import Path

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from PIL import Image

FOLDER = Path(os.environ["BUNDLE"])


class WrappedModel:
    """One interpreter with one thread."""

    def __init__(self) -> None:
        """Load the model."""
        self._names = json.loads((FOLDER / "class_names.json").read_text())
        self._size = json.loads((FOLDER / "preprocess.json").read_text())["size"]
        self._interpreter = Interpreter(str(FOLDER / "model.tflite"), num_threads=1)
        self._interpreter.allocate_tensors()
        self._takes = self._interpreter.get_input_details()[0]["index"]
        self._gives = self._interpreter.get_output_details()[0]["index"]

    def tags(self, texts: list[str]) -> list[list[str]]:
        """Name each picture."""
        return [[self._names[int(np.argmax(self._run(text)))]] for text in texts]

    def _run(self, text: str) -> np.ndarray:
        image = Image.open(io.BytesIO(base64.b64decode(text)))
        image.draft("RGB", (2 * self._size, 2 * self._size))
        image = image.convert("RGB")
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        square = image.resize((self._size, self._size), Image.Resampling.BICUBIC, box=box)
        self._interpreter.set_tensor(self._takes, np.asarray(square, np.float32)[None])
        self._interpreter.invoke()
        return self._interpreter.get_tensor(self._gives)[0]
