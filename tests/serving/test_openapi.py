"""openapi.json says what is required, every shape of an answer, and how a refusal looks."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from support.schema import fits
from support.served_model import RED, Client, b64

from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]


def operations(schema: Any) -> dict[str, Any]:  # noqa: ANN401  any JSON value
    """Return the operations by method and path."""
    return {
        f"{method} {path}": one
        for path, methods in schema["paths"].items()
        for method, one in methods.items()
    }


def shape(value: Any) -> object:  # noqa: ANN401  any JSON value
    """Return a value's names, with the shapes of the first of each list."""
    if isinstance(value, dict):
        return {name: shape(one) for name, one in value.items()}
    return [shape(value[0])] if isinstance(value, list) else type(value).__name__


def test_the_class_of_feedback_is_required_and_other_words_are_not(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    settings = ServeSettings(model=model, feedback=tmp_path / "f.jsonl", workers=1, watch=0)
    with serve(settings) as client:
        schema = client.get("/openapi.json").json
        assert client.post("/v1/feedback", RED).status == 400
    required = {
        (name, one["name"]): one["required"]
        for name, described in operations(schema).items()
        for one in described["parameters"]
        if one["in"] == "query"
    }
    assert required["post /v1/feedback", "label"] is True
    assert not any(required[name] for name in required if name[0] != "post /v1/feedback")


@pytest.mark.parametrize(
    ("name", "query", "images"),
    [("one picture", "", 1), ("several pictures", "", 2), ("tags=1", "?tags=1", 1),
     ("explain=1", "?explain=1", 1), ("partial=1", "?partial=1", -2)],
)  # fmt: skip
def test_every_shape_of_an_answer_has_its_example(
    client: Client, name: str, query: str, images: int
) -> None:
    described = operations(client.get("/openapi.json").json)["post /v1/classify"]
    examples = described["responses"]["200"]["content"]["application/json"]["examples"]
    pictures = [b64(RED)] * abs(images)
    if images < 0:
        pictures[-1] = "?"
    sent = {"image": pictures[0]} if images == 1 else {"images": pictures}
    answer, example = client.post(f"/v1/classify{query}", sent).json, examples[name]["value"]
    assert shape(answer) == shape(example)
    if images < 0:
        assert shape(answer[-1]) == shape(example[-1])
    assert set(examples) == {"one picture", "several pictures", "tags=1", "explain=1", "partial=1"}
    assert name in client.get("/docs").body.decode()


@pytest.mark.parametrize(
    ("path", "body", "kind", "status"),
    [
        ("/v1/classify", b"", "application/json", 400),
        ("/v1/classify", b"", "text/html", 415),
        ("/v1/classify", [b64(RED), "?"], "application/json", 400),
        ("/classify", ["?"], "application/json", 400),
        ("/classify", bytes(2_000_001), "application/json", 413),
        ("/model/predict", b"", "application/json", 415),
        ("/v1/models/other:predict", {}, "application/json", 404),
        ("/v2/models/other/infer", {}, "application/json", 404),
    ],
)
def test_a_refusal_is_told_with_its_status_type_and_schema(
    client: Client, path: str, body: object, kind: str, status: int
) -> None:
    described = operations(client.get("/openapi.json").json)
    refused = client.post(path, body, {"Content-Type": kind})
    assert refused.status == status
    template = path.replace("/other", "/{name}")
    (content,) = described[f"post {template}"]["responses"][str(status)]["content"].items()
    assert refused.headers["content-type"].partition(";")[0] == content[0]
    assert fits(refused.json, content[1]["schema"])
    assert fits(content[1]["example"], content[1]["schema"])


def test_every_json_answer_is_as_its_schema_says(client: Client) -> None:
    for name, described in operations(client.get("/openapi.json").json).items():
        method, path = name.split()
        path = path.replace("{name}", "colours").replace("{version}", "1").replace("{slug}", "x")
        taken = described.get("requestBody", {"content": {}})["content"].get("application/json")
        if method == "post" and taken is None:
            continue
        # The document's own example is a picture that every contract takes.
        answer = client.ask(method.upper(), path, taken and taken["example"])
        assert answer.status == 200, name
        ((kind, content),) = described["responses"]["200"]["content"].items()
        assert answer.headers["content-type"].partition(";")[0] == kind
        if kind == "application/json":
            assert fits(answer.json, content["schema"]), name
            assert fits(taken["example"], taken["schema"]) if taken else True


@pytest.mark.parametrize("query", ["tags=1", "explain=1&tags=true", "partial=1", "top=1"])
@pytest.mark.parametrize("body", [{"image": b64(RED)}, {"inputs": [b64(RED)] * 2}, [b64(RED), "?"]])
def test_answers_of_every_shape_are_as_the_schema_says(
    client: Client, query: str, body: object
) -> None:
    described = operations(client.get("/openapi.json").json)["post /v1/classify"]
    answer = client.post(f"/v1/classify?{query}", body)
    ((_, content),) = described["responses"][str(answer.status)]["content"].items()
    assert fits(answer.json, content["schema"])


@pytest.mark.parametrize(
    ("path", "body", "fitting"),
    [
        ("/classify", {"images": "x"}, False), ("/classify", ["x"], True), ("/classify", 5, False),
        ("/api/v1/endpoints/{slug}", {"img": ["x"], "input_params": 5}, False),
        ("/api/v1/endpoints/{slug}", {"img": [{"name": "a"}]}, False),
        ("/api/v1/endpoints/{slug}", {"input_params": {"img": [{"base_64_content": "x"}]}}, True),
        ("/v1/models/{name}:predict", {"instances": [], "inputs": []}, False),
        ("/v1/models/{name}:predict", {"instances": [{"b64": "x"}]}, True),
        ("/v1/models/{name}:predict", {"inputs": [], "signature_name": "other"}, False),
        ("/v2/models/{name}/infer", {"inputs": []}, False),
        ("/v1/classify", {"image": 5}, False), ("/v1/classify", {"inputs": "x"}, True),
        ("/v1/classify", {"image": b64(RED), "parameters": {"top_k": "0"}}, False),
    ],
)  # fmt: skip
def test_what_no_contract_takes_does_not_fit_its_schema(
    client: Client, path: str, body: object, *, fitting: bool
) -> None:
    described = operations(client.get("/openapi.json").json)[f"post {path}"]
    schema = described["requestBody"]["content"]["application/json"]["schema"]
    assert fits(body, schema) == fitting
    if not fitting:
        required = path.replace("{slug}", "x").replace("{name}", "colours")
        assert client.post(required, body).status == 400


def test_the_statuses_of_a_route_are_those_it_may_refuse_with(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text("k\n")
    (tmp_path / "keys").chmod(0o600)
    settings = ServeSettings(
        model=model, api_key_file=tmp_path / "keys", workers=1, watch=0, ui="none"
    )
    with serve(settings) as client:
        described = operations(client.get("/openapi.json").json)
    statuses = {name: " ".join(one["responses"]) for name, one in described.items()}
    assert statuses["post /v1/classify"] == "200 400 401 403 408 409 413 415 421 503 504"
    assert statuses["post /v2/models/{name}/infer"] == "200 400 401 403 404 408 413 421 503 504"
    assert statuses["get /healthz"] == "200 421"
    assert statuses["get /v1/model"] == "200 401 421"
    assert statuses["get /readyz"] == "200 421 503"
