"""Bodies nobody thought of get an answer below 500."""

import json

from hypothesis import given, settings
from hypothesis import strategies as st
from served_model_support import RED, Client, b64

PATHS = ["/classify", "/api/v1/endpoints/x", "/v1/models/colours:predict", "/v2/models/colours/infer",
         "/model/predict", "/v1/classify"]  # fmt: skip
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


@given(st.sampled_from(PATHS), VALUES | st.binary(max_size=200), st.sampled_from(["application/json", "multipart/form-data; boundary=a", "image/png"]))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_no_body_gets_a_500(client: Client, path: str, body: object, kind: str) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    answer = client.post(path, data, {"Content-Type": kind})
    assert answer.status < 500, (path, body)
    assert answer.headers["x-request-id"]
