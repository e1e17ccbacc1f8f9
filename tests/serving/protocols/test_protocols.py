"""One process answers six client contracts, over a real socket."""

import numpy as np
import pytest
from support.served_model import FORM, GREEN, RED, WEBP, Client, b64, form

SIX = ["/classify", "/classify/"]
ARRAY = np.full((32, 32, 3), (240, 32, 16)).tolist()


@pytest.mark.parametrize("path", SIX)
def test_gallery_clients_get_tags_with_or_without_the_slash(client: Client, path: str) -> None:
    images = [b64(RED), f"data:image/png;base64,{b64(GREEN)}"]
    for body in ({"images": images}, images):
        answer = client.post(path, body)
        assert (answer.status, answer.json) == (200, {"tags": [["Red"], ["Green"]]})
    assert client.post(path, []).json == {"tags": []}


def test_platform_clients_get_five_labels_per_named_picture(client: Client) -> None:
    body: object = {"img": [{"name": "3.jpg", "base_64_content": b64(RED)}, b64(GREEN)]}
    for sent in (body, {"input_params": body}):
        first, second = client.post("/api/v1/endpoints/gjtymx", sent).json["prediction"]
        assert first == {"labels": ["red", "green", "blue"], "name": "3.jpg"}
        assert second["labels"][0] == "green"
    odd = {"img": [{"name": "a\ud800\n" + "b" * 999, "base_64_content": b64(RED)}]}
    assert client.post("/cnvrg/predict", odd).json["prediction"][0]["name"] == "a" + "b" * 252
    sure = client.post("/cnvrg/predict?confidence=1", body).json["prediction"][0]["confidence"]
    assert sure[0] > 0.9 > sure[1]


def test_tensorflow_serving_clients_get_rows_or_columns(client: Client) -> None:
    path = "/v1/models/colours:predict"
    rows: list[object] = [{"b64": b64(RED)}, {"image": {"b64": b64(GREEN)}}]
    found = client.post(path, {"instances": rows}).json["predictions"]
    assert np.argmax(found, axis=1).tolist() == [0, 1]
    for instances in ([ARRAY], [{"image": ARRAY}]):
        array = client.post(path, {"instances": instances}).json["predictions"]
        assert array[0] == pytest.approx(found[0], abs=1e-6)
    for inputs in ({"image": {"b64": b64(RED)}}, [{"b64": b64(RED)}], {"image": [ARRAY]}):
        column = client.post(path, {"signature_name": "serving_default", "inputs": inputs})
        assert column.json["outputs"][0] == pytest.approx(found[0], abs=1e-6)
    for name, one in (("bytes", {"image_bytes": {"b64": b64(RED)}}), ("base64", b64(RED))):
        answer = client.post(path, {"signature_name": name, "instances": [one]}).json
        assert answer["predictions"][0] == found[0]
    versioned = client.post("/v1/models/colours/versions/1:predict", {"instances": rows})
    assert versioned.json["predictions"] == found
    state = client.get("/v1/models/colours").json["model_version_status"][0]
    assert (state["version"], state["state"]) == ("1", "AVAILABLE")
    signature = client.get("/v1/models/colours/metadata").json["metadata"]["signature_def"]
    assert signature["signature_def"]["serving_default"]["inputs"]["image"]["dtype"] == "DT_FLOAT"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/models/other:predict", {"instances": []}, 404),
        ("/v1/models/colours/versions/9:predict", {"instances": []}, 404),
        ("/v1/models/colours:classify", {}, 404),
        ("/v1/models/colours/versions/1:regress", {}, 404),
        ("/v1/models/colours", {}, 405),
        ("/v1/models/colours:predict", {}, 400),
        ("/v1/models/colours:predict", {"instances": [], "inputs": []}, 400),
        ("/v1/models/colours:predict", {"instances": {}}, 400),
        ("/v1/models/colours:predict", {"instances": [[1, 2]]}, 400),
        ("/v1/models/colours:predict", {"instances": [[[[1, 2, 3]], [[1]]]]}, 400),
        ("/v1/models/colours:predict", {"instances": [[[["a"]]]]}, 400),
        ("/v1/models/colours:predict", {"instances": [1e300]}, 400),
        ("/v1/models/colours:predict", {"instances": [[[[1e300] * 3] * 32] * 32]}, 400),
        ("/v1/models/colours:predict", {"instances": [{"b64": 5}, ARRAY]}, 400),
        ("/v1/models/colours:predict", {"signature_name": [], "instances": []}, 400),
    ],
)
def test_tensorflow_serving_errors_have_its_shape(
    client: Client, path: str, body: object, status: int
) -> None:
    answer = client.post(path, body)
    assert answer.status == status
    assert list(answer.json) == ["error"]


def test_other_verbs_of_tensorflow_serving_are_refused_by_name(client: Client) -> None:
    answer = client.post("/v1/models/colours:classify", {"examples": []})
    assert answer.json == {"error": "Only :predict is served"}
    assert not any("verb" in path for path in client.get("/openapi.json").json["paths"])


def tensor(kind: str, shape: list[int], data: object) -> dict[str, object]:
    return {
        "id": "7",
        "inputs": [{"name": "image", "datatype": kind, "shape": shape, "data": data}],
    }


