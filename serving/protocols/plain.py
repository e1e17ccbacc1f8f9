"""Answer `/v1/classify` and `/v1/explain`: bytes, a form or JSON in; labels or a heat map out."""

import base64
from dataclasses import dataclass
from functools import partial

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import HTTPError, bad_format
from serving.http.payload import OWN, parse_switch, parse_whole_number
from serving.inference.engine import top_classes
from serving.inference.explainer import LONGEST_OVERLAY, Explainer
from serving.inference.model import ServedModel
from serving.inference.service import Answers, Service
from serving.protocols.contract import (
    COUNT,
    EXAMPLE_PICTURE,
    JSON,
    SWITCH,
    TEXT,
    WHOLE_NUMBER,
    ClientProtocol,
    Route,
    json_response,
    list_of,
    object_of,
    one_of_these,
    problem_response,
    shape_of,
)
from serving.protocols.pictures import (
    BODY,
    TAKES,
    read_one_picture,
    read_pictures,
    requested_label,
)

PATH, EXPLAIN_PATH = "/v1/classify", "/v1/explain"
PNG = "image/png"
_LABELS = [{"label": "{label}", "score": 0.91}]
_MAP = {"label": "{label}", "score": 0.91, "heatmap": f"data:{PNG};base64,..."}
_BAD = {"index": 1, "error": "The bytes are not a picture", "reason": "not_a_picture"}
_ERROR = object_of({"index": COUNT, "error": TEXT, "reason": TEXT})
_EXTRAS = {"tags": list_of(TEXT), "explain": shape_of(_MAP)}
_ONE = one_of_these(shape_of(_LABELS), object_of({"labels": shape_of(_LABELS)}, _EXTRAS))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What an answer holds beside labels, and which class is explained (None: the first)."""

    partial: bool
    tags: bool
    explain: bool
    label: int | None


async def classify(service: Service, request: Request) -> Response:
    """Return labels and scores: one list for one picture, a list of lists for several."""
    model, query = service.model, request.query_params
    wanted = _wanted(query, model)
    draw = service.heat_maps(model, Explainer.map, wanted.label) if wanted.explain else None
    requested = await read_pictures(service, request)
    top = parse_whole_number(query.get("top"), requested.top, len(model.class_names), "top")
    answers = await service.classify(requested.pictures, OWN, PATH, model=model, draw=draw)
    if not (wanted.partial and requested.many):
        answers.whole()
    formatted = [_format_answer(answers, n, top, wanted) for n in range(len(answers.outcomes))]
    return json_response(formatted if requested.many else formatted[0])


async def explain(service: Service, request: Request) -> Response:
    """Return the picture with a map over it of where a class was seen, as PNG."""
    model, name = service.model, request.query_params.get("label")
    label = None if name is None else requested_label(name, model)
    draw = service.heat_maps(model, partial(Explainer.overlay, longest=LONGEST_OVERLAY), label)
    detail = "Send one picture; ?explain=1 takes several"
    picture = await read_one_picture(service, request, detail)
    answers = await service.classify([picture], OWN, EXPLAIN_PATH, model=model, draw=draw)
    answers.whole()
    return Response(answers.drawn[0], media_type=PNG)


def _wanted(query: QueryParams, model: ServedModel) -> _Wanted:
    partly, tags, explains = (parse_switch(query.get(n), n) for n in ("partial", "tags", "explain"))
    name = query.get("label")
    if name is not None and not explains:
        raise bad_format("'label' says which class to explain; add explain=1")
    return _Wanted(partly, tags, explains, None if name is None else requested_label(name, model))


def _format_answer(answers: Answers, place: int, top: int, wanted: _Wanted) -> object:
    outcome, names = answers.outcomes[place], answers.model.class_names
    if isinstance(outcome, HTTPError):
        return {"index": place, "error": outcome.detail, "reason": outcome.reason}
    labels = [{"label": label, "score": score} for label, score in top_classes(outcome, names, top)]
    answer: dict[str, object] = {"labels": labels}
    if wanted.tags:
        answer["tags"] = answers.model.tag_rule.tags(outcome.tolist(), names)
    if wanted.explain:
        label = int(outcome.argmax()) if wanted.label is None else wanted.label
        uri = f"data:{PNG};base64,{base64.b64encode(answers.drawn[place]).decode()}"
        answer["explain"] = {"label": names[label], "score": float(outcome[label]), "heatmap": uri}
    return labels if len(answer) == 1 else answer


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
    errors=frozenset({409}),
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
    errors=frozenset({409}),
    query={"label": "explain this class instead of the most probable one"},
    answers_as=PNG,
)
PROTOCOL = ClientProtocol(
    name="Plain",
    about="The shortest way: the bytes of a picture, a form or JSON; labels, or a heat map.",
    routes=(_CLASSIFY, _EXPLAIN),
    error_response=problem_response,
    prefixes=(),
)
