"""Where a class is seen, on pictures whose answer is known."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sceneset.bundle.gradcam import blend
from sceneset.bundle.reader import open_bundle
from sceneset.checksums import hash_files
from sceneset.errors import DamagedDataError, MissingInputError, SettingsError, UsageError
from sceneset.images import fit, to_array
from serving.commands.classify import Source, classify, overlay_paths
from serving.inference.explainer import Explainer
from serving.settings import ClassifySettings

RED, BLUE = (240, 20, 20), (20, 20, 240)


def halves(width: int = 60, height: int = 40) -> Image.Image:
    """Draw a picture whose left half is red and whose right half is blue."""
    pixels = np.full((height, width, 3), BLUE, np.uint8)
    pixels[:, : width // 2] = RED
    return Image.fromarray(pixels)


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def seen_by_the_model(image: Image.Image) -> NDArray[np.uint8]:
    """Return the square of 32 px that the model sees of a picture."""
    return to_array(fit(image, 32))


def resign(folder: Path) -> None:
    """Write the hashes anew, as an export of other files would."""
    record = {"format": 1, "files": hash_files(folder, without="bundle.json")}
    (folder / "bundle.json").write_text(json.dumps(record))


def test_the_map_lies_on_the_half_that_shows_the_class(model: Path) -> None:
    explainer = Explainer(open_bundle(model), workers=1)
    for label, seen, other in ((0, slice(0, 2), slice(2, 4)), (2, slice(2, 4), slice(0, 2))):
        found = explainer.explain(seen_by_the_model(halves()), label)
        assert found.heat.shape == (4, 4)
        assert found.label == label
        assert found.heat[:, seen].min() > 0.9
        assert found.heat[:, other].max() == 0


def test_without_a_class_the_most_probable_one_is_explained(model: Path) -> None:
    blue = seen_by_the_model(Image.new("RGB", (50, 50), BLUE))
    found = Explainer(open_bundle(model), workers=1).explain(blue)
    assert found.label == 2
    logits = np.array(BLUE) * 8 / 255
    assert found.probability == pytest.approx(np.exp(logits[2]) / np.exp(logits).sum(), abs=1e-5)


def test_the_overlay_has_the_pictures_size_and_shows_what_was_cut_off_as_unseen(
    model: Path,
) -> None:
    explainer = Explainer(open_bundle(model), workers=1)
    grey = Image.new("RGB", (120, 40), (128, 128, 128))
    grey.paste(RED, (50, 0, 70, 40))
    picture = explainer.overlay(png(grey), seen_by_the_model(grey), 0)
    drawn = np.asarray(picture, np.int16)
    assert drawn.shape == (40, 120, 3)
    unseen = blend(np.asarray(grey), np.zeros((40, 120), np.float32)).astype(np.int16)
    changed = np.abs(drawn - unseen).max(axis=2)
    assert changed[:, :38].max() <= 4
    assert changed[:, 82:].max() <= 4
    assert changed[:, 56:64].min() > 30


def test_each_picture_gets_its_own_overlay_and_is_never_written_over(
    model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "pictures"
    for name in ("a.png", "deep/a.png", "b.explained.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(png(halves()))
    (folder / "broken.png").write_bytes(b"no picture")
    settings = ClassifySettings(model=model, explain=folder, explain_class="BLUE")
    named = folder / "b.explained.jpg"  # a folder's own are left out, this one is asked for
    outcome = classify(str(folder), str(named), settings=settings)
    assert outcome.exit_code == 3
    summary: Any = outcome.summary
    written = [one["explained"] for one in summary["predictions"] if "labels" in one]
    names = ["a.explained.jpg", "a-2.explained.jpg", "b.explained.explained.jpg"]
    assert [Path(one).name for one in written] == names
    sizes = [Image.open(io.BytesIO(Path(path).read_bytes())).size for path in written]
    assert sizes == [(60, 40)] * 3
    assert named.read_bytes() == png(halves())
    assert not (folder / "broken.explained.jpg").exists()


def test_names_are_told_apart_and_kept_short(tmp_path: Path) -> None:
    sources = [Source("x/a.png"), Source("y/a.jpg"), Source("z" * 250 + ".png")]
    names = [path.name for path in overlay_paths(sources, tmp_path)]
    assert names[:2] == ["a.explained.jpg", "a-2.explained.jpg"]
    assert len(names[2]) < 250
    (cut,) = overlay_paths([Source("x" + "ü" * 120 + ".png")], tmp_path)
    assert cut.name == "x" + "ü" * 99 + ".explained.jpg"


def test_a_second_run_explains_the_same_pictures(model: Path, pictures: Path) -> None:
    settings = ClassifySettings(model=model, explain=pictures)
    first = classify(str(pictures), settings=settings)
    second = classify(str(pictures), settings=settings)
    assert second.summary["predictions"] == first.summary["predictions"]
    assert second.summary["passed_over"]["written by --explain"] == 3
    flat = classify(f"{pictures}/*.*g", settings=settings)
    assert len(flat.summary["predictions"]) == 2  # type: ignore[arg-type]
    assert len(list(pictures.rglob("*.jpg"))) == 3


def test_what_cannot_be_explained_is_refused_before_any_picture(
    model: Path, pictures: Path, tmp_path: Path
) -> None:
    with pytest.raises(SettingsError, match="--explain-class 'red' explains nothing"):
        ClassifySettings(explain_class="red")
    strange = ClassifySettings(model=model, explain=tmp_path / "o", explain_class="pink")
    with pytest.raises(UsageError, match="'pink' is no class"):
        classify(str(pictures), settings=strange)
    onto = ClassifySettings(model=model, explain=pictures / "a.png" / "o")
    with pytest.raises(UsageError, match="is a file"):
        classify(str(pictures), settings=onto)
    assert not (tmp_path / "o").exists()
    unmade = ClassifySettings(model=model, explain=Path("/proc/x"))
    with pytest.raises(UsageError, match="--explain /proc/x cannot be made"):
        classify(str(pictures), settings=unmade)


def test_a_bundle_without_what_explains_says_so(model: Path) -> None:
    folder = model / "1"
    (folder / "head.npz").unlink()
    resign(folder)
    with pytest.raises(MissingInputError, match=r"has no head\.npz"):
        Explainer(open_bundle(model)).load()


def test_a_head_that_does_not_fit_is_damaged(model: Path) -> None:
    folder = model / "1"
    np.savez(folder / "head.npz", kernel_0=np.eye(4), bias_0=np.zeros(4))
    resign(folder)
    with pytest.raises(DamagedDataError, match="do not fit"):
        Explainer(open_bundle(model)).load()
    (folder / "head.npz").write_bytes(b"no archive")
    resign(folder)
    with pytest.raises(DamagedDataError, match="cannot be read"):
        Explainer(open_bundle(model)).load()
