"""Answer `/v1/classify` and `/v1/explain`: bytes, a form or JSON in; labels or a heat map out."""

import base64
from dataclasses import dataclass

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import RefusalError
from serving.inference.engine import top_classes
from serving.inference.model import ServedModel
from serving.inference.service import Answers, Probabilities, Service
from serving.input.payload import WITH_WEBP, is_on, whole_number
from serving.protocols.asked import BODY, TAKES, read_asked
from serving.protocols.contract import (
    COUNT,
    EXAMPLE_PICTURE,
    JSON,
    SWITCH,
    TEXT,
    WHOLE_NUMBER,
    Dialect,
    Route,
    json_response,
    list_of,
    object_of,
    one_of_these,
    problem_response,
    shape_of,
)
from serving.protocols.heat_maps import label_asked, maps, overlays

PATH, EXPLAIN_PATH = "/v1/classify", "/v1/explain"
PNG = "image/png"
_LABELS = [{"label": "{label}", "score": 0.91}]
_MAP = {"label": "{label}", "score": 0.91, "heatmap": f"data:{PNG};base64,..."}
_BAD = {"index": 1, "error": "The bytes are not a picture", "reason": "not_a_picture"}
_ERROR = object_of({"index": COUNT, "error": TEXT, "reason": TEXT})
_MORE_TOLD = {"tags": list_of(TEXT), "explain": shape_of(_MAP)}
_ONE = one_of_these(shape_of(_LABELS), object_of({"labels": shape_of(_LABELS)}, _MORE_TOLD))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an answer holds beside labels, and which class is explained (None: the first)."""

    partial: bool
    tags: bool
    explain: bool
    label: int | None


async def classify(service: Service, request: Request) -> Response:
    """Return labels and scores: one list for one picture, a list of lists for several."""
    model = service.model
    wanted = _wanted(request.query_params, model)
    draw = maps(model, service.keeper.thread, wanted.label) if wanted.explain else None
    asked = await read_asked(service, request)
    top = whole_number(request.query_params.get("top"), asked.top, len(model.class_names), "top")
    answers = await service.classify(asked.pictures, WITH_WEBP, PATH, model=model, draw=draw)
    if not (wanted.partial and asked.many):
        answers.whole()
    told = [_told(answers, place, top, wanted) for place in range(len(answers.outcomes))]
    return json_response(told if asked.many else told[0])


async def explain(service: Service, request: Request) -> Response:
    """Return the picture with a map over it of where a class was seen, as PNG."""
    model = service.model
    name = request.query_params.get("label")
    label = None if name is None else label_asked(name, model)
    draw = overlays(model, service.keeper.thread, label)
    asked = await read_asked(service, request)
    if len(asked.pictures) != 1:
        raise RefusalError(400, "bad_format", "Send one picture; ?explain=1 takes several")
    answers = await service.classify(
        asked.pictures, WITH_WEBP, EXPLAIN_PATH, model=model, draw=draw
    )
    answers.whole()
    return Response(answers.drawn[0], media_type=PNG)


def _wanted(query: QueryParams, model: ServedModel) -> _Wanted:
    partial, tags, explains = (is_on(query.get(n), n) for n in ("partial", "tags", "explain"))
    name = query.get("label")
    if name is not None and not explains:
        detail = "'label' says which class to explain; add explain=1"
        raise RefusalError(400, "bad_format", detail)
    return _Wanted(partial, tags, explains, None if name is None else label_asked(name, model))


def _told(answers: Answers, place: int, top: int, wanted: _Wanted) -> object:
    found, names = answers.outcomes[place], answers.model.class_names
    if isinstance(found, RefusalError):
        return {"index": place, "error": found.detail, "reason": found.reason}
    labels = [{"label": label, "score": score} for label, score in top_classes(found, names, top)]
    told: dict[str, object] = {"labels": labels}
    if wanted.tags:
        told["tags"] = answers.model.tag_rule.tags(found.tolist(), names)
    if wanted.explain:
        told["explain"] = _explained(answers.drawn[place], found, names, wanted.label)
    return labels if len(told) == 1 else told


def _explained(
    drawn: bytes, found: Probabilities, names: tuple[str, ...], label: int | None
) -> dict[str, object]:
    seen = int(found.argmax()) if label is None else label
    uri = f"data:{PNG};base64,{base64.b64encode(drawn).decode()}"
    return {"label": names[seen], "score": float(found[seen]), "heatmap": uri}


_CLASSIFY = Route(
    method="POST",
    path=PATH,
    handler=classify,
    about="Name the most probable classes of one picture or several.",
    takes={**TAKES, JSON: {"images": [EXAMPLE_PICTURE]}},
    takes_json=BODY,
    query={
        "top": "how many labels, 3 by default",
        "partial": "1 answers the good pictures and gives an error for each bad one",
        "tags": "1 adds the tags that /classify gives",
        "explain": "1 adds a heat map: a grey PNG of up to 256 px as a data URI, in the"
        " proportions of the picture, white where the class was seen",
        "label": "with explain=1: explain this class instead of the most probable one",
    },
    examples={
        "one picture": _LABELS,
        "several pictures": [_LABELS, _LABELS],
        "tags=1": {"labels": _LABELS, "tags": ["{label}"]},
        "explain=1": {"labels": _LABELS, "explain": _MAP},
        "partial=1": [_LABELS, _BAD],
    },
    words={"top": WHOLE_NUMBER, **dict.fromkeys(("partial", "tags", "explain"), SWITCH)},
    gives=one_of_these(_ONE, list_of(one_of_these(_ONE, _ERROR))),
    refusals=frozenset({409}),
)
_EXPLAIN = Route(
    method="POST",
    path=EXPLAIN_PATH,
    handler=explain,
    about="Draw where in a picture a class was seen: the upright picture at its own size, up to"
    " 1600 px along its longer side, with the heat map over it. 409 when the model in service"
    " has no files for that.",
    takes={**TAKES, JSON: {"image": EXAMPLE_PICTURE}},
    takes_json=BODY,
    refusals=frozenset({409}),
    query={"label": "explain this class instead of the most probable one"},
    answers_as=PNG,
)
DIALECT = Dialect(
    name="Plain",
    about="The shortest way: the bytes of a picture, a form or JSON; labels, or a heat map.",
    routes=(_CLASSIFY, _EXPLAIN),
    refuse=problem_response,
    prefixes=(),
)
