"""Say why a request is answered with an error: a status, a reason from a list, words for people."""

from typing import Literal

Reason = Literal[
    "bad_json",
    "bad_format",
    "missing_parameter",
    "not_base64",
    "not_a_picture",
    "truncated",
    "too_large",
    "too_many",
    "unsupported_format",
    "unsupported_mode",
    "unsupported_media_type",
    "body_too_large",
    "slow_body",
    "queue_full",
    "deadline",
    "unauthorised",
    "foreign_origin",
    "foreign_host",
    "no_heat_maps",
    "not_found",
    "not_allowed",
    "not_ready",
    "internal",
]


class HTTPError(Exception):
    """A request, or one picture of it, is answered with an error; the text never holds what was sent."""

    def __init__(
        self,
        status: int,
        reason: Reason,
        detail: str,
        *,
        index: int | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """Keep the HTTP status, the reason, the words and which picture of the request it is."""
        super().__init__(detail)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.index = index
        self.headers = headers

    def at(self, index: int | None) -> "HTTPError":
        """Return the same error for the picture at `index`, without its traceback and cause."""
        return HTTPError(self.status, self.reason, self.detail, index=index, headers=self.headers)


def bad_format(detail: str, index: int | None = None) -> HTTPError:
    """Return the error (400) of a request that is not as its contract says."""
    return HTTPError(400, "bad_format", detail, index=index)


def busy(detail: str, retry_after: int = 1) -> HTTPError:
    """Return the error (503) of a server that has no room now; `retry_after` is in seconds."""
    return HTTPError(503, "queue_full", detail, headers=(("Retry-After", str(retry_after)),))