def test_open_inference_clients_send_encoded_pictures_or_pixels(client: Client) -> None:
    path = "/v2/models/colours/infer"
    encoded = client.post(path, tensor("BYTES", [2], [b64(RED), b64(WEBP)])).json
    assert (encoded["model_name"], encoded["id"]) == ("colours", "7")
    shares, labels = encoded["outputs"]
    assert (shares["shape"], labels["data"]) == ([2, 3], ["red", "red"])
    flat = np.array(ARRAY).ravel().tolist()
    for kind, data in (("FP32", flat), ("UINT8", flat), ("FP32", [ARRAY])):
        pixels = client.post(path, tensor(kind, [1, 32, 32, 3], data)).json["outputs"]
        assert pixels[0]["data"] == pytest.approx(shares["data"][:3], abs=1e-6)
    only = tensor("BYTES", [1], [b64(RED)]) | {"outputs": [{"name": "label"}]}
    assert [o["name"] for o in client.post(path, only).json["outputs"]] == ["label"]
    for about in ("/v2", "/v2/health/live", "/v2/health/ready", "/v2/models/colours/ready"):
        assert client.get(about).status == 200
    assert client.get("/v2/models/colours").json["outputs"][0]["shape"] == [-1, 3]


@pytest.mark.parametrize(
    "body",
    [{}, {"inputs": []}, {"inputs": [5]}, tensor("BYTES", [3], ["x"]), tensor("BYTES", [1], ["x"]),
     tensor("INT64", [1], [1]), tensor([], [1], [1]), tensor("FP32", [1, 2, 2, 3], [0] * 12),  # type: ignore[arg-type]
     tensor("FP32", [10**6, 32, 32, 3], [0]), tensor("FP32", [], []), tensor("FP32", [True], [0]),
     tensor("UINT8", [1, 32, 32, 3], [256] * 3072), tensor("UINT8", [1, 32, 32, 3], [0.5] * 3072),
     tensor("BYTES", [0], []) | {"outputs": [{"name": []}]}],
    ids=range(14),
)  # fmt: skip
def test_open_inference_refuses_other_tensors(client: Client, body: object) -> None:
    answer = client.post("/v2/models/colours/infer", body)
    assert answer.status == 400
    assert list(answer.json) == ["error"]


def test_model_exchange_clients_send_a_form(client: Client) -> None:
    answer = client.post("/model/predict", form({"image": ("a.png", GREEN)}), FORM)
    first = answer.json["predictions"][0]
    assert (answer.json["status"], first["label_id"], first["label"]) == ("ok", "1", "green")
    assert client.get("/model/labels").json["labels"][2] == {"id": "2", "name": "blue"}
    assert client.get("/model/metadata").json["name"] == "colours"
    for body, headers, status in ((b"x", {}, 415), (form({"other": ("a", RED)}), FORM, 400),
                                  (form({"image": ("a", RED)})[:-9], FORM, 400)):  # fmt: skip
        bad = client.post("/model/predict", body, headers)
        assert (bad.status, bad.json["status"]) == (status, "error")


@pytest.mark.parametrize("kind", ["image/png", "application/octet-stream", "", "application/x-www-form-urlencoded"])  # fmt: skip
def test_plain_clients_send_the_bytes(client: Client, kind: str) -> None:
    answer = client.post("/v1/classify?top=2", RED, {"Content-Type": kind})
    assert [one["label"] for one in answer.json] == ["red", "green"]
    assert answer.json[0]["score"] > 0.9


@pytest.mark.parametrize("body", [b'{"images": []}', b' [""]'])
def test_json_that_is_sent_as_a_picture_is_told_the_type_to_send(
    client: Client, body: bytes
) -> None:
    sent = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.post("/v1/classify", body, sent)
    assert (answer.status, answer.json["title"]) == (400, "not a picture")
    assert answer.json["detail"].endswith("for JSON send Content-Type: application/json")


def test_plain_clients_send_forms_and_json(client: Client) -> None:
    path = "/v1/classify"
    one = client.post(path, form({"a": ("a.png", RED), "note": (None, b"hello")}), FORM).json
    assert (len(one), one[0]["label"]) == (3, "red")
    two = client.post(path, form({"a": ("a.png", RED), "b": ("b.png", GREEN)}), FORM).json
    assert [found[0]["label"] for found in two] == ["red", "green"]
    assert client.post(path, {"image": b64(WEBP)}).json[0]["label"] == "red"
    assert client.post(path, [b64(RED)]).json[0][0]["label"] == "red"
    limited = client.post(path, {"inputs": b64(RED), "parameters": {"top_k": 1}}).json
    assert len(limited) == 1
    tagged = client.post(f"{path}?tags=1", {"images": [b64(GREEN)]}).json[0]
    assert (tagged["tags"], len(tagged["labels"])) == (["Green"], 3)


def test_partial_answers_name_each_bad_picture_and_whole_ones_the_first(client: Client) -> None:
    images = {"images": [b64(RED), "junk!", b64(GREEN), b64(b"junk")]}
    partial = client.post("/v1/classify?partial=1", images).json
    assert [isinstance(one, list) for one in partial] == [True, False, True, False]
    assert (partial[1]["index"], partial[3]["reason"]) == (1, "not_a_picture")
    whole = client.post("/v1/classify", images)
    assert (whole.status, whole.json["index"]) == (400, 1)
    assert whole.headers["content-type"] == "application/problem+json"
    assert (
        client.post("/v1/classify?partial=1", b"junk", {"Content-Type": "image/png"}).status == 400
    )
