"""Run `serve` as a user does, ask it over a socket, and watch its memory."""

import http.client
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
READY_S = 60
PIECE = 10_000
MB = 1_000_000


@dataclass(frozen=True)
class Answer:
    """A status (0 when the connection was closed without one), headers, body and time."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    ms: float


@dataclass(frozen=True)
class Server:
    """A server that answers: its port, its process, and the file of what it says."""

    port: int
    pid: int
    log: Path

    def rss_mb(self) -> float:
        """Return the memory it holds, in MB of a million bytes."""
        return self._memory("VmRSS")

    def peak_mb(self) -> float:
        """Return the most it held since `forget_peak`, in MB."""
        return self._memory("VmHWM")

    def forget_peak(self) -> None:
        """Let the peak begin anew."""
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def tracebacks(self) -> int:
        """Return how many errors it did not expect."""
        return self.log.read_text(errors="replace").count("Traceback")

    def _memory(self, name: str) -> float:
        text = Path(f"/proc/{self.pid}/status").read_text()
        return int(text.split(f"{name}:")[1].split()[0]) * 1024 / MB


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
        found = self._post(path, body, headers, chunked=chunked)
        if found.status or not served:
            return found
        self.repeats += 1
        return self._post(path, body, headers, chunked=chunked)

    def _post(self, path: str, body: bytes, headers: Mapping[str, str], *, chunked: bool) -> Answer:
        began = time.perf_counter()
        try:
            self._send(path, body, headers, chunked=chunked)
            answer = self._connection.getresponse()
            data = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return Answer(0, {}, b"", 1000 * (time.perf_counter() - began))
        told = {name.lower(): value for name, value in answer.getheaders()}
        if answer.status >= http.HTTPStatus.BAD_REQUEST:  # what it left unread would be read next
            self._connection.close()
        return Answer(answer.status, told, data, 1000 * (time.perf_counter() - began))

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


@contextmanager
def serving(bundle: Path, log: Path, *words: str) -> Iterator[Server]:
    """Serve a bundle while the block runs. Raises RuntimeError when it does not come up."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(ROOT / "cli.py"), "serve", str(bundle), "--quiet"]
    with log.open("w") as said:
        process = subprocess.Popen(
            [*command, "--port", str(port), *words], stdout=said, stderr=said
        )
    try:
        until = time.monotonic() + READY_S
        while not _is_ready(port):
            if process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"serve does not come up: {log.read_text()[-500:]}")
            time.sleep(0.05)
        yield Server(port, process.pid, log)
    finally:
        process.send_signal(signal.SIGTERM)
        with suppress(subprocess.TimeoutExpired):
            process.wait(40)
        process.kill()
        process.wait()


def refused_start(model: Path) -> tuple[int, int]:
    """Try to serve what cannot be served; return the exit code and the lines on stderr."""
    words = [sys.executable, str(ROOT / "cli.py"), "serve", str(model), "--port", "0"]
    try:
        done = subprocess.run(words, check=False, capture_output=True, text=True, timeout=READY_S)
    except subprocess.TimeoutExpired:  # it serves
        return 0, 0
    return done.returncode, len(done.stderr.strip().splitlines())


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == http.HTTPStatus.OK
    except OSError:
        return False
    finally:
        connection.close()
