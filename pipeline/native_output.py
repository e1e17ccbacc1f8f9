"""Keep native code quiet that writes straight to file descriptors."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

STDOUT = 1
STDERR = 2


@contextmanager
def without_native_chatter(*descriptors: int) -> Iterator[None]:
    """Send to nowhere what is written to these file descriptors in the block, Python's text too.

    TensorFlow logs before any log level is read, and its converter and LiteRT whatever the level.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    kept = {number: os.dup(number) for number in descriptors}
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        for number in kept:
            os.dup2(nowhere, number)
        yield
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        for number, copy in kept.items():
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)
