"""Find out within a moment whether drivers can be downloaded at all."""

import socket
from collections.abc import Callable, Mapping
from queue import Empty, Queue
from threading import Thread

DRIVERS_HOST = ("googlechromelabs.github.io", 443)
PATIENCE_S = 1.5
_PROXIES = ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY")


def connect(address: tuple[str, int]) -> None:
    """Open and close a connection. Raises OSError."""
    socket.create_connection(address, timeout=PATIENCE_S).close()


def is_online(
    environment: Mapping[str, str],
    connect: Callable[[tuple[str, int]], None] = connect,
    patience: float = PATIENCE_S,
) -> bool:
    """Say whether the drivers' host answers within `patience` seconds; a proxy is taken to.

    Looking a name up can hang for longer than any socket's timeout, so it is done in a thread that
    nobody waits for.
    """
    if any(environment.get(name) for name in _PROXIES):
        return True
    answers: Queue[bool] = Queue()

    def ask() -> None:
        try:
            connect(DRIVERS_HOST)
        except OSError:
            answers.put(False)
        else:
            answers.put(True)

    Thread(target=ask, daemon=True).start()
    try:
        return answers.get(timeout=patience)
    except Empty:
        return False
