"""Tell public addresses from those of this machine and of private networks."""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any
from urllib.parse import urlsplit

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
    found = resolve(host.strip("[]"), port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def is_private_site(url: str, resolve: Resolve = socket.getaddrinfo) -> bool:
    """Say whether the host of an address is known and not one of the public internet."""
    try:
        parts = urlsplit(url)
        addresses = resolved(parts.hostname or "", parts.port or 80, resolve)
    except (OSError, ValueError):
        return False
    return bool(addresses) and not all(is_public(address) for address in addresses)


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
