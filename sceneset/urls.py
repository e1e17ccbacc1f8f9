"""Compare URLs and hosts that name one thing and are spelt in several ways."""

import re
from urllib.parse import quote, unquote_to_bytes, urlsplit

_WEB = {"http": 80, "https": 443}
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_UNRESERVED = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~")
_AS_THEY_ARE = "!$&'()*+,;=:@/?%"
_ROUTE = ("!", "/")


def host_key(host: str) -> str:
    """Return a host as requests name it: lower case, IDNA, no dot at its end.

    One that IDNA cannot write keeps its letters, lower case.
    """
    host = host.rstrip(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return host.casefold()
    return host.lower()


def host_of(url: str) -> str:
    """Return the host of a URL as it is spelt there, in lower case, or nothing."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def with_parents(host: str) -> set[str]:
    """Return a host and the domains above it: a.b.c, b.c and c."""
    return {host.split(".", n)[-1] for n in range(host.count(".") + 1)}


def page_key(url: str) -> str:
    """Return what all spellings of a page's URL share (RFC 3986, section 6.2).

    http and https (on their own ports), the host's letter case, a default port, a last slash, escapes that need not be
    and the fragment make no difference. A fragment that begins with `!` or `/` stays: pages that
    scripts draw are told apart by it. What is no URL is returned as it is.
    """
    text = url.strip()
    try:
        parts = urlsplit(text)
        host, port = host_key(parts.hostname or ""), parts.port
    except ValueError:
        return text
    if not parts.scheme or not (host or parts.path):
        return text
    web = parts.scheme in _WEB
    shown_port = "" if port in {None, _WEB.get(parts.scheme)} else f":{port}"
    scheme = "https" if web and not shown_port else parts.scheme
    host = f"[{host}]" if ":" in host else host
    user = parts.netloc.rpartition("@")[0]
    query = f"?{_escaped(parts.query)}" if parts.query else ""
    route = f"#{_escaped(parts.fragment)}" if parts.fragment.startswith(_ROUTE) else ""
    place = f"{user}@{host}{shown_port}" if user else f"{host}{shown_port}"
    path = _escaped(parts.path).rstrip("/")
    return f"{scheme}://{place}{path}{query}{route}"


def _escaped(text: str) -> str:
    """Return text with just the escapes that it needs, in upper case."""
    # A per cent sign that begins no escape stands for itself.
    whole = re.sub("%(?![0-9A-Fa-f]{2})", "%25", text)
    plain = _ESCAPE.sub(lambda match: _unescaped(match.group()), whole)
    return quote(plain, safe=_AS_THEY_ARE, errors="surrogatepass")


def _unescaped(escape: str) -> str:
    letter = unquote_to_bytes(escape).decode("latin-1")
    return letter if letter in _UNRESERVED else escape.upper()
