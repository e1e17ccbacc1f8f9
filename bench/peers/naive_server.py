"""Answer /classify the way it is usually written: FastAPI and `model.predict` for each picture.

BUNDLE names the bundle's folder; --port as for uvicorn.
"""

import base64
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import uvicorn
from fastapi import FastAPI
from PIL import Image
from pydantic import BaseModel

FOLDER = Path(os.environ["BUNDLE"])
NAMES = json.loads((FOLDER / "class_names.json").read_text())
SIZE = json.loads((FOLDER / "preprocess.json").read_text())["size"]
MODEL = keras.models.load_model(FOLDER / "model.keras")
app = FastAPI()


class Pictures(BaseModel):
    """The request's body."""

    images: list[str]


@app.post("/classify")
def classify(body: Pictures) -> dict[str, Any]:
    """Name each picture by itself."""
    tags = []
    for text in body.images:
        image = Image.open(io.BytesIO(base64.b64decode(text))).convert("RGB")
        array = keras.utils.img_to_array(image)
        square = keras.preprocessing.image.smart_resize(array, (SIZE, SIZE))
        shares = MODEL.predict(np.expand_dims(square, 0), verbose=0)[0]
        tags.append([NAMES[int(np.argmax(shares))]])
    return {"tags": tags}


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[sys.argv.index("--port") + 1]), log_level="warning")
