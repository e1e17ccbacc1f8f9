"""Run TensorFlow's writers and converters so that signals and full disks are told as such."""

import errno
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.errors import InterruptedRunError
from pipeline.native_output import STDERR, STDOUT, without_native_chatter
from pipeline.signals import stop_on_request

_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EACCES)


@contextmanager
def native_work() -> Iterator[None]:
    """Hold signals until the block ends, keep it quiet, and tell a full disk as OSError.

    The converters take a signal for an error of their own; TensorFlow and HDF5 tell of the disk in
    words only.
    """
    with stop_on_request() as stop, without_native_chatter(STDOUT, STDERR), _unwarned():
        try:
            yield
        except Exception as error:
            code = disk_trouble(str(error))
            if code is None:
                raise
            raise OSError(code, os.strerror(code)) from error
    if stop.signal_number is not None:
        raise InterruptedRunError(stop.signal_number)


@contextmanager
def _unwarned() -> Iterator[None]:
    """Ignore warnings: the converters warn of settings that are meant."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def disk_trouble(text: str) -> int | None:
    """Return the errno of the disk that an error's words speak of, or None."""
    said = text.lower()
    for code in _DISK:
        if os.strerror(code).lower() in said or f"errno = {code}," in said:
            return code
    return None
