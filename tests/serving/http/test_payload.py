import base64
import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from serving.http.errors import HTTPError
from serving.http.payload import (
    JPEG_PNG_WEBP,
    as_list,
    as_object,
    decode_base64,
    parse_json,
    parse_switch,
    parse_whole_number,
)

PICTURE = b"\xff\xd8\xff some bytes \x00\x01"
TEXT = base64.b64encode(PICTURE).decode()


def reason(call: object, *given: object) -> str:
    assert callable(call)
    with pytest.raises(HTTPError) as caught:
        call(*given)
    assert caught.value.status == 400
    return caught.value.reason


@given(st.binary(min_size=1, max_size=300))
@settings(max_examples=50, deadline=None)
def test_what_is_encoded_comes_back_also_in_lines_and_as_a_data_uri(data: bytes) -> None:
    text = base64.b64encode(data).decode()
    assert decode_base64(text) == data
    assert decode_base64(base64.encodebytes(data).decode()) == data
    assert decode_base64(f" data:image/PNG;base64,{text}\r\n") == data


@given(st.text(max_size=80))
@settings(max_examples=100, deadline=None)
def test_any_text_is_decoded_or_refused(text: str) -> None:
    with suppress(HTTPError):
        assert decode_base64(text)


@pytest.mark.parametrize(
    "value",
    [None, 5, ["x"], {"b64": TEXT}, "", "  \n", "data:image/jpeg;base64,", "abc", "abc=def=", "a-_b",
     TEXT[:-1], f"{TEXT}\u00a0", "YWJj\u00e9", "====", f"data:text/html;base64,{TEXT}",
     f"data:image/png,{TEXT}", f"data:;base64,{TEXT}", f"data:{TEXT}"],
)  # fmt: skip
def test_other_values_are_not_base64_pictures(value: object) -> None:
    assert reason(decode_base64, value) == "not_base64"


def test_a_data_uri_may_name_only_the_formats_of_the_contract() -> None:
    uri = f"data:image/webp;base64,{TEXT}"
    assert reason(decode_base64, uri) == "unsupported_format"
    assert decode_base64(uri, JPEG_PNG_WEBP) == PICTURE


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"{'a': 1}", b'{"images": NaN}', b"[Infinity]", b"[-Infinity]", b"[" * 200_000,
     b'{"a":' * 100_000, '{"images": []}'.encode("utf-16"), '{"images": []}'.encode("utf-32"),
     b"\xff\xfe", b"1" * 5000, b"[1] 2", b'"\x00"'],
    ids=range(14),
)  # fmt: skip
def test_bodies_that_are_no_json_are_refused(body: bytes) -> None:
    assert reason(parse_json, body) == "bad_json"


def test_a_byte_order_mark_is_dropped_and_the_last_of_two_keys_counts() -> None:
    assert parse_json(b'\xef\xbb\xbf{"a": 1, "a": 2}') == {"a": 2}


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=9))
@settings(max_examples=50, deadline=None)
def test_json_comes_back(value: object) -> None:
    assert (
        parse_json(json.dumps(value, ensure_ascii=False).encode("utf-8", "replace")) is not Ellipsis
    )
    assert parse_json(json.dumps(value).encode()) == value


def test_shapes_and_switches_are_checked() -> None:
    assert as_object({"a": 1}, "x") == {"a": 1}
    assert as_list([1], "x") == [1]
    assert reason(as_object, [], "x") == reason(as_list, {}, "x") == "bad_format"
    assert [parse_whole_number(t, 3, 36, "top") for t in (None, "1", "007", "99")] == [3, 1, 7, 36]
    for text in ("", "0", "-1", "1.5", "x", "9" * 5000, "\u0663"):
        assert reason(parse_whole_number, text, 3, 36, "top") == "bad_format"
    assert [parse_switch(t, "partial") for t in (None, "0", "1", "", "true")] == [
        False,
        False,
        True,
        True,
        True,
    ]
    assert reason(parse_switch, "maybe", "partial") == "bad_format"
