"""Fetch one preview with one polite request: bounded in time, size and redirects."""

from time import monotonic
from typing import TYPE_CHECKING

from pipeline.pictures import MAX_BYTES
from scraper.previews import OK_STATUS, Fetched

if TYPE_CHECKING:
    import requests

CONNECT_S = 5.0
READ_S = 10.0
WHOLE_S = 20.0
CHUNK = 65536


class Downloader:
    """One keep-alive session; the environment's proxies and passwords are not used."""

    def __init__(self, user_agent: str) -> None:
        """Send the browser's own user agent, so that both halves of a visit look alike."""
        import requests  # noqa: PLC0415  only the browser engines' last resort needs it

        self._session: requests.Session = requests.Session()
        self._session.trust_env = False
        self._session.max_redirects = 3
        self._session.headers.update({"User-Agent": user_agent, "Accept-Encoding": "identity"})

    def __call__(self, url: str) -> Fetched:
        """Return the bytes, or why there are none; never raises for a bad answer."""
        import requests  # noqa: PLC0415  loaded by __init__ already

        try:
            with self._session.get(url, timeout=(CONNECT_S, READ_S), stream=True) as response:
                if response.status_code != OK_STATUS:
                    return Fetched(None, response.status_code, "http_error")
                return _read(response)
        except requests.Timeout:
            return Fetched(None, None, "timeout")
        except requests.RequestException:
            return Fetched(None, None, "http_error")

    def close(self) -> None:
        """Close the connections."""
        self._session.close()


def _read(response: "requests.Response") -> Fetched:
    deadline = monotonic() + WHOLE_S
    data = bytearray()
    for chunk in response.iter_content(CHUNK):
        data += chunk
        if monotonic() > deadline:
            return Fetched(None, response.status_code, "timeout")
        if len(data) > MAX_BYTES:
            break
    return Fetched(bytes(data), response.status_code)
