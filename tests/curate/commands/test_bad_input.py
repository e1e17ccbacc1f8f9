"""What curate does with the worst that it can be given: a verdict or a reason, never a crash."""

import io
import os
import resource
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.curate import Adopt, Classes, rows_of, run, sha, splits_of, tree
from support.drawing import draw_jpeg

from sceneset.dataset import Dataset
from sceneset.errors import DamagedDataError
from sceneset.manifest.store import Manifest

ROOT = Path(__file__).resolve().parents[3]
PIXELS = np.random.default_rng(5).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def saved(image: Image.Image, name: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, name, **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def drawing(seed: int = 40) -> Image.Image:
    return Image.open(io.BytesIO(draw_jpeg(seed))).convert("RGB")


def bomb() -> bytes:
    """Return a PNG of a few hundred kB that says 60,000 x 60,000 px."""
    data = bytearray(saved(Image.new("1", (8, 8)), "PNG"))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    return bytes(data)


def deep(top: int) -> bytes:
    steps = np.asarray(drawing(41).convert("L"), np.uint16).astype(np.uint32) * top // 255
    return saved(Image.fromarray(steps.astype(np.uint16)), "PNG")


def turned() -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return saved(drawing(42), "JPEG", exif=exif)


def animated() -> bytes:
    frames = [drawing(43), drawing(44)]
    return saved(frames[0], "WEBP", save_all=True, append_images=frames[1:], lossless=True)


GOOD: dict[str, Callable[[], bytes]] = {
    "16 bits": lambda: deep(65535),
    "16 bits, dark": lambda: deep(1500),
    "CMYK": lambda: saved(drawing(45).convert("CMYK"), "JPEG"),
    "alpha": lambda: saved(drawing(46).convert("RGBA"), "PNG"),
    "animation": animated,
    "EXIF turned": turned,
    "another format's name": lambda: saved(drawing(47), "BMP"),
}
BAD: dict[str, Callable[[], bytes]] = {
    "0 bytes": bytes,
    "truncated": lambda: draw_jpeg(48)[:900],
    "no picture": lambda: b"<html>not found</html>" * 9,
    "a bomb": bomb,
}


@pytest.mark.parametrize("kind", GOOD)
def test_unusual_pictures_are_kept(kind: str, adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes | {"A": [*two_classes["A"], GOOD[kind]()]})
    summary = run(dataset).summary
    assert (summary["kept"], summary["dropped"]) == (21, {})
    assert sha(GOOD[kind]()) in {row["sha256"] for row in rows_of(dataset)}


@pytest.mark.parametrize("kind", BAD)
def test_what_is_no_picture_is_dropped_with_a_reason(
    kind: str, adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes | {"A": [*two_classes["A"], BAD[kind]()]})
    summary = run(dataset).summary
    assert (summary["kept"], summary["dropped"]) == (20, {"broken": 1})
    assert {p.name for p in dataset.quarantine.iterdir()} == {"broken"}


def test_a_bomb_costs_no_memory(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes | {"A": [*two_classes["A"], bomb()]})
    tracemalloc.start()
    try:
        run(dataset)
        assert tracemalloc.get_traced_memory()[1] < 300_000_000
    finally:
        tracemalloc.stop()


def test_a_class_of_copies_only_trains_and_is_named(adopt: Adopt, two_classes: Classes) -> None:
    copies = [draw_jpeg(49) + bytes([k]) for k in range(30)]
    outcome = run(adopt(two_classes | {"C": copies, "D": []}))
    assert outcome.exit_code == 3
    assert outcome.summary["small_classes"] == ["C"]
    assert outcome.summary["classes_without_pictures"] == ["D"]
    assert outcome.summary["dropped"] == {"exact_duplicate": 29}


def test_names_with_spaces_and_unicode_work(adopt: Adopt, two_classes: Classes) -> None:
    names = dict(zip(("Café & Bar", "海 岸 🏖"), two_classes.values(), strict=True))
    dataset = adopt(names)
    assert run(dataset).exit_code == 0
    assert {row["class"] for row in rows_of(dataset)} == set(names)
    page = (dataset.report("curate") / "index.html").read_text(encoding="utf-8")
    assert "Café &amp; Bar" in page


def harm(dataset: Dataset, data: bytes, how: str) -> Path:
    path = next(dataset.raw.rglob(f"{sha(data)}.*"))
    if how == "missing":
        path.unlink()
    else:
        path.write_bytes(draw_jpeg(777) if how == "altered" else b"")
    return path


@pytest.mark.parametrize("how", ["missing", "altered", "emptied"])
@pytest.mark.parametrize("measured", [False, True], ids=["new", "measured before"])
def test_raw_files_harmed_behind_our_back_are_named_and_the_rest_goes_on(
    how: str, *, measured: bool, adopt: Adopt, two_classes: Classes
) -> None:
    dataset, victim = adopt(two_classes), two_classes["A"][0]
    if measured:
        run(dataset)
        before = splits_of(dataset)
        # The only one in val or test would make another one move there.
        victim = next(d for d in two_classes["A"] if before[sha(d)] == "train")
    path = harm(dataset, victim, how)
    outcome = run(dataset)
    assert outcome.exit_code == DamagedDataError.exit_code == 5
    assert path.name in outcome.problem
    assert outcome.summary["damaged"] == [path.relative_to(dataset.root).as_posix()]
    assert (outcome.summary["kept"], outcome.summary["dropped"]) == (19, {"broken": 1})
    page = (dataset.report("curate") / "index.html").read_text()
    assert path.name in page
    if measured:
        after = splits_of(dataset)
        assert after == {s: split for s, split in before.items() if s in after}
    path.write_bytes(victim)
    again = run(dataset)
    assert (again.exit_code, again.summary["kept"]) == (0, 20)


def test_a_set_with_too_few_whole_files_is_damaged_data(adopt: Adopt, two_classes: Classes) -> None:
    dataset = adopt(two_classes)
    run(dataset)
    before = tree(dataset.current)
    for data in two_classes["A"]:
        harm(dataset, data, "missing")
    with pytest.raises(DamagedDataError, match="10 raw files"):
        run(dataset)
    assert tree(dataset.current) == before


def test_a_disk_that_fills_up_in_the_middle_loses_nothing(
    adopt: Adopt, two_classes: Classes
) -> None:
    dataset = adopt(two_classes)
    run(dataset, size=64)
    before, raw = tree(dataset.current), tree(dataset.raw)
    # Room for the manifest and its journal, none for a picture of half a megabyte.
    limit = dataset.manifest_path.stat().st_size + 200_000

    def no_larger_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    command = [sys.executable, "cli.py", "curate", "--dataset", str(dataset.root)]
    options = ["--size", "2048", "--executor", "serial", "--json", "--quiet"]
    ended = subprocess.run(
        [*command, *options],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        preexec_fn=no_larger_files,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 73, ended.stderr
    assert "Traceback" not in ended.stderr
    assert (tree(dataset.current), tree(dataset.raw)) == (before, raw)
    with Manifest(dataset.manifest_path) as manifest:
        assert manifest.runs("curate")[-1].outcome == "failed"
    assert run(dataset, size=64).summary["published"] is False
