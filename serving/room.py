"""Bound the memory that the bodies of all requests take together."""

from collections.abc import Iterator
from contextlib import contextmanager

from starlette.requests import Request

from serving.body import declared_length
from serving.refusal import RefusalError


class Room:
    """The bytes of the bodies that are being read or answered, of `most` at once."""

    def __init__(self, most: int) -> None:
        """Start with none."""
        self._most = most
        self.held = 0

    @contextmanager
    def hold(self, size: int) -> Iterator[None]:
        """Keep so many bytes' room while the block runs; a single body always finds it.

        Raises RefusalError (503) when there is none.
        """
        if self.held and self.held + size > self._most:
            detail = "Too many bytes are being answered; try again soon"
            raise RefusalError(503, "queue_full", detail, headers=(("Retry-After", "1"),))
        self.held += size
        try:
            yield
        finally:
            self.held -= size


def size_of(request: Request, limit: int) -> int:
    """Return the bytes a request's body may take: those it declares, at most `limit`.

    A body in chunks declares nothing, and may take the whole limit.
    """
    if "transfer-encoding" in request.headers:
        return limit
    return min(declared_length(request), limit)
