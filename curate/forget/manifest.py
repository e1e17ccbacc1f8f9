"""Find what a site, page or picture left in the manifest, and take it out of every table."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sceneset.class_list import shown
from sceneset.errors import SettingsError
from sceneset.manifest.store import Manifest, now
from sceneset.urls import host_key, host_of, page_key

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


STAGE = "forget"
_OF_A_PICTURE = ("features", "decisions", "splits", "overrides", "suspects", "images")


@dataclass(frozen=True, slots=True)
class Sighting:
    """What decides whether a sighting is forgotten."""

    id: int
    sha256: str | None
    page_url: str
    site: str
    class_name: str


@dataclass(frozen=True)
class Found:
    """All that goes: contents by SHA-256, sightings, and the hosts, page and contents refused."""

    sha256s: frozenset[str]
    sightings: Sequence[Sighting]
    hosts: frozenset[str]
    copies: Sequence[str]
    versions: frozenset[str]


def matches(target: Target, sighting: Sighting) -> bool:
    """Say whether a sighting is what is to be forgotten."""
    if target.sha256 is not None:
        return sighting.sha256 == target.sha256
    if target.page is not None:
        return target.is_page(sighting.page_url)
    return bool(target.hosts(sighting.site, sighting.page_url))


def select(target: Target, sightings: Iterable[Sighting]) -> list[Sighting]:
    """Return the sightings that match, and all others of the same contents."""
    sightings = list(sightings)
    matched = [s for s in sightings if matches(target, s)]
    contents = {s.sha256 for s in matched if s.sha256 is not None}
    named = {s.id for s in matched}
    return [s for s in sightings if s.id in named or s.sha256 in contents]


class ForgettingManifest(Manifest):
    """A manifest from which pictures can be taken out for good."""

    def find(self, target: Target) -> Found:
        """Return all that the manifest holds of a target.

        Raises SettingsError for a site without a dot that is no host of the data set.
        """
        rows = self.query(
            "SELECT s.id, s.sha256, s.page_url, s.site, c.name FROM sightings s"
            " JOIN classes c ON c.id = s.class_id ORDER BY s.id"
        )
        sightings = select(target, (Sighting(*row) for row in rows))
        if target.site is not None and "." not in target.site and not sightings:
            raise SettingsError(
                f"--site {target.site!r} has no dot and is no host of this data set",
                cure="give the whole name, as in --site pictures.example.org",
            )
        contents = {s.sha256 for s in sightings if s.sha256 is not None}
        if target.sha256 is not None:
            contents.add(target.sha256)
        hosts = {h for s in sightings for h in target.hosts(s.site, s.page_url)}
        return Found(
            frozenset(contents),
            sightings,
            frozenset(hosts | target.refused_hosts()),
            self._copies(contents),
            frozenset(self._versions(contents)),
        )

    def _copies(self, contents: set[str]) -> list[str]:
        """Return contents that the newest run holds for copies of these and that stay."""
        pairs = self.query(
            "SELECT sha256, of_sha256 FROM decisions WHERE of_sha256 IS NOT NULL"
            " AND reason <> 'conflict' AND run_id = (SELECT max(run_id) FROM decisions)"
        )
        alike = {b for a, b in pairs if a in contents} | {a for a, b in pairs if b in contents}
        return sorted(alike - contents)

    def _versions(self, contents: set[str]) -> set[str]:
        """Return the ids of the versions that runs published with any of these contents."""
        holders = {
            run_id
            for run_id, sha256 in self.query("SELECT run_id, sha256 FROM splits")
            if sha256 in contents
        }
        counts = {run.id: run.counts or {} for run in self.runs("curate")}
        return {str(counts[i]["version"]) for i in holders if "version" in counts.get(i, {})}

    def forget(
        self, target: Target, found: Found, reason: str, *, concerned: Iterable[str]
    ) -> None:
        """Take out all that was found and refuse it ever after, in one transaction.

        The run that is recorded keeps the ids of the versions `concerned` for when it is cut short.
        The contents of deleted rows, thumbnails among them, are overwritten in the file.
        """
        self._db.execute("PRAGMA secure_delete = ON")
        with self.transaction():
            self.start_run(
                STAGE,
                {"target": vars(target), "reason": reason, "versions": sorted(concerned)},
                {},
            )
            self._bury(target, found, reason)
            self._db.executemany(
                "UPDATE sightings SET status = 'rejected', reason = 'forgotten', sha256 = NULL,"
                " title = '', thumb_url = '', creator = '', attribution = '' WHERE id = ?",
                [(s.id,) for s in found.sightings],
            )
            for table in _OF_A_PICTURE:
                self._db.executemany(
                    f"DELETE FROM {table} WHERE sha256 = ?",  # noqa: S608  our own names
                    [(sha256,) for sha256 in sorted(found.sha256s)],
                )

    def _bury(self, target: Target, found: Found, reason: str) -> None:
        """Add the tombstones that are not there yet.

        Each names one thing: whoever reads them refuses every content, site and page in any row.
        """
        rows = [
            *((sha256, None, None) for sha256 in sorted(found.sha256s)),
            *((None, host, None) for host in sorted(found.hosts)),
            *([(None, None, page_key(target.page))] if target.page else []),
        ]
        known = set(self.tombstones())
        at = now()
        self._db.executemany(
            "INSERT INTO tombstones (sha256, site, page_url, reason, at) VALUES (?, ?, ?, ?, ?)",
            [(*row, reason, at) for row in rows if row not in known],
        )

    def forgotten(self) -> set[str]:
        """Return the contents that were ever forgotten, by SHA-256."""
        return {sha256 for sha256, _, _ in self.tombstones() if sha256}

    def bundles(self) -> list[Path]:
        """Return the folders of the bundles that training recorded."""
        counts = (run.counts or {} for run in self.runs("train"))
        return [Path(str(one["bundle"])) for one in counts if "bundle" in one]

    def refuses(self, target: Target) -> bool:
        """Say whether the target was forgotten before."""
        key = (target.sha256, target.site, target.page and page_key(target.page))
        return key in self.tombstones()

    def unfinished(self) -> list[int]:
        """Return the ids of the runs that were cut short."""
        return [run.id for run in self.runs(STAGE) if run.finished_at is None]

    def concerned_before(self, target: Target) -> set[str]:
        """Return the ids of versions that runs cut short, or runs for the same target, concerned."""
        return {
            version
            for run in self.runs(STAGE)
            if run.finished_at is None or run.settings.get("target") == vars(target)
            for version in _strings(run.settings.get("versions"))
        }

    def successors(self) -> dict[str, str]:
        """Return version id -> id that it got when pictures were taken out of it."""
        found: dict[str, str] = {}
        for run in self.runs(STAGE):
            rewritten: Any = (run.counts or {}).get("rewritten", {})
            found |= rewritten
        return found


def _strings(value: object) -> list[str]:
    return list(map(str, value)) if isinstance(value, list) else []
