"""Say what is to be forgotten: a site, a page or one picture."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import SettingsError

_HEX_DIGITS = frozenset("0123456789abcdef")
_SHA256_LENGTH = 64
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")


@dataclass(frozen=True)
class Target:
    """What is to be forgotten: just one of site, page and sha256 is given.

    `site` is a host name as `host_name` returns it.
    """

    site: str | None = None
    page: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        """Refuse anything but one good value."""
        given = [value for value in (self.site, self.page, self.sha256) if value is not None]
        if len(given) != 1:
            raise SettingsError(
                f"{len(given)} of --site, --page and --sha256 are given", cure="give just one"
            )
        if self.page is not None and not host_of(self.page):
            raise SettingsError(
                f"--page {self.page!r} is not an address",
                cure="copy it from manifest.csv, such as https://example.org/page",
            )
        if self.sha256 is not None and (
            len(self.sha256) != _SHA256_LENGTH or not set(self.sha256) <= _HEX_DIGITS
        ):
            raise SettingsError(
                f"--sha256 {self.sha256!r} is not 64 hexadecimal digits",
                cure="copy it from manifest.csv, or from the name of the file in raw/",
            )

    def hosts(self, site: str, page_url: str) -> set[str]:
        """Return the hosts of a sighting that belong to the site, as they are spelt there.

        They are the site itself and those below it; below a name without a dot there are none.
        """
        found = {site.casefold(), host_of(page_url).casefold()}
        return {host for host in found if self.site and _belongs(_as_asked(host), self.site)}

    def refused_hosts(self) -> set[str]:
        """Return both spellings of the site: as it is asked for, and as people read it."""
        return {self.site, _readable(self.site)} if self.site else set()


def host_name(text: str) -> str:
    """Return a host name as it is asked for: lower case, IDNA, no last dot. Raises SettingsError."""
    name = _as_asked(text.strip(" "))
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise SettingsError(
            f"--site {text!r} is not a host name", cure="give it as in --site pictures.example.org"
        )
    return name


def host_of(address: str) -> str:
    """Return the host of an address, or nothing when it is none."""
    try:
        return urlsplit(address).hostname or ""
    except ValueError:
        return ""


def _belongs(host: str, site: str) -> bool:
    return host == site or ("." in site and host.endswith(f".{site}"))


def _as_asked(host: str) -> str:
    """Return a host as IDNA writes it, or unchanged where it cannot be written so."""
    host = host.removesuffix(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode()
        except UnicodeError:
            return host.casefold()
    return host.lower()


def _readable(host: str) -> str:
    try:
        return host.encode().decode("idna")
    except UnicodeError:
        return host
