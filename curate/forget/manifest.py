"""Find what a site, page or picture left in the manifest, and take it out of every table."""

import json
import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from sceneset.class_list import shown
from sceneset.errors import SettingsError
from sceneset.manifest.provenance import ADOPTED, published_page
from sceneset.manifest.store import Manifest, now
from sceneset.urls import host_key, host_of, page_key, with_parents

_SHA256 = re.compile("[0-9a-f]{64}")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?")


@dataclass(frozen=True)
class Target:
    """What is to be forgotten: just one of site, page and sha256 is given.

    `site` is a host name as `host_name` returns it. `page` is a URL in any spelling.
    """

    site: str | None = None
    page: str | None = None
    sha256: str | None = None

    def __post_init__(self) -> None:
        """Check that exactly one valid value is given. Raises SettingsError."""
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
        if self.sha256 is not None and not _SHA256.fullmatch(self.sha256):
            raise SettingsError(
                f"--sha256 {shown(self.sha256)} is not 64 hexadecimal digits",
                cure="copy it from manifest.csv, or from the name of the file in raw/",
            )

    def hosts(self, site: str, page_url: str) -> set[str]:
        """Return the hosts of a sighting that belong to the site, as they are spelt there.

        They are the site itself and those below it; below a name without a dot there are none.
        """
        if not self.site:
            return set()
        spelt = {site.casefold(), host_of(page_url).casefold()}
        if "." not in self.site:
            return {host for host in spelt if host_key(host) == self.site}
        return {host for host in spelt if self.site in with_parents(host_key(host))}

    def matches(self, sighting: "Sighting") -> bool:
        """Say whether a sighting is what is to be forgotten, however its page is spelt."""
        if self.sha256 is not None:
            return sighting.sha256 == self.sha256
        if self.page is not None:
            return page_key(sighting.page_url) == page_key(self.page)
        return bool(self.hosts(sighting.site, sighting.page_url))

    def refused_hosts(self) -> set[str]:
        """Return both spellings of the site: as it is requested, and as people read it."""
        if not self.site:
            return set()
        try:
            return {self.site, self.site.encode().decode("idna")}
        except UnicodeError:
            return {self.site}


def host_name(text: str) -> str:
    """Return a host name as requests spell it: lower case, IDNA, no last dot. Raises SettingsError."""
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


def whole_address(manifest: Manifest, page: str) -> str:
    """Return the address of an adopted file by its path in manifest.csv; any other page as it is.

    Raises SettingsError when files of several folders have that path.
    """
    rows = manifest.query("SELECT DISTINCT page_url FROM sightings WHERE engine = ?", (ADOPTED,))
    found = sorted({page_key(url) for (url,) in rows if published_page(url) == page})
    if len(found) > 1:
        raise SettingsError(
            f"--page {shown(page)} is a file of {len(found)} adopted folders",
            cure=f"give its whole address, such as {found[0]}, or its --sha256",
        )
    return found[0] if found else page


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
class Matches:
    """All that is to be removed: contents by SHA-256, sightings, and the hosts to refuse.

    `copies` are contents that look like these and stay, `versions` the ids of those published with
    any of these.
    """

    sha256s: frozenset[str]
    sightings: Sequence[Sighting]
    hosts: frozenset[str]
    copies: Sequence[str]
    versions: frozenset[str]


def select(target: Target, sightings: Sequence[Sighting]) -> list[Sighting]:
    """Return the sightings that match, and all others of the same contents."""
    matched = [s for s in sightings if target.matches(s)]
    contents = {s.sha256 for s in matched if s.sha256 is not None}
    ids = {s.id for s in matched}
    return [s for s in sightings if s.id in ids or s.sha256 in contents]


def find_matches(manifest: Manifest, target: Target) -> Matches:
    """Return all that the manifest holds of a target.

    Raises SettingsError for a site without a dot that is no host of the data set.
    """
    rows = manifest.query(
        "SELECT s.id, s.sha256, s.page_url, s.site, c.name FROM sightings s"
        " JOIN classes c ON c.id = s.class_id ORDER BY s.id"
    )
    sightings = select(target, [Sighting(*row) for row in rows])
    if target.site is not None and "." not in target.site and not sightings:
        raise SettingsError(
            f"--site {target.site!r} has no dot and is no host of this data set",
            cure="give the whole name, as in --site pictures.example.org",
        )
    contents = {s.sha256 for s in sightings if s.sha256 is not None}
    if target.sha256 is not None:
        contents.add(target.sha256)
    hosts = {h for s in sightings for h in target.hosts(s.site, s.page_url)}
    return Matches(
        frozenset(contents),
        sightings,
        frozenset(hosts | target.refused_hosts()),
        _copies(manifest, contents),
        _publishing_versions(manifest, contents),
    )


