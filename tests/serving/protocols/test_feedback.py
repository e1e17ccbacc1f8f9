"""What people say about wrong answers is kept, within limits."""

import hashlib
import json
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from support.served_model import FORM, RED, Client, b64, form

from sceneset.errors import MissingInputError, SettingsError
from serving.http.errors import HTTPError
from serving.protocols.feedback import FeedbackFile
from serving.settings import ServeSettings

Serve = Callable[[ServeSettings], AbstractContextManager[Client]]
PNG = {"Content-Type": "image/png"}


def test_a_remark_is_one_line_with_the_pictures_hash(
    serve: Serve, model: Path, tmp_path: Path
) -> None:
    file = tmp_path / "feedback.jsonl"
    with serve(ServeSettings(model=model, feedback=file, workers=1, watch=0)) as client:
        assert client.get("/v1/model").json["feedback"] is True
        assert client.post("/v1/feedback?label=blue", RED, PNG).json == {"noted": True}
        assert client.post("/v1/feedback?label=blue", RED, PNG).status == 200
        sent = form({"file": ("a.png", RED)})
        assert client.post("/v1/feedback?label=blue", sent, FORM).json == {"noted": True}
        assert client.post("/v1/feedback?label=blue", {"image": b64(RED)}).json == {"noted": True}
        assert client.post("/v1/feedback?label=blue", [b64(RED)] * 2).status == 400
        assert client.post("/v1/feedback?label=blue", {"image": "?"}).status == 400
        assert client.post("/v1/feedback?label=pink", RED, PNG).status == 400
        unlabelled = client.post("/v1/feedback", RED, PNG)
        assert (unlabelled.status, unlabelled.json["detail"]) == (400, "Missing parameter 'label'")
        assert client.post("/v1/feedback?label=blue", b"junk", PNG).status == 400
        lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert [line["label"] for line in lines] == ["blue"] * 4
    assert {line["sha256"] for line in lines} == {hashlib.sha256(RED).hexdigest()}
    assert (lines[0]["predicted"], lines[0]["version"]) == ("red", "1")


def test_there_is_no_feedback_unless_a_file_is_named(client: Client) -> None:
    assert client.post("/v1/feedback?label=blue", RED, PNG).status == 404
    assert client.get("/v1/model").json["feedback"] is False


def test_a_full_file_takes_no_more_and_stays_whole(tmp_path: Path) -> None:
    path = tmp_path / "f.jsonl"
    file = FeedbackFile(path, largest=40)
    file.add({"label": "a" * 10})
    with pytest.raises(HTTPError) as caught:
        file.add({"label": "b" * 20})
    assert caught.value.status == 503
    assert path.read_text() == '{"label": "aaaaaaaaaa"}\n'
    with pytest.raises(MissingInputError):
        FeedbackFile(tmp_path / "no" / "f.jsonl")
    with pytest.raises(SettingsError, match="is no file"):
        FeedbackFile(tmp_path)
