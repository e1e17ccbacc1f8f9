"""More pictures than a request may hold, and tensors of anything but numbers, cost nothing."""

import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import numpy as np
import pytest
from support.served_model import Client

from serving.http.errors import HTTPError
from serving.http.tensors import parse_flat_pixels, parse_pixels

NINE = [""] * 9
V2 = {"name": "image", "datatype": "BYTES", "shape": [9]}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/classify", NINE),
        ("/classify", {"images": NINE}),
        ("/v1/classify", NINE),
        ("/v1/classify", {"images": NINE}),
        ("/v1/classify", {"inputs": NINE}),
        ("/cnvrg/predict", {"img": [5] * 9}),
        ("/cnvrg/predict", {"img": [{}] * 9}),
        ("/v1/models/colours:predict", {"instances": [{"b64": ""}] * 9}),
        ("/v1/models/colours:predict", {"inputs": NINE}),
        ("/v2/models/colours/infer", {"inputs": [V2 | {"data": NINE}]}),
        ("/v2/models/colours/infer", {"inputs": [V2 | {"data": [NINE]}]}),
    ],
    ids=range(11),
)
def test_nine_pictures_where_eight_are_taken_are_413(
    client: Client, path: str, body: object
) -> None:
    assert client.post(path, body).status == 413


@contextmanager
def memory_peak() -> Iterator[list[int]]:
    """Give the most bytes that were held at once while the block ran."""
    peak: list[int] = []
    tracemalloc.start()
    try:
        yield peak
        peak.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()


def test_too_many_pictures_are_refused_before_anything_is_built_of_one(client: Client) -> None:
    body = b"[" + b"0," * 200_000 + b"0]"
    for path in ("/v1/classify", "/classify"):
        with memory_peak() as peak:
            assert client.post(path, body, {"Content-Type": "application/json"}).status == 413
        assert peak[0] < 8_000_000  # the body twice and its list; an object for each is 10 MB more


@pytest.mark.parametrize("read", [lambda v: parse_pixels(v, 2, 3), lambda v: parse_flat_pixels(v, [1, 2, 2, 3], 2, 3)])  # fmt: skip
@pytest.mark.parametrize(
    ("value", "status"),
    [
        (["x" * 1_000_000, *[""] * 30], 400),
        ([1, "x"], 400),
        ([[1, None]], 400),
        ([[1], 2], 400),
        ([{}], 400),
        ([[[[[[[[[[1]]]]]]]]]], 400),
        ([0] * 37, 413),
        ([[0] * 19] * 2, 413),
        ([[]] * 37, 413),
    ],
    ids=range(9),
)
def test_a_tensor_is_refused_before_numpy_sees_it(
    read: Callable[[object], object], value: object, status: int
) -> None:
    with memory_peak() as peak, pytest.raises(HTTPError) as refusal:
        read(value)
    assert refusal.value.status == status
    assert peak[0] < 1_000_000  # numpy gives each text the room of the longest, 4 MB


def test_as_many_numbers_as_a_request_may_hold_are_taken() -> None:
    assert parse_pixels(np.ones((3, 2, 2, 3)).tolist(), 2, 3).shape == (3, 2, 2, 3)
    assert parse_flat_pixels([1.0] * 36, [3, 2, 2, 3], 2, 3).shape == (3, 2, 2, 3)
