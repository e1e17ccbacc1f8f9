"""Close connections whose requests arrive too slowly, which uvicorn by itself never does."""

import asyncio
from typing import cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from serving.corked import Corked

# The application answers a slow body with 408 first; this closes what it did not read.
_LONGER = 1.5
# The address and all headers together; whoever sends them has shown no key yet.
MOST_HEAD = 65_536
_PIECE = 8192
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


def guarded_protocol(seconds: float) -> type[HttpToolsProtocol]:
    """Return uvicorn's protocol with limits for a request's headers, and for its body after them.

    The clock runs from a connection's first moment, or from a later request's first byte. Headers
    of more than about 64 KB are answered 431.
    """
    return type("Guarded", (_Guarded,), {"seconds": seconds})


class _Guarded(HttpToolsProtocol):
    """Close what takes longer than `seconds`, and refuse headers that never end."""

    seconds = 20.0
    _watch: asyncio.TimerHandle | None = None
    _in_head = True
    _head = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
        self._start(self.seconds)

    def data_received(self, data: bytes) -> None:
        if self._watch is None:  # it runs from a message's first byte to its last
            self._start(self.seconds)
        for start in range(0, len(data), _PIECE):
            piece = data[start : start + _PIECE]
            super().data_received(piece)
            if self.transport.is_closing():
                return
            self._head += len(piece) if self._in_head else 0
            if self._head > MOST_HEAD:
                self._refuse_head()
                return

    def on_message_begin(self) -> None:
        self._in_head, self._head = True, 0
        if self._watch is None:  # it came in one packet with the request before it
            self._start(self.seconds)
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head, self._head = False, 0
        self._start(self.seconds * _LONGER)
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._stop()
        super().on_message_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _refuse_head(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.write(_TOO_LARGE)
        self.transport.close()

    def _start(self, limit: float) -> None:
        self._stop()
        self._watch = self.loop.call_later(limit, self.transport.close)

    def _stop(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
            self._watch = None
