"""Bound the memory that the bodies of all requests take together."""

from collections.abc import Iterator
from contextlib import contextmanager

from serving.refusal import RefusalError


class Room:
    """The bytes of all bodies that are being read or answered, of `most` at once."""

    def __init__(self, most: int) -> None:
        """Start with none."""
        self._most = most
        self.held = 0

    @contextmanager
    def share(self) -> Iterator["Share"]:
        """Give a request its share, which grows as bytes arrive, and take it back at the end."""
        share = Share(self, self._most)
        try:
            yield share
        finally:
            self.held -= share.size


class Share:
    """The bytes of one request's body so far."""

    def __init__(self, room: Room, most: int) -> None:
        """Start with none."""
        self._room = room
        self._most = most
        self.size = 0

    def grow(self, size: int) -> None:
        """Take so many bytes more; a body alone always finds room.

        Raises RefusalError (503) when those of all requests would pass the limit.
        """
        alone = self._room.held == self.size
        if not alone and self._room.held + size > self._most:
            detail = "Too many bytes are being answered; try again soon"
            raise RefusalError(503, "queue_full", detail, headers=(("Retry-After", "1"),))
        self._room.held += size
        self.size += size
