"""/docs speaks of the model in service, and its lines of curl work as they stand."""

import html
import re
import shlex
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from support.served_model import FORM, RED, Answer, Client, form

from serving.pages import ModelFacts, curl_line, fill
from serving.protocols.contract import Route
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
FACTS = ModelFacts("my model", "7", 3, "it's {name} & co", 32)


def run(line: str, client: Client) -> Answer:
    """Do what curl does with a line's options."""
    words = shlex.split(line)[1:]
    address, options = words.pop(), dict(zip(words[::2], words[1::2], strict=True))
    path = address.removeprefix(f"http://127.0.0.1:{client.port}")
    assert path.startswith("/"), address
    if "-d" in options:
        name, _, value = options["-H"].partition(": ")
        return client.post(path, options["-d"].encode(), {name: value})
    if "-F" in options:
        name, _, file = options["-F"].partition("=")
        return client.post(path, form({name: (file, RED)}), FORM)
    return client.post(path, RED) if "--data-binary" in options else client.get(path)


def test_a_line_of_curl_for_every_contract_works_as_it_stands(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    settings = ServeSettings(model=model, feedback=tmp_path / "f.jsonl", workers=1, watch=0)
    with serve(settings) as client:
        page = client.get("/docs").body.decode()
        lines = re.findall(r"Try: <code>(.*?)</code>", page)
        assert len(lines) == page.count("<h2>") == 8
        for line in map(html.unescape, lines):
            assert run(line, client).status == 200, line


def test_the_examples_name_the_model_in_service_and_count_its_classes(client: Client) -> None:
    page = html.unescape(client.get("/docs").body.decode())
    assert not re.search(r"\bscenes\b|\b36\b|{(name|version|classes|label|size)}", page)
    for words in (
        "POST /v1/models/colours:predict", "GET /v2/models/colours/versions/1/ready",
        "Image classifier with 3 classes", '"classes": 3,', "[N, 32, 32, 3]", '{"b64": text}',
    ):  # fmt: skip
        assert words in page, words
    schema = client.get("/openapi.json").json["paths"]["/readyz"]["get"]["responses"]["200"]
    assert schema["content"]["application/json"]["example"]["classes"] == 3


def test_facts_stand_for_their_names_once_and_numbers_stay_numbers() -> None:
    example = {"{name}": ["{classes}", "{label}, {size} px", None, 5, "{other}"]}
    assert fill(example, FACTS) == {"{name}": [3, "it's {name} & co, 32 px", None, 5, "{other}"]}


def test_a_line_of_curl_quotes_names_and_holds_the_key() -> None:
    async def handler(*_: object) -> None: ...

    route = Route(
        method="POST", path="/v1/{name}/x", handler=handler, about="",  # type: ignore[arg-type]
        takes={"application/json": {"a": "it's"}}, query={"label": ""}, required=frozenset({"label"}),
    )  # fmt: skip
    line = curl_line((route,), FACTS, "http://h", ' -H "X-API-Key: $KEY"')
    words = shlex.split(line)
    assert words[1:3] == ["-H", "X-API-Key: $KEY"]
    assert words[-2:] == [
        '{"a": "it\'s"}',
        "http://h/v1/my%20model/x?label=it%27s%20%7Bname%7D%20%26%20co",
    ]
