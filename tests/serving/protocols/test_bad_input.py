"""What is no good picture or body gets the right 4xx, never a 500, and never comes back."""

import io
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from PIL import Image
from support.drawing import grey_jpeg
from support.heic import HALVES
from support.odd_pictures import (
    JPEG,
    bad_crc,
    bomb,
    deep_grey,
    frames,
    inflated_text,
    middle_damaged,
    zipped,
)
from support.served_model import RED, WEBP, Client, b64, encoded

from sceneset.files.heic import is_installed
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
NO_PICTURE = "Entry in 'images' list is not a base64 image"
NO_FORMAT = "Unsupported file extension. Use .jpg or .png"
NO_MODE = "Unsupported color mode. Accepted: RGB, RGBA and CMYK"
NO_LIST = "Bad format: 'images' parameter must be a list"


BODIES = [
    (b"", None), (b"{", None), (b'{"images": NaN}', None), (b"[" * 200_000, None),
    ('{"images": []}'.encode("utf-16"), None), (b"5", NO_LIST), (b'"x"', NO_LIST),
    (b"{}", "Missing parameter 'images'"), (b"null", "Missing parameter 'images'"),
    *((json.dumps({"images": value}).encode(), NO_LIST) for value in ("x", {}, None, 5)),
]  # fmt: skip


@pytest.mark.parametrize(("body", "words"), BODIES, ids=range(len(BODIES)))
def test_bodies_that_are_no_list_of_pictures(
    client: Client, body: bytes, words: str | None
) -> None:
    answer = client.post("/classify", body, {"Content-Type": "text/plain"})
    assert answer.status == 400
    assert words in (None, answer.json["detail"])


@pytest.mark.parametrize(
    "entry",
    [5, None, [], "", "a-_b", "abc", "\u00e9", "data:text/html;base64,YWJj", b64(b"hello, world"),
     b64(b"<html>"), b64(b"\xff\xd8\xff"), b64(JPEG[:300]), b64(RED[:60]), b64(bad_crc()),
     b64(inflated_text())],
    ids=range(15),
)  # fmt: skip
def test_entries_that_are_no_picture_are_named_by_their_index(
    client: Client, entry: object
) -> None:
    answer = client.post("/classify", {"images": [b64(RED), entry]})
    assert (answer.status, answer.json) == (400, {"detail": NO_PICTURE, "index": 1})


@pytest.mark.parametrize(
    ("picture", "documented", "native"),
    [
        (WEBP, NO_FORMAT, 200), (frames("GIF"), NO_FORMAT, 200), (frames("WEBP"), NO_FORMAT, 200),
        (encoded(kind="BMP"), NO_FORMAT, 200), (encoded(kind="TIFF"), NO_FORMAT, 400),
        (encoded(kind="ICO"), NO_FORMAT, 400), (encoded(kind="PPM"), NO_FORMAT, 400),
        (encoded(kind="AVIF"), NO_FORMAT, 400), (encoded(kind="EPS"), NO_FORMAT, 400),
        (encoded(kind="PDF"), NO_FORMAT, 400), (zipped() + JPEG, NO_FORMAT, 400),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", NO_FORMAT, 400),
        (encoded(mode="L"), NO_MODE, 200), (encoded(mode="LA"), NO_MODE, 200),
        (encoded(mode="P"), NO_MODE, 200), (encoded(mode="1"), NO_MODE, 200), (deep_grey(), NO_MODE, 200),
        (frames("PNG"), None, 200), (JPEG + zipped(), None, 200), (encoded(mode="RGBA"), None, 200),
        (encoded(kind="JPEG", mode="CMYK"), None, 200), (encoded(size=(1, 1)), None, 200),
        (encoded(size=(1, 20000)), None, 200), (encoded(kind="JPEG", size=(65500, 10)), None, 200),
        (middle_damaged(), None, 200),
    ],
    ids=range(25),
)  # fmt: skip
def test_other_formats_and_modes(
    client: Client, picture: bytes, documented: str | None, native: int
) -> None:
    answer = client.post("/classify", {"images": [b64(picture)]})
    if documented:
        assert (answer.status, answer.json) == (400, {"detail": documented, "index": 0})
    else:
        assert answer.status == 200
    assert client.post("/v1/classify", picture, {"Content-Type": "image/png"}).status == native


