"""Make random requests with hypothesis: every protocol's JSON, damaged pictures, odd forms."""

import gzip
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from hypothesis import strategies as st

from bench.support.odd_pictures import (
    JPEG,
    RED,
    WEBP,
    b64,
    bad_crc,
    bomb,
    deep_grey,
    encoded,
    form,
    frames,
    noise,
)

NAMES = (
    *("images", "img", "input_params", "instances", "inputs", "b64", "name", "base_64_content"),
    *("shape", "datatype", "data", "outputs", "id", "signature_name", "parameters", "top_k"),
    *("image", "base64", "probabilities", "label", "binary_data"),
)
CODINGS = ("gzip", "deflate", "br", "identity", "nonsense, gzip")
KINDS = (
    *("application/json", "application/json; charset=utf-16", "image/png", "image/jpeg"),
    *("image/webp", "multipart/form-data", "multipart/form-data; boundary=a", "text/plain"),
    *("application/octet-stream", "application/x-www-form-urlencoded", "", "a/b; c=\xff"),
)
QUERIES = (
    *("", "", "?partial=1", "?explain=1", "?explain=1&partial=1&tags=1", "?top=3", "?top=0"),
    *("?top=99999999999", "?confidence=1", "?label=Beach", "?label=%00&explain=1", "?%ff=%fe&&&"),
)


@dataclass(frozen=True)
class Sent:
    """One request with a body."""

    path: str
    body: bytes
    headers: Mapping[str, str]
    chunked: bool = False


def paths(model: str) -> tuple[str, ...]:
    """Return the paths of every protocol that takes a body."""
    return (
        *("/classify", "/classify/", "/api/v1/endpoints/x", "/cnvrg/predict", "/model/predict"),
        *("/v1/classify", "/v1/explain", "/v1/feedback"),
        *(f"/v1/models/{model}:predict", f"/v1/models/{model}/versions/1:predict"),
        *(f"/v2/models/{model}/infer", f"/v2/models/{model}/versions/1/infer"),
    )


WHOLE = (RED, JPEG, WEBP, encoded("JPEG", mode="CMYK"), encoded(mode="P"), frames("PNG"),
         deep_grey(), noise("PNG"), noise("WEBP"), encoded("JPEG", progressive=True))  # fmt: skip
PICTURES = (*WHOLE, bad_crc(), bomb(3000))


def _damage(picture: bytes, places: list[tuple[int, int]], keep: int) -> bytes:
    data = bytearray(picture[: max(1, len(picture) * keep // 100)])
    for place, value in places:
        data[place % len(data)] = value
    return bytes(data)


DAMAGED = st.builds(
    _damage,
    st.sampled_from(PICTURES),
    st.lists(st.tuples(st.integers(0, 20_000), st.integers(0, 255)), max_size=8),
    st.sampled_from((100, 100, 100, 90, 50, 5)),
)
TEXTS = DAMAGED.map(b64) | st.builds(
    lambda kind, data: f"data:{kind};base64,{b64(data)}",
    st.sampled_from(("image/jpeg", "image/PNG", "image/webp", "image/gif", "text/html", "")),
    DAMAGED,
)
LEAVES = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | TEXTS
    | st.sampled_from(("BYTES", "FP32", "UINT8", "serving_default", "base64", "probabilities"))
)  # fmt: skip
VALUES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=4)
    ),
    max_leaves=10,
)
ENTRIES = st.lists(TEXTS | LEAVES, max_size=5)
SIDES = st.integers(-1, 5) | st.sampled_from((10**6, 10**30, 160, 3, 1.0))
TENSORS = st.fixed_dictionaries(
    {
        "name": st.just("image") | st.text(max_size=5),
        "shape": st.lists(SIDES, max_size=5),
        "datatype": st.sampled_from(("BYTES", "FP32", "UINT8", "INT64", "")),
        "data": ENTRIES | st.lists(st.lists(TEXTS, max_size=2), max_size=3) | VALUES,
    }
)


def _within(value: object, name: str) -> dict[str, object]:
    return {name: value}


SHAPED = st.one_of(
    ENTRIES,
    st.builds(_within, ENTRIES, st.sampled_from(("images", "inputs", "instances", "img", "image"))),
    st.builds(_within, TEXTS, st.sampled_from(("image", "inputs", "b64", "instances"))),
    st.builds(
        lambda rows, names: {names[0]: [{names[1]: row} for row in rows]},
        ENTRIES,
        st.tuples(st.sampled_from(("instances", "inputs", "img")), st.sampled_from(NAMES)),
    ),
    st.builds(lambda rows, kind: {"instances": rows, "signature_name": kind}, ENTRIES, LEAVES),
    st.builds(lambda rows: {"input_params": {"img": rows}}, ENTRIES),
    st.builds(
        lambda tensors, more: {"inputs": tensors} | more,
        st.lists(TENSORS, max_size=2),
        st.dictionaries(st.sampled_from(("id", "outputs", "parameters")), VALUES, max_size=2),
    ),
    VALUES,
)


def _json_bytes(value: object, encoding: str) -> bytes:
    return json.dumps(value).encode(encoding, "surrogatepass")


