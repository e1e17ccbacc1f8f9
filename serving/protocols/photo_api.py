"""Answer `/classify` as photo gallery clients know it: tags for a list of base64 pictures."""

from starlette.requests import Request
from starlette.responses import Response

from serving.http.errors import HTTPError
from serving.http.payload import DOCUMENTED, parse_json
from serving.inference.service import Service
from serving.protocols.contract import (
    EXAMPLE_PICTURE,
    JSON,
    PICTURE,
    ClientProtocol,
    Route,
    index_of,
    json_response,
    list_of,
    object_of,
    one_of_these,
)

NO_IMAGES = "Missing parameter 'images'"
NO_LIST = "Bad format: 'images' parameter must be a list"
NO_PICTURE = "Entry in 'images' list is not a base64 image"
NO_FORMAT = "Unsupported file extension. Use .jpg or .png"
_DOCUMENTED_WORDS = {
    "not_base64": NO_PICTURE,
    "not_a_picture": NO_PICTURE,
    "truncated": NO_PICTURE,
    "unsupported_format": NO_FORMAT,
}


async def classify(service: Service, request: Request) -> Response:
    """Return the tags of every picture, or the first error. The content type does not matter."""
    texts = _texts(parse_json(await service.body(request)))
    answers = await service.classify(texts, DOCUMENTED, "/classify")
    model = answers.model
    tags = [model.tag_rule.tags(one.tolist(), model.class_names) for one in answers.whole()]
    return json_response({"tags": tags})


def error_response(error: HTTPError) -> Response:
    """Return the documented words, and which entry they are about."""
    words = _DOCUMENTED_WORDS.get(error.reason, error.detail)
    return json_response({"detail": words, **index_of(error)}, error=error)


def _texts(body: object) -> list[object]:
    if isinstance(body, dict):
        if "images" not in body:
            raise HTTPError(400, "missing_parameter", NO_IMAGES)
        body = body["images"]
    elif body is None:
        raise HTTPError(400, "missing_parameter", NO_IMAGES)
    if not isinstance(body, list):
        raise HTTPError(400, "bad_format", NO_LIST)
    return body


def _route(path: str) -> Route:
    return Route(
        method="POST",
        path=path,
        handler=classify,
        about="Tag pictures: one name above 90 %, two that sum above 50 %, else Unknown.",
        takes={JSON: {"images": [EXAMPLE_PICTURE]}},
        takes_json=one_of_these(list_of(PICTURE), object_of({"images": list_of(PICTURE)})),
        answers={"tags": [["Nature", "Coast"], ["Portrait"]]},
    )


PROTOCOL = ClientProtocol(
    name="Photo gallery",
    about='A list of base64 pictures, bare or as "images"; a list of tags for each.',
    routes=(_route("/classify"), _route("/classify/")),
    error_response=error_response,
    prefixes=("/classify",),
)
