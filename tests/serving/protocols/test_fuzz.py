"""Bodies nobody thought of get an answer below 500."""

import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.odd_pictures import JPEG, bad_crc, bomb, deep_grey, frames, inflated_text
from support.served_model import RED, WEBP, Client, b64, encoded

PATHS = ["/classify", "/api/v1/endpoints/x", "/v1/models/colours:predict", "/v2/models/colours/infer",
         "/model/predict", "/v1/classify", "/v1/classify?explain=1&partial=1", "/v1/explain"]  # fmt: skip
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just(b64(RED)[:40]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                [
                    "images",
                    "img",
                    "input_params",
                    "instances",
                    "inputs",
                    "b64",
                    "name",
                    "base_64_content",
                    "shape",
                    "datatype",
                    "data",
                    "outputs",
                    "id",
                    "signature_name",
                    "parameters",
                    "top_k",
                    "image",
                ]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


KINDS = ["application/json", "multipart/form-data; boundary=a", "image/png", "text/plain", ""]


def damaged(picture: bytes, places: list[tuple[int, int]]) -> bytes:
    found = bytearray(picture)
    for place, value in places:
        found[place % len(found)] = value
    return bytes(found)


PLACES = st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), max_size=8)
DAMAGED = st.builds(damaged, st.sampled_from([RED, JPEG, WEBP]), PLACES)
BODIES = VALUES | st.binary(max_size=200) | DAMAGED | DAMAGED.map(lambda data: [b64(data)])


def check(client: Client, path: str, body: object, kind: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(path, data, {"Content-Type": kind})
    assert answer.status < 500, (path, body)
    assert answer.headers["x-request-id"]


@given(st.sampled_from(PATHS), BODIES, st.sampled_from(KINDS))
@settings(max_examples=60, deadline=None)
def test_no_body_gets_a_500(client: Client, path: str, body: object, kind: str) -> None:
    check(client, path, body, kind)


@pytest.mark.slow
@given(st.sampled_from(PATHS), BODIES, st.sampled_from(KINDS))
@settings(max_examples=10_000, deadline=None)
def test_none_of_ten_thousand_bodies_gets_a_500(
    client: Client, path: str, body: object, kind: str
) -> None:
    check(client, path, body, kind)


def resident_mb() -> float:
    status = Path("/proc/self/status").read_text()
    return int(re.findall(r"VmRSS:\s+(\d+)", status)[0]) / 1024


@pytest.mark.slow
def test_hostile_pictures_leave_no_memory_behind(client: Client) -> None:
    hostile = [bomb(12_000), bomb(20_000), inflated_text(), deep_grey(), bad_crc(), JPEG[:300],
               frames("GIF"), frames("PNG"), encoded(size=(1, 20_000)), b"", b"junk" * 9]  # fmt: skip

    def send() -> None:
        for picture in hostile:
            client.post("/v1/classify", picture, {"Content-Type": "image/png"})
            client.post("/classify", [b64(picture)])

    send()
    before = resident_mb()
    for _ in range(20):
        send()
    assert resident_mb() - before < 50