JSON_BODIES = st.builds(
    _json_bytes, SHAPED, st.sampled_from(("utf-8", "utf-8", "utf-8", "utf-8-sig", "utf-16"))
)


def _cut(body: bytes, share: int, tail: bytes) -> bytes:
    return body[: len(body) * share // 100] + tail


def _form(fields: list[tuple[str, str | None, bytes]], boundary: str, share: int) -> bytes:
    made = form({name: (file, data) for name, file, data in fields}, boundary)
    return _cut(made, share, b"")


BOUNDARIES = st.sampled_from(
    ("a", "xyz", "-" * 70, "a b", "'()+_,./:=?", "x" * 300, "\u00e9", "--", '"q"')
)
FIELDS = st.lists(
    st.tuples(
        st.sampled_from(("image", "file", "", 'a"b', "\u00fc", "x" * 500)),
        st.none() | st.sampled_from(("a.jpg", "", "../../x", "a\u0000b")),
        DAMAGED | st.binary(max_size=40),
    ),
    max_size=4,
)
SHARES = st.sampled_from((100, 100, 100, 99, 50, 10))


@st.composite
def forms(draw: st.DrawFn, model: str) -> Sent:
    """Make a form, whole or cut, whose header may name another boundary."""
    boundary = draw(BOUNDARIES)
    body = _form(draw(FIELDS), boundary, draw(SHARES))
    named = draw(st.sampled_from((boundary, f'"{boundary}"', "other", "")))
    kind = f"multipart/form-data; boundary={named}"
    path = draw(st.sampled_from(("/model/predict", "/v1/classify", *paths(model))))
    return Sent(path + draw(st.sampled_from(QUERIES)), body, {"Content-Type": kind})


BODIES = (
    JSON_BODIES
    | JSON_BODIES
    | DAMAGED
    | st.binary(max_size=300)
    | st.builds(_cut, JSON_BODIES, SHARES, st.sampled_from((b"", b"}", b"\x00", b"]]")))
)
HEADERS = st.dictionaries(
    st.sampled_from(
        (
            *("X-API-Key", "Authorization", "Cnvrg-Api-Key", "X-Request-ID", "Origin", "Accept"),
            *("Sec-Fetch-Site", "Inference-Header-Content-Length", "Range", "Expect", "Cookie"),
            *("If-None-Match", "X-Forwarded-For", "Content-Language", "Upgrade", "Te"),
        )
    ),
    st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
    | st.sampled_from(("Bearer ", "Bearer x", "null", "same-origin", "100-continue", "websocket")),
    max_size=2,
)


def _body_of(texts: list[str], name: str) -> object:
    """Return the body that a protocol wants, by a word of its path."""
    tensor = {"name": "image", "shape": [len(texts)], "datatype": "BYTES", "data": texts}
    bodies: dict[str, object] = {
        "classify": {"images": texts},
        "endpoints": {
            "input_params": {"img": [{"name": "a", "base_64_content": one} for one in texts]}
        },
        "predict": {"instances": [{"b64": one} for one in texts]},
        "infer": {"inputs": [tensor]},
        "explain": {"image": texts[0]},
    }
    return bodies[name]


@st.composite
def well_formed(draw: st.DrawFn, model: str) -> Sent:
    """Make a request as a protocol wants it, with whole or damaged pictures."""
    path, name = draw(
        st.sampled_from(
            (
                *(("/classify", "classify"), ("/v1/classify", "classify")),
                *(("/v1/explain", "explain"), ("/api/v1/endpoints/x", "endpoints")),
                *((f"/v1/models/{model}:predict", "predict"),),
                *((f"/v2/models/{model}/infer", "infer"),),
            )
        )
    )
    whole = st.sampled_from(PICTURES).map(b64)
    texts = draw(st.lists(whole | whole | TEXTS, min_size=1, max_size=4))
    query = draw(st.sampled_from(("", "?partial=1", "?explain=1&partial=1", "?top=2&tags=1")))
    query = query if path == "/v1/classify" else ""
    body = json.dumps(_body_of(texts, name)).encode()
    return Sent(path + query, body, {"Content-Type": "application/json"})


@st.composite
def requests(draw: st.DrawFn, model: str) -> Sent:
    """Make a request of any protocol with a body of any kind."""
    kind = draw(st.integers(0, 9))
    if kind < 2:  # noqa: PLR2004  a fifth of them
        return draw(forms(model))
    if kind < 6:  # noqa: PLR2004  two fifths
        return draw(well_formed(model))
    body, headers = draw(BODIES), dict(draw(HEADERS))
    headers["Content-Type"] = draw(st.sampled_from(KINDS))
    if draw(st.integers(0, 19)) == 0:
        coding = draw(st.sampled_from(CODINGS))
        packed = {"gzip": gzip.compress(body), "deflate": zlib.compress(body)}.get(coding, body)
        body, headers["Content-Encoding"] = packed, coding
    path = draw(st.sampled_from(paths(model))) + draw(st.sampled_from(QUERIES))
    return Sent(path, body, headers, chunked=draw(st.integers(0, 9)) == 0)
