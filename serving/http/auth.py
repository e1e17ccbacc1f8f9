"""Read API keys from a file, and find out whether a request carries one of them."""

import hashlib
import hmac
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from sceneset.errors import MissingInputError, SettingsError
from serving.http.errors import HTTPError

_BEARER = "bearer "


@dataclass(frozen=True)
class APIKeys:
    """The keys that open the server; only their hashes are kept."""

    digests: tuple[bytes, ...]

    def open_to(self, headers: Mapping[str, str]) -> bool:
        """Say whether a request's headers carry a key; takes as long for any wrong one."""
        given = [headers.get("cnvrg-api-key"), headers.get("x-api-key")]
        authorization = headers.get("authorization", "")
        if authorization[: len(_BEARER)].lower() == _BEARER:
            given.append(authorization[len(_BEARER) :])
        digests = [_digest(key.strip()) for key in given if key is not None]
        # A sum: every pair is compared, also after one that is equal.
        return sum(hmac.compare_digest(a, b) for a in digests for b in self.digests) > 0

    def check(self, headers: Mapping[str, str]) -> None:
        """Raise HTTPError (401) for a request without a valid key."""
        if not self.open_to(headers):
            challenge = (("WWW-Authenticate", "Bearer"),)
            raise HTTPError(401, "unauthorised", "A valid API key is needed", headers=challenge)


def read_keys(path: Path) -> APIKeys:
    """Read one key per line; lines that begin with # are remarks.

    Raises MissingInputError when there is no file, SettingsError when it holds no key or other
    users may read it.
    """
    try:
        mode = path.stat().st_mode
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError as error:
        raise MissingInputError(
            f"no key file at {path}", cure=f"write one key per line to it, then: chmod 600 {path}"
        ) from error
    except (UnicodeDecodeError, IsADirectoryError) as error:
        raise SettingsError(
            f"the key file {path} is not a UTF-8 text file", cure="write one key per line to it"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"the key file {path} cannot be read: {error.strerror}",
            cure=f"let the user that serves read it, such as with chown, then: chmod 600 {path}",
        ) from error
    if mode & stat.S_IRWXO:
        raise SettingsError(
            f"the key file {path} is open to every user ({stat.filemode(mode)})",
            cure=f"chmod 600 {path}",
        )
    keys = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    if not keys:
        raise SettingsError(f"the key file {path} holds no key", cure="write one key per line")
    if not all(key.isascii() and key.isprintable() for key in keys):
        raise SettingsError(
            f"the key file {path} holds a key with characters that no header carries",
            cure="write keys of ASCII letters and digits",
        )
    return APIKeys(tuple(map(_digest, keys)))


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "replace")).digest()
