"""Close connections whose requests arrive too slowly, which uvicorn by itself never does."""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

# The application answers a slow body with 408 first; this closes what it did not read.
_LONGER = 1.5


def guarded_protocol(seconds: float) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with a limit for a request's headers, and for its body after them.

    The clock runs from a connection's first moment, or from a later request's first byte.
    """

    class Guarded(HttpToolsProtocol):
        _watch: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._start(seconds)

        def data_received(self, data: bytes) -> None:
            if self._watch is None and (self.cycle is None or not self.cycle.more_body):
                self._start(seconds)
            super().data_received(data)

        def on_headers_complete(self) -> None:
            self._start(seconds * _LONGER)
            super().on_headers_complete()

        def on_message_complete(self) -> None:
            self._stop()
            super().on_message_complete()

        def connection_lost(self, exc: Exception | None) -> None:
            self._stop()
            super().connection_lost(exc)

        def _start(self, limit: float) -> None:
            self._stop()
            self._watch = self.loop.call_later(limit, self.transport.close)

        def _stop(self) -> None:
            if self._watch is not None:
                self._watch.cancel()
                self._watch = None

    return Guarded
