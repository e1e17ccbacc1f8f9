"""Grad-CAM on a network trained on drawn shapes, each on one side of its picture."""

import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageDraw

from sceneset.manifest.store import Manifest
from sceneset.progress import Bars, Output
from sceneset.versions.published import MANIFEST_NAME, PublishedPicture, manifest_csv, version_id
from training.commands.train import train
from training.data.version import Example
from training.evaluation.predict import answer
from training.exports.explain import keras_explainer
from training.models.inference import load_model
from training.settings import TrainSettings

pytestmark = [
    pytest.mark.train,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]
SIZE = 48
NAMES = ("Disc", "Frame", "Stripes")


def draw(kind: int, rng: Random) -> tuple[Image.Image, bool]:
    """Draw a disc, a frame or stripes in the left or right half of noise; say whether right."""
    noise = np.random.default_rng(rng.randrange(2**31)).integers(90, 150, (SIZE, SIZE, 3))
    image = Image.fromarray(noise.astype(np.uint8))
    pen, right = ImageDraw.Draw(image), rng.random() < 0.5
    x, y, r = rng.randrange(10, 14) + (SIZE // 2 if right else 0), rng.randrange(14, 34), 8
    colour = tuple(rng.choice([0, 30, 225, 255]) for _ in range(3))
    if kind == 0:
        pen.ellipse((x - r, y - r, x + r, y + r), fill=colour)
    elif kind == 1:
        pen.rectangle((x - r, y - r, x + r, y + r), outline=colour, width=3)
    else:
        for left in range(x - r, x + r, 5):
            pen.line((left, y - r, left, y + r), fill=colour, width=2)
    return image, right


def publish(root: Path) -> dict[Path, bool]:
    """Publish 120 pictures a class; return which test pictures have their object at the right."""
    folder, rng, sides, rows = root / "curated" / "versions" / "1", Random(7), {}, []
    for label, name in enumerate(NAMES):
        for number in range(120):
            split = "test" if number < 20 else "val" if number < 40 else "train"
            path = folder / split / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            image, right = draw(label, rng)
            image.save(path)
            relative, digest = path.relative_to(folder).as_posix(), f"{len(rows):064x}"
            rows.append(
                PublishedPicture(relative, label, name, split, digest, "", 0, 0, "", "", "")
            )
            if split == "test":
                sides[path] = right
    (folder / MANIFEST_NAME).write_bytes(manifest_csv(rows))
    record = {"version": version_id(rows), "class_names": NAMES, "size": SIZE}
    (folder / "dataset.json").write_text(json.dumps(record))
    (root / "curated" / "current").symlink_to("versions/1")
    with Manifest(root / "manifest.db"):
        return sides


def test_the_mass_of_the_map_lies_on_the_side_of_the_object(tmp_path: Path) -> None:
    sides = publish(tmp_path / "data")
    settings = TrainSettings(
        dataset=tmp_path / "data", out=tmp_path / "m", backbone="small", weights="none",
        epochs=25, learning_rate=3e-3, export="litert",
    )  # fmt: skip
    train(settings=settings, output=Output(quiet=True))
    model = load_model(tmp_path / "m" / "current" / "model.keras")
    examples = [
        Example(tmp_path / "data" / "curated" / "current" / path.relative_to(path.parents[2]),
                NAMES.index(path.parent.name))
        for path in sides
    ]  # fmt: skip
    answers = answer(model, examples, SIZE, "crop", Bars(None).add("measuring"))
    right_answers = answers.probabilities.argmax(axis=1) == answers.labels
    assert right_answers.mean() > 0.8
    pictures = np.stack([np.asarray(Image.open(example.path)) for example in examples])
    explained = keras_explainer(model)(pictures)
    masses = []
    for heat, at_right, known in zip(explained, sides.values(), right_answers, strict=True):
        half = heat.shape[1] // 2
        mass = heat[:, half:] if at_right else heat[:, :half]
        if known:
            masses.append(mass.sum() / heat.sum())
    assert np.mean(masses) > 0.75
    assert np.mean(np.array(masses) > 0.5) > 0.9