def test_a_heic_is_taken_by_our_own_routes_or_what_it_needs_is_said(client: Client) -> None:
    told = "HEIC: install sceneset[heic]"
    for kind in ("image/heic", "image/jpeg", "application/octet-stream"):
        answer = client.post("/v1/classify", HALVES, {"Content-Type": kind})
        assert answer.status == (200 if is_installed() else 400)
        assert is_installed() or answer.json["detail"] == told
    uri = f"data:image/heic;base64,{b64(HALVES)}"
    answer = client.post("/v1/classify?partial=1", {"images": [b64(RED), uri]})
    assert is_installed() or answer.json[1]["error"] == told
    assert answer.status == 200
    documented = client.post("/classify", [b64(HALVES)])
    assert documented.json == {"detail": NO_FORMAT, "index": 0}


def test_photographs_of_200_megapixels_are_answered_and_larger_ones_name_the_option(
    serve: Serve, model: Path
) -> None:
    kind = {"Content-Type": "image/jpeg"}
    with serve(ServeSettings(model=model, watch=0)) as client:
        assert client.post("/v1/classify", grey_jpeg(16_320, 12_240), kind).status == 200
        large = client.post("/v1/classify", grey_jpeg(18_300, 13_700), kind)
        whole = client.post("/v1/classify", bomb(7000), kind)
    limit = "18300 x 13700 px, the limit is 250 megapixels: --max-megapixels"
    assert (large.status, large.json["detail"]) == (413, f"The picture is too large: {limit}")
    assert (whole.status, "at most 40: save it smaller" in whole.json["detail"]) == (413, True)


@pytest.mark.parametrize("side", [12_000, 20_000, 2**31 - 1])
def test_bombs_are_refused_by_their_header_alone(client: Client, side: int) -> None:
    answer = client.post("/v1/classify", bomb(side), {"Content-Type": "image/png"})
    assert answer.status in (400, 413)
    assert client.post("/classify", [b64(bomb(side))]).status in (400, 413)
    assert client.service.metrics.decode_seconds  # a header is read before any pixel


@pytest.mark.parametrize("orientation", range(2, 9))
def test_orientation_is_applied_as_in_training(client: Client, orientation: int) -> None:
    picture = Image.new("RGB", (60, 40), "#f02010")
    exif = picture.getexif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", exif=exif)
    assert client.post("/classify", [b64(buffer.getvalue())]).json == {"tags": [["Red"]]}


def test_deep_grey_is_scaled_and_not_clipped(client: Client) -> None:
    def shares(picture: bytes) -> list[float]:
        found = client.post("/v1/classify", picture, {"Content-Type": "image/png"}).json
        return sorted(one["score"] for one in found)

    assert shares(deep_grey()) == pytest.approx(shares(encoded("white")), abs=1e-4)


def test_the_last_of_two_keys_counts_and_lines_of_76_columns_are_taken(client: Client) -> None:
    lines = "\\r\\n".join(b64(RED)[k : k + 76] for k in range(0, len(b64(RED)), 76))
    answer = client.post("/classify", f'{{"images": 5, "images": ["{lines}"]}}'.encode())
    assert answer.json == {"tags": [["Red"]]}


def test_too_many_pictures_and_bodies_over_the_limit_are_413(client: Client) -> None:
    many = client.post("/classify", [b64(RED)] * 9)
    assert (many.status, "8 pictures" in many.json["detail"]) == (413, True)
    head = b"POST /v1/classify HTTP/1.1\r\nHost: x\r\n"
    answer = client.raw(head + b"Content-Length: 300000000\r\n\r\n", b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 413")
    chunk = b"20000\r\n" + bytes(0x20000) + b"\r\n"
    head += b"Transfer-Encoding: chunked\r\n\r\n"
    assert client.raw(head + chunk * 17, b"\r\n\r\n").startswith(b"HTTP/1.1 413")


def test_other_media_types_are_415_on_the_plain_route(client: Client) -> None:
    for kind in ("text/html", "application/xml", "\u00e9"):
        assert client.post("/v1/classify", RED, {"Content-Type": kind}).status == 415


@pytest.mark.parametrize("query", ["top=0", "top=x", "top=-1", "partial=maybe", "tags=%00"])
def test_wrong_words_of_the_query_are_400(client: Client, query: str) -> None:
    answer = client.post(f"/v1/classify?{query}", RED, {"Content-Type": "image/png"})
    assert answer.status == 400
    assert answer.headers["content-type"] == "application/problem+json"
