"""Connect only to public IP addresses that were checked, and cut what lasts too long."""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Timer
from typing import Any
from urllib.parse import urlsplit

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.exceptions import HTTPError, NameResolutionError, NewConnectionError

Resolve = Callable[..., list[tuple[Any, ...]]]
# RFC 6052, RFC 8215 and the obsolete forms of RFC 4291 and RFC 2765: the last 32 bits are IPv4.
_TRANSLATED = tuple(
    IPv6Network(net) for net in ("64:ff9b::/96", "64:ff9b:1::/48", "::/96", "::ffff:0:0:0/96")
)


def is_public(address: str) -> bool:
    """Say whether an IP address belongs to a host of the public internet, also one inside it.

    IPv4 addresses that stand inside IPv6 ones (mapped, 6to4, NAT64) are judged too.
    """
    try:
        ip = ip_address(address)
    except ValueError:
        return False
    return all(map(_is_global, _parts(ip)))


def resolved(host: str, port: int, resolve: Resolve = socket.getaddrinfo) -> list[str]:
    """Return the IP addresses of a host, each once. Raises OSError or UnicodeError."""
    entries = resolve(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in entries))


def is_private_site(url: str, resolve: Resolve = socket.getaddrinfo) -> bool:
    """Say whether the host of a URL is known and not one of the public internet."""
    try:
        parts = urlsplit(url)
        addresses = resolved(parts.hostname or "", parts.port or 80, resolve)
    except (OSError, ValueError):
        return False
    return bool(addresses) and not all(map(is_public, addresses))


def _is_global(ip: IPv4Address | IPv6Address) -> bool:
    local = isinstance(ip, IPv6Address) and ip.is_site_local
    return ip.is_global and not ip.is_multicast and not local


def _parts(ip: IPv4Address | IPv6Address) -> list[IPv4Address | IPv6Address]:
    if isinstance(ip, IPv4Address):
        return [ip]
    if ip.ipv4_mapped is not None:
        return [ip.ipv4_mapped]
    if any(ip in network for network in _TRANSLATED):
        return [ip, IPv4Address(int(ip) & 0xFFFFFFFF)]
    return [ip] if ip.sixtofour is None else [ip, ip.sixtofour]


@dataclass
class Guard:
    """What the connections of one session may reach, and until when.

    A host is resolved once per connection and the connection goes to an address that was checked,
    so that a name which changes its mind between the two (DNS rebinding) gains nothing.
    """

    allow_private: bool
    resolve: Resolve = socket.getaddrinfo
    expired: bool = field(default=False, init=False)
    _handle: socket.socket | None = field(default=None, init=False)
    _current: object = field(default=None, init=False)

    def addresses(self, host: str, port: int) -> list[str]:
        """Return where to connect for a host. Raises OSError when one address is not public."""
        addresses = resolved(host, port, self.resolve)
        if not self.allow_private and not all(map(is_public, addresses)):
            raise PermissionError(f"{host} is not on the public internet")
        return addresses

    def hold(self, connection: socket.socket) -> None:
        """Take note of the connection that a request uses, by a handle of its own.

        The connection's owner may let go of it while its answer is still being read.
        """
        self._let_go()
        self._handle = socket.socket(fileno=os.dup(connection.fileno()))  # also of a TLS connection
        if self.expired:
            self._cut()

    @contextmanager
    def deadline(self, seconds: float) -> Iterator[None]:
        """Shut the connection that is in use down when the block takes longer; sets `expired`."""
        self.expired = False
        self._current = current = object()
        timer = Timer(seconds, self._expire, (current,))
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            self._current = None
            self._let_go()

    def _let_go(self) -> None:
        handle, self._handle = self._handle, None
        if handle is not None:
            handle.close()

    def _expire(self, deadline: object) -> None:
        """End the request that this deadline belongs to, not the one after it."""
        if self._current is not deadline:
            return
        self.expired = True
        self._cut()

    def _cut(self) -> None:
        handle = self._handle
        if handle is not None:
            with suppress(OSError):
                handle.shutdown(socket.SHUT_RDWR)


class _Guarded(HTTPConnection):
    """A connection to a checked address.

    `_new_conn` and `_dns_host` are where urllib3 itself tells the host's name (for TLS) from what
    it connects to; the latter is set to the address while it connects.
    """

    def __init__(self, *arguments: Any, guard: Guard, **more: Any) -> None:  # noqa: ANN401  urllib3's
        super().__init__(*arguments, **more)
        self._guard = guard

    def _new_conn(self) -> socket.socket:
        name = self._dns_host
        try:
            addresses = self._guard.addresses(name, self.port or 0)
        except socket.gaierror as error:
            raise NameResolutionError(self.host, self, error) from error
        except (OSError, ValueError) as error:
            raise NewConnectionError(self, str(error)) from error
        try:
            connection = self._first_that_answers(addresses)
        finally:
            self._dns_host = name
        self._guard.hold(connection)
        return connection

    def _first_that_answers(self, addresses: list[str]) -> socket.socket:
        failure: HTTPError = NewConnectionError(self, "the host has no address")
        for address in addresses:
            self._dns_host = address
            try:
                return super()._new_conn()
            except HTTPError as error:
                failure = error
            if self._guard.expired:
                break
        raise failure

    def request(self, *arguments: Any, **more: Any) -> None:  # noqa: ANN401  urllib3's
        """Send a request; a connection that is used again is under the new deadline too."""
        if self.sock is not None:
            self._guard.hold(self.sock)
        super().request(*arguments, **more)


class _GuardedTls(_Guarded, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Guarded


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _GuardedTls


def guarded_adapter(guard: Guard) -> HTTPAdapter:
    """Return what makes a requests session connect as its guard allows; it tries nothing twice."""
    adapter = HTTPAdapter(max_retries=0)
    adapter.poolmanager.pool_classes_by_scheme = {
        "http": partial(_Pool, guard=guard),
        "https": partial(_TlsPool, guard=guard),
    }
    return adapter
