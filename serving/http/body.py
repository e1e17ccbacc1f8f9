"""Read a request's body within limits of size, memory and time; pick the files out of a form."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from python_multipart import MultipartParser
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import parse_options_header
from starlette.requests import ClientDisconnect, Request

from serving.http.errors import HTTPError, bad_format, busy

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks


@dataclass
class MemoryBudget:
    """The bytes of all bodies that are being read or answered, of `most` at once."""

    most: int
    used: int = 0

    @contextmanager
    def reserve(self) -> Iterator["Reservation"]:
        """Give a request a reservation, which grows as bytes arrive; release it at the end."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self.used -= reservation.size


@dataclass
class Reservation:
    """The bytes of one request's body so far."""

    budget: MemoryBudget
    size: int = 0

    def grow(self, size: int) -> None:
        """Take so many bytes more; a body alone is always let in.

        Raises HTTPError (503) when those of all requests would pass the limit.
        """
        alone = self.budget.used == self.size
        if not alone and self.budget.used + size > self.budget.most:
            raise busy("Too many bytes are being answered; try again soon")
        self.budget.used += size
        self.size += size


_NUMBER = re.compile(r"[0-9]{1,18}", re.ASCII)
MOST_PARTS = 256
FORM = "multipart/form-data"


@dataclass
class Part:
    """One field of a form: its name, its file's name if it has one, and its bytes."""

    name: str = ""
    filename: str | None = None
    data: bytearray = field(default_factory=bytearray)


async def read_body(
    request: Request, limit: int, seconds: float, reservation: Reservation
) -> bytes:
    """Return a body of at most `limit` bytes that arrives within `seconds`, and grow its reservation.

    Raises HTTPError: 413 before reading when the header says more, 413 while reading a body
    without a length, 408 when it is slow, 400 when the client went away, 503 without room.
    """
    too_large = HTTPError(
        413, "body_too_large", f"The body is over the limit of {limit} bytes: --max-body-mb"
    )
    length = request.headers.get("content-length", "0")
    if _NUMBER.fullmatch(length) is None or int(length) > limit:
        raise too_large
    body = bytearray()
    try:
        async with asyncio.timeout(seconds):
            async for chunk in request.stream():
                if len(body) + len(chunk) > limit:
                    raise too_large
                reservation.grow(len(chunk))
                body += chunk
    except TimeoutError as error:
        detail = f"The body did not arrive within {seconds:g} seconds"
        raise HTTPError(408, "slow_body", detail, headers=(("Connection", "close"),)) from error
    except ClientDisconnect as error:
        raise bad_format("The body is not complete") from error
    return bytes(body)


def media_type(request: Request) -> str:
    """Return the body's media type in lower case, without its parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def form_parts(body: bytes, content_type: str) -> list[Part]:
    """Return the fields of a multipart/form-data body in their order. Raises HTTPError (400)."""
    boundary = parse_options_header(content_type)[1].get(b"boundary")
    if not boundary:
        raise bad_format("The form has no boundary")
    reader = _FormReader()
    try:
        parser = MultipartParser(boundary, reader.callbacks())
        parser.write(body)
        parser.finalize()
    except (FormParserError, ValueError) as error:
        raise bad_format("The form cannot be read") from error
    if not reader.ended:
        raise bad_format("The form is not complete")
    return reader.parts


@dataclass
class _FormReader:
    """Collect parts from the parser's callbacks."""

    parts: list[Part] = field(default_factory=list)
    ended: bool = False
    _name: bytes = b""
    _value: bytes = b""

    def callbacks(self) -> "MultipartCallbacks":
        return {
            "on_part_begin": self._begin,
            "on_header_field": self._header_name,
            "on_header_value": self._header_value,
            "on_header_end": self._header_end,
            "on_part_data": self._data,
            "on_end": self._end,
        }

    def _begin(self) -> None:
        if len(self.parts) >= MOST_PARTS:
            raise HTTPError(413, "too_many", f"The form has more than {MOST_PARTS} fields")
        self.parts.append(Part())

    def _header_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _header_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _header_end(self) -> None:
        if self._name.lower() == b"content-disposition":
            options = parse_options_header(self._value)[1]
            self.parts[-1].name = options.get(b"name", b"").decode("utf-8", "replace")
            if b"filename" in options:
                self.parts[-1].filename = options[b"filename"].decode("utf-8", "replace")
        self._name = self._value = b""

    def _data(self, data: bytes, start: int, end: int) -> None:
        self.parts[-1].data += memoryview(data)[start:end]

    def _end(self) -> None:
        self.ended = True
