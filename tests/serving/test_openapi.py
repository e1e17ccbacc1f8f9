"""openapi.json says what is required, every shape of an answer, and how a refusal looks."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
from served_model_support import RED, Client, b64

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
    asked = {
        (name, one["name"]): one["required"]
        for name, told in operations(schema).items()
        for one in told["parameters"]
        if one["in"] == "query"
    }
    assert asked["post /v1/feedback", "label"] is True
    assert not any(asked[name] for name in asked if name[0] != "post /v1/feedback")


@pytest.mark.parametrize(
    ("name", "query", "images"),
    [("one picture", "", 1), ("several pictures", "", 2), ("tags=1", "?tags=1", 1),
     ("explain=1", "?explain=1", 1), ("partial=1", "?partial=1", -2)],
)  # fmt: skip
def test_every_shape_of_an_answer_has_its_example(
    client: Client, name: str, query: str, images: int
) -> None:
    told = operations(client.get("/openapi.json").json)["post /v1/classify"]
    examples = told["responses"]["200"]["content"]["application/json"]["examples"]
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


def test_a_refusal_is_told_in_the_shape_and_type_that_it_comes_in(client: Client) -> None:
    told = operations(client.get("/openapi.json").json)
    assert all(one["responses"]["default"]["content"] for one in told.values())
    for path in ("/v1/classify", "/classify", "/model/predict"):
        refused = client.post(path, b"", {"Content-Type": "application/json"})
        ((kind, content),) = told[f"post {path}"]["responses"]["default"]["content"].items()
        assert refused.headers["content-type"].partition(";")[0] == kind
        assert shape(refused.json) == shape(content["example"])
