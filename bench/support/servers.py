"""Start `serve` or a peer's server as a user does, and ask it over a socket."""

import http.client
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from bench.support.commands import CLI, ROOT
from bench.support.processes import megabytes, status_kb

JSON = {"Content-Type": "application/json"}
START_S = 120
STOP_S = 60
POLL_S = 0.005
PIECE = 10_000


@dataclass(frozen=True)
class Running:
    """A server that answers, in a session of its own, and the seconds until it did."""

    process: "subprocess.Popen[bytes]"
    port: int
    ready_s: float

    @property
    def pid(self) -> int:
        """Return the id of its first process."""
        return self.process.pid

    def resident_mb(self) -> float:
        """Return the memory that its first process holds, in MB of a million bytes."""
        return megabytes(status_kb(self.pid))

    def stop(self) -> int:
        """Send SIGTERM, then SIGKILL to what is left; return the exit status."""
        if self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(STOP_S)
        self._signal(signal.SIGKILL)
        return self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.pid, number)


@dataclass(frozen=True)
class Probe:
    """The request whose first 200 says that a server is ready: a GET, or a POST of JSON."""

    path: str
    body: bytes | None = None

    def succeeds(self, port: int) -> bool:
        """Say whether a server answers it with 200."""
        with (
            suppress(OSError, http.client.HTTPException),
            closing(http.client.HTTPConnection("127.0.0.1", port, timeout=60)) as connection,
        ):
            connection.request("GET" if self.body is None else "POST", self.path, self.body, JSON)
            return connection.getresponse().status == http.HTTPStatus.OK
        return False


READY = Probe("/readyz")


def serve_command(bundle: Path, *words: str) -> list[str]:
    """Return what serves a bundle, without its port."""
    return [*CLI, "serve", "--model", str(bundle), "--quiet", *words]


@contextmanager
def running(
    command: Sequence[str],
    probe: Probe = READY,
    *,
    cwd: Path = ROOT,
    variables: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[Running]:
    """Run a server on a free port while the block runs; its output goes to stderr or a log.

    Raises RuntimeError when it does not come up.
    """
    port = _free_port()
    words = [*command, "--port", str(port)]
    environment = os.environ | (variables or {})
    with log.open("w") if log else nullcontext(sys.stderr) as output:
        began = time.perf_counter()
        process = subprocess.Popen(
            words, cwd=cwd, env=environment, start_new_session=True, stdout=output, stderr=output
        )
    server = Running(process, port, 0.0)
    try:
        while not probe.succeeds(port):
            if process.poll() is not None or time.perf_counter() - began > START_S:
                raise RuntimeError(f"{words[0]} does not come up: {_end_of(log)}")
            time.sleep(POLL_S)
        yield replace(server, ready_s=time.perf_counter() - began)
    finally:
        server.stop()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def _end_of(log: Path | None) -> str:
    return log.read_text(errors="replace")[-500:] if log else "see above"


@dataclass(frozen=True)
class Answer:
    """A status (0 when the connection was closed without one), headers, body and time."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ms: float


class Client:
    """Ask over a connection that stays open, and anew when it was closed."""

    def __init__(self, port: int) -> None:
        """Connect at the first request."""
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        self.repeats = 0

    def post(
        self, path: str, body: bytes, headers: Mapping[str, str], *, chunked: bool = False
    ) -> Answer:
        """Send one request; return its answer, whose status is 0 when none came.

        A connection that served before may be closed just as it is used again, which a client can't
        tell: then, and only then, the request is sent once more, over a new one. It is counted.
        """
        served = self._connection.sock is not None
        answer = self._post(path, body, headers, chunked=chunked)
        if answer.status or not served:
            return answer
        self.repeats += 1
        return self._post(path, body, headers, chunked=chunked)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str], *, chunked: bool) -> Answer:
        began = time.perf_counter()
        try:
            self._send(path, body, headers, chunked=chunked)
            response = self._connection.getresponse()
            data = response.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Answer(0, {}, b"", 1000 * (time.perf_counter() - began))
        received = {name.lower(): value for name, value in response.getheaders()}
        if response.status >= http.HTTPStatus.BAD_REQUEST:  # what it left unread would be read next
            self._connection.close()
        return Answer(response.status, received, data, 1000 * (time.perf_counter() - began))

    def _send(self, path: str, body: bytes, headers: Mapping[str, str], *, chunked: bool) -> None:
        connection = self._connection
        connection.putrequest("POST", path)
        for name, value in headers.items():
            if name != "Transfer-Encoding":
                connection.putheader(name, value.encode("latin-1", "replace"))
        if chunked:
            connection.putheader("Transfer-Encoding", "chunked")
        else:
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        # A server that refuses a body early closes; its answer is there to be read all the same.
        with suppress(BrokenPipeError, ConnectionResetError):
            if not chunked:
                connection.send(body)
                return
            for start in range(0, len(body), PIECE):
                piece = body[start : start + PIECE]
                connection.send(b"%x\r\n%s\r\n" % (len(piece), piece))
            connection.send(b"0\r\n\r\n")
