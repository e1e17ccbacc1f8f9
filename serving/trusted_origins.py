"""Read an origin of `--allow-origin` and write it as browsers do, so that the two are equal."""

import re
from ipaddress import AddressValueError, IPv6Address

ANY = "*"
_LITERAL = frozenset({ANY, "null"})  # null: sandboxed pages, and those opened as files
_EXTENSION = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*-extension://[\w-]+", re.ASCII)
_WEB = re.compile(r"(https?)://([\w.-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_PORTS = {"http": 80, "https": 443}
_LAST_PORT = 65535


def normal_origin(origin: str) -> str:
    """Return an origin as a browser sends it: lower case, no default port, names in ASCII.

    `*`, `null` and the origins of browser extensions are origins too. Raises ValueError for others.
    """
    if origin in _LITERAL or _EXTENSION.fullmatch(origin):
        return origin
    found = _WEB.fullmatch(origin.lower())
    if found is None:
        raise ValueError(origin)
    scheme, host, port = found.groups()
    number = _PORTS[scheme] if port is None else int(port)
    if number > _LAST_PORT:
        raise ValueError(origin)
    tail = "" if number == _PORTS[scheme] else f":{number}"
    return f"{scheme}://{_normal_host(host)}{tail}"


def _normal_host(host: str) -> str:
    if not host.startswith("["):
        return host.encode("idna").decode("ascii")  # UnicodeError, a ValueError, for what is none
    try:
        return f"[{IPv6Address(host[1:-1]).compressed}]"
    except AddressValueError as error:
        raise ValueError(host) from error
