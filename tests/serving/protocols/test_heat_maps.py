"""Heat maps over a real socket: what /v1/explain draws and ?explain=1 adds."""

import base64
import io
import json
import os
import shutil
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from support.served_model import FORM, GREEN, RED, Client, b64, encoded, form

from sceneset.checksums import hash_files
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
PNG = {"Content-Type": "image/png"}


def halves(width: int = 60, height: int = 40, **more: Any) -> bytes:  # noqa: ANN401  Pillow's options
    """Return a JPEG whose left half is red and whose right half is blue."""
    pixels = np.full((height, width, 3), (20, 20, 240), np.uint8)
    pixels[:, : width // 2] = (240, 20, 20)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=95, subsampling=0, **more)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    """Return the halves with an EXIF orientation: as stored they lie on their side."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    return halves(exif=exif.tobytes())


def opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    assert image.format == "PNG"
    return image


def map_of(explained: dict[str, Any]) -> NDArray[np.uint8]:
    head, _, text = explained["heatmap"].partition(",")
    assert head == "data:image/png;base64"
    return np.asarray(opened(base64.b64decode(text, validate=True)))


def test_each_class_lights_up_its_own_half_of_the_overlay(client: Client) -> None:
    plain = np.asarray(Image.open(io.BytesIO(halves())), np.int16)
    for name, seen, other in (
        ("Red", slice(12, 28), slice(34, 48)),
        ("blue", slice(34, 48), slice(12, 28)),
    ):
        answer = client.post(f"/v1/explain?label={name}", halves(), PNG)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/png")
        drawn = np.asarray(opened(answer.body), np.int16)
        assert drawn.shape == plain.shape
        changed = np.abs(drawn - plain).mean(axis=(0, 2))
        assert changed[seen].mean() > changed[other].mean() + 10


@pytest.mark.parametrize("ask", ["", "?label=red"])
def test_bytes_a_form_and_json_give_the_same_overlay(client: Client, ask: str) -> None:
    path = f"/v1/explain{ask}"
    first = client.post(path, RED, PNG)
    assert opened(first.body).size == (60, 40)
    for body, headers in (
        (form({"image": ("a.png", RED)}), FORM),
        ({"image": b64(RED)}, {}),
        ([f"data:image/png;base64,{b64(RED)}"], {}),
    ):
        assert client.post(path, body, headers).body == first.body


def test_a_turned_picture_is_drawn_upright_and_a_large_one_within_the_limit(client: Client) -> None:
    for orientation, size in ((1, (60, 40)), (6, (40, 60)), (3, (60, 40))):
        assert opened(client.post("/v1/explain", turned(orientation), PNG).body).size == size
    large = client.post("/v1/explain", encoded(size=(3200, 1000)), PNG)
    assert opened(large.body).size == (1600, 500)
    assert opened(client.post("/v1/explain", encoded(size=(1, 9000)), PNG).body).size == (1, 1600)


def test_every_answer_of_several_has_its_map_and_a_bad_picture_its_error(client: Client) -> None:
    images = {"images": [b64(halves(80, 40)), "junk!", b64(GREEN)]}
    first, bad, last = client.post("/v1/classify?explain=1&partial=1&tags=1", images).json
    assert (bad["index"], bad["reason"]) == (1, "not_base64")
    assert [one["explain"]["label"] for one in (first, last)] == ["red", "green"]
    assert last["explain"]["score"] == last["labels"][0]["score"]
    assert last["tags"] == ["Green"]
    heat = map_of(first["explain"])
    assert heat.shape == (40, 80)
    assert heat[:, 22:36].min() > 200  # seen
    assert heat[:, 44:].max() < 60
    assert heat[:, :18].max() == 0  # cut off before the model saw it
    refused = client.post("/v1/classify?explain=1", images)
    assert (refused.status, refused.json["index"]) == (400, 1)


def test_asking_for_a_map_changes_no_label_and_a_class_can_be_chosen(client: Client) -> None:
    plain = client.post("/v1/classify", RED, PNG).json
    assert client.post("/v1/classify?explain=0", RED, PNG).json == plain
    answer = client.post("/v1/classify?explain=1&label=BLUE", RED, PNG).json
    assert answer["labels"] == plain
    assert answer["explain"]["label"] == "blue"
    assert map_of(answer["explain"]).max() == 0  # nothing in a red picture speaks for blue


@pytest.mark.parametrize(
    ("path", "word"),
    [
        ("/v1/explain?label=pink", "'label' is none"),
        ("/v1/explain?label=", "'label' is none"),
        ("/v1/classify?explain=1&label=pink", "'label' is none"),
        ("/v1/classify?label=red", "add explain=1"),
        ("/v1/classify?explain=2", "explain must be 1 or 0"),
    ],
)
def test_a_strange_class_or_switch_is_named(client: Client, path: str, word: str) -> None:
    answer = client.post(path, RED, PNG)
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert word in answer.json["detail"]
    assert b"pink" not in answer.body


def test_one_overlay_is_of_one_picture(client: Client) -> None:
    for body in ([b64(RED)] * 2, []):
        assert "one picture" in client.post("/v1/explain", body).json["detail"]
    assert client.post("/v1/explain", [b64(RED)] * 9).status == 413
    assert client.post("/v1/explain", b"junk", PNG).json["title"] == "not a picture"


@given(st.binary(max_size=60) | st.just(halves()[:300]), st.sampled_from(["explain", "classify?explain=1"]))  # fmt: skip
@budget(max_examples=30, deadline=None)
def test_no_bytes_get_a_500(client: Client, data: bytes, path: str) -> None:
    assert client.post(f"/v1/{path}", data, PNG).status < 500


def test_a_bundle_that_cannot_explain_says_so_and_still_classifies(
    serve: Serve, model: Path
) -> None:
    folder = model / "1"
    (folder / "head.npz").unlink()
    record = {"format": 1, "files": hash_files(folder, without="bundle.json")}
    (folder / "bundle.json").write_text(json.dumps(record))
    with serve(ServeSettings(model=model, workers=1, watch=0)) as client:
        assert client.get("/v1/model").json["explain"] is False
        for path in ("/v1/explain", "/v1/classify?explain=1"):
            answer = client.post(path, RED, PNG)
            assert (answer.status, answer.json["title"]) == (409, "no heat maps")
        assert client.post("/v1/classify", RED, PNG).status == 200


def test_files_altered_after_the_start_are_not_explained_with(serve: Serve, model: Path) -> None:
    with serve(ServeSettings(model=model, workers=1, watch=0)) as client:
        with (model / "1" / "head.npz").open("ab") as file:
            file.write(b"x")
        assert client.post("/v1/explain", RED, PNG).status == 503
        (model / "1" / "explain.tflite").unlink()
        assert client.post("/v1/classify?explain=1", RED, PNG).status == 503
        assert client.post("/v1/classify", RED, PNG).status == 200


def test_nothing_is_loaded_before_a_map_is_asked_for_and_reloads_start_anew(
    serve: Serve, model: Path, write_bundle: Callable[[Path, list[str]], Path]
) -> None:
    with serve(ServeSettings(model=model, workers=2, watch=0)) as client:
        client.post("/v1/classify", RED, PNG)
        first = client.service.model.explainer
        assert first._loaded is None
        assert client.post("/v1/explain", RED, PNG).status == 200
        assert first._loaded is not None
        write_bundle(model / "2", ["rouge", "vert", "bleu"])
        (model / "link").symlink_to("2")
        (model / "link").rename(model / "current")
        assert client.service.reloader.reload()
        shutil.rmtree(model / "1")
        assert client.service.model.explainer._loaded is None
        answer = client.post("/v1/classify?explain=1&label=rouge", RED, PNG).json
        assert answer["explain"]["label"] == "rouge"
        assert client.post("/v1/explain?label=red", RED, PNG).status == 400


def test_maps_wait_in_the_same_queue_and_have_the_same_deadline(serve: Serve, model: Path) -> None:
    with serve(ServeSettings(model=model, workers=1, watch=0, queue=1, deadline=0.4)) as client:
        gate = threading.Event()
        client.service.model.explainer.load_in = lambda _thread: gate.wait(10)
        late: list[int] = []

        def ask() -> None:
            late.append(client.post("/v1/explain", RED, PNG).status)

        asking = threading.Thread(target=ask)
        asking.start()
        while not client.service.queue.pending:
            os.sched_yield()
        full = client.post("/v1/classify?explain=1", RED, PNG)
        assert (full.status, full.headers["retry-after"]) == (503, "1")
        asking.join()
        gate.set()
        assert late == [504]


def test_the_schema_tells_of_both(client: Client) -> None:
    paths = client.get("/openapi.json").json["paths"]
    content = paths["/v1/explain"]["post"]["responses"]["200"]["content"]
    assert content == {"image/png": {"schema": {"type": "string", "format": "binary"}}}
    names = [one["name"] for one in paths["/v1/classify"]["post"]["parameters"]]
    assert {"explain", "label"} <= set(names)
    assert b"Answers image/png" in client.get("/docs").body


def test_the_limits_of_pictures_and_bodies_hold_for_maps_too(serve: Serve, model: Path) -> None:
    settings = ServeSettings(model=model, workers=1, watch=0)
    with serve(replace(settings, max_megapixels=0.002, max_body_mb=0.01)) as client:
        assert client.post("/v1/explain", RED, PNG).status == 413
        assert client.post("/v1/explain", b"x" * 20_000, PNG).status == 413
