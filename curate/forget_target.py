"""Say what is to be forgotten: a site, a page or one picture."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.addresses import host_key, host_of, page_key
from pipeline.class_list import shown
from pipeline.errors import SettingsError

_HEX_DIGITS = frozenset("0123456789abcdef")
_SHA256_LENGTH = 64
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")


@dataclass(frozen=True)
class Target:
    """What is to be forgotten: just one of site, page and sha256 is given.

    `site` is a host name as `host_name` returns it. `page` is an address in any spelling.
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
        if self.page is not None and not _is_address(self.page):
            raise SettingsError(
                f"--page {shown(self.page)} is not an address",
                cure="copy it from manifest.csv, such as https://example.org/page",
            )
        if self.sha256 is not None and (
            len(self.sha256) != _SHA256_LENGTH or not set(self.sha256) <= _HEX_DIGITS
        ):
            raise SettingsError(
                f"--sha256 {shown(self.sha256)} is not 64 hexadecimal digits",
                cure="copy it from manifest.csv, or from the name of the file in raw/",
            )

    def hosts(self, site: str, page_url: str) -> set[str]:
        """Return the hosts of a sighting that belong to the site, as they are spelt there.

        They are the site itself and those below it; below a name without a dot there are none.
        """
        found = {site.casefold(), host_of(page_url).casefold()}
        return {host for host in found if self.site and _belongs(host_key(host), self.site)}

    def is_page(self, address: str) -> bool:
        """Say whether an address is that of the page, however either is spelt."""
        return self.page is not None and page_key(address) == page_key(self.page)

    def refused_hosts(self) -> set[str]:
        """Return both spellings of the site: as it is asked for, and as people read it."""
        return {self.site, _readable(self.site)} if self.site else set()


def host_name(text: str) -> str:
    """Return a host name as it is asked for: lower case, IDNA, no last dot. Raises SettingsError."""
    name = host_key(text.strip(" "))
    if not all(_LABEL.fullmatch(label) for label in name.split(".")):
        raise SettingsError(
            f"--site {shown(text)} is not a host name",
            cure="give it as in --site pictures.example.org",
        )
    return name


def _is_address(text: str) -> bool:
    """Say whether text names a host, or a file as pictures of a folder have it."""
    try:
        parts = urlsplit(text.strip())
    except ValueError:
        return False
    return bool(host_of(text.strip()) or (parts.scheme == "file" and parts.path))


def _belongs(host: str, site: str) -> bool:
    return host == site or ("." in site and host.endswith(f".{site}"))


def _readable(host: str) -> str:
    try:
        return host.encode().decode("idna")
    except UnicodeError:
        return host
