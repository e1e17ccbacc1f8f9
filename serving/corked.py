"""Write the head and the body of an answer to its connection at once."""

import asyncio
from typing import Any


class Corked:
    """A connection's transport that joins what is written to it in one turn of the event loop.

    uvicorn writes head and body one after the other: two system calls here, two packets and two
    reads there. Everything else is the transport's own.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        """Wrap a transport."""
        self._transport = transport
        self._loop = loop
        self._held: list[bytes] = []

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  whatever the transport has
        """Return the transport's own."""
        return getattr(self._transport, name)

    def write(self, data: bytes) -> None:
        """Write at the end of this turn."""
        if not self._held:
            self._loop.call_soon(self.flush)
        self._held.append(data)

    def flush(self) -> None:
        """Write now."""
        held, self._held = self._held, []
        if held:
            self._transport.write(b"".join(held))

    def close(self) -> None:
        """Write, then close."""
        self.flush()
        self._transport.close()