def _copies(manifest: Manifest, contents: set[str]) -> list[str]:
    """Return contents that the newest run holds for copies of these and that stay."""
    pairs = manifest.query(
        "SELECT sha256, of_sha256 FROM decisions WHERE of_sha256 IS NOT NULL"
        " AND reason <> 'conflict' AND run_id = (SELECT max(run_id) FROM decisions)"
    )
    alike = {b for a, b in pairs if a in contents} | {a for a, b in pairs if b in contents}
    return sorted(alike - contents)


def _publishing_versions(manifest: Manifest, contents: Collection[str]) -> frozenset[str]:
    """Return the ids of the versions that runs published with any of these contents."""
    rows = manifest.query(
        "SELECT DISTINCT run_id FROM splits WHERE sha256 IN (SELECT value FROM json_each(?))",
        (json.dumps(list(contents)),),
    )
    counts = {run.id: run.counts for run in manifest.runs("curate")}
    return frozenset(str(counts[i]["version"]) for (i,) in rows if "version" in counts.get(i, {}))


def erase(
    manifest: Manifest,
    target: Target,
    matches: Matches,
    reason: str,
    *,
    version_ids: Iterable[str],
) -> None:
    """Take out all that matches and refuse it ever after, in one transaction.

    The recorded run keeps the ids of the versions it touches, in case it is interrupted. The contents of deleted rows, thumbnails among them, are overwritten in the file.
    """
    manifest.query("PRAGMA secure_delete = ON")
    with manifest.transaction():
        settings = {"target": vars(target), "reason": reason, "versions": sorted(version_ids)}
        manifest.start_run(STAGE, settings, {})
        _add_tombstones(manifest, target, matches, reason)
        manifest.query(
            "UPDATE sightings SET status = 'rejected', reason = 'forgotten', sha256 = NULL,"
            " title = '', thumb_url = '', creator = '', attribution = ''"
            " WHERE id IN (SELECT value FROM json_each(?))",
            (json.dumps([s.id for s in matches.sightings]),),
        )
        for table in _OF_A_PICTURE:
            manifest.query(
                f"DELETE FROM {table} WHERE sha256 IN (SELECT value FROM json_each(?))",  # noqa: S608  our own names
                (json.dumps(sorted(matches.sha256s)),),
            )


def _add_tombstones(manifest: Manifest, target: Target, matches: Matches, reason: str) -> None:
    """Add the tombstones that are not there yet.

    Each names one thing: whoever reads them refuses every content, site and page in any row.
    """
    rows = [
        *((sha256, None, None) for sha256 in sorted(matches.sha256s)),
        *((None, host, None) for host in sorted(matches.hosts)),
        *([(None, None, page_key(target.page))] if target.page else []),
    ]
    known = set(manifest.tombstones())
    at = now()
    manifest.write(
        "INSERT INTO tombstones (sha256, site, page_url, reason, at) VALUES (?, ?, ?, ?, ?)",
        [(*row, reason, at) for row in rows if row not in known],
    )


def forgotten_contents(manifest: Manifest) -> set[str]:
    """Return the contents that were ever forgotten, by SHA-256."""
    return {sha256 for sha256, _, _ in manifest.tombstones() if sha256}


def was_forgotten(manifest: Manifest, target: Target) -> bool:
    """Say whether the target was forgotten before."""
    key = (target.sha256, target.site, target.page and page_key(target.page))
    return key in manifest.tombstones()


def unfinished_runs(manifest: Manifest) -> list[int]:
    """Return the ids of the interrupted runs."""
    return [run.id for run in manifest.runs(STAGE) if run.finished_at is None]


def versions_touched_before(manifest: Manifest, target: Target) -> set[str]:
    """Return the ids of versions that interrupted runs, or runs for the same target, touched."""
    listed = [
        run.settings.get("versions")
        for run in manifest.runs(STAGE)
        if run.finished_at is None or run.settings.get("target") == vars(target)
    ]
    return {str(version) for ids in listed if isinstance(ids, list) for version in ids}


def successor_ids(manifest: Manifest) -> dict[str, str]:
    """Return version id -> id that it got when pictures were taken out of it."""
    rewritten = [run.counts.get("rewritten", {}) for run in manifest.runs(STAGE)]
    return {before: after for ids in rewritten for before, after in ids.items()}
