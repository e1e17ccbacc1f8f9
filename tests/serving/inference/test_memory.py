"""What a model's file held in memory goes back to the system, and comes again when it is read."""

import errno
import mmap
import os
import sys
import tracemalloc
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from support import MODELS

from sceneset.bundle.reader import open_bundle
from serving.inference.engine import Engine, LiteRTInterpreter
from serving.inference.memory import drop_pages, path_of, spans, unnamed_copy

SIZE = 1 << 20
MODEL = MODELS / "mean_colour.tflite"


def resident(name: str) -> int:
    """Return how many kB of a mapped file are in this process."""
    lines = iter(Path("/proc/self/smaps").read_text().splitlines())
    return next(
        int(line.split()[1])
        for head in lines
        if head.endswith(name)
        for line in lines
        if line.startswith("Rss:")
    )


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_bytes_that_have_a_copy_are_not_held_beside_it() -> None:
    tracemalloc.start()
    try:
        copy = unnamed_copy(os.urandom(SIZE))
        assert copy is not None
        assert tracemalloc.get_traced_memory()[0] < SIZE
        copy.close()
    finally:
        tracemalloc.stop()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc is Linux's")
def test_pages_that_were_read_leave_the_process_and_come_back_with_what_they_held() -> None:
    data = os.urandom(SIZE)
    copy = unnamed_copy(data)
    assert copy is not None
    with copy, Path(path_of(copy)).open("rb") as file:
        name = str(Path(path_of(copy)).readlink())
        mapped = mmap.mmap(file.fileno(), 0, mmap.MAP_SHARED, mmap.PROT_READ)
        assert mapped[:] == data
        assert resident(name) == SIZE // 1024
        drop_pages(copy)
        assert resident(name) == 0
    assert mapped[:] == data
    mapped.close()


def test_only_a_file_s_own_mappings_that_cannot_be_written_are_dropped() -> None:
    maps = (
        "1000-3000 r--s 0 00:1 7    /data/#7 (deleted)\n"
        "3000-4000 rw-p 0 00:1 7    /data/#7 (deleted)\n"
        "4000-5000 r--s 0 00:1 8    /data/#8 (deleted)\n"
        "5000-6000 rw-p 0 00:0 0 \n"
    )
    assert spans(maps, "/data/#7 (deleted)") == [(0x1000, 0x3000)]


def test_a_bundle_that_is_cut_short_in_place_does_not_end_the_process(model: Path) -> None:
    bundle = open_bundle(model)
    engine = Engine(bundle, workers=1)
    black = np.zeros((32, 32, 3), np.uint8)
    before = engine.infer(black)
    bundle.path("model.tflite").write_bytes(b"")
    assert np.array_equal(engine.infer(black), before)


def test_without_a_file_of_its_own_a_model_is_run_from_its_bytes() -> None:
    def refuse() -> IO[bytes]:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert unnamed_copy(MODEL.read_bytes(), refuse) is None
    assert LiteRTInterpreter(MODEL, MODEL.read_bytes()).shapes()[0][1] == 32


def test_a_copy_that_found_too_little_room_leaves_it_to_others_at_once() -> None:
    out, into = os.pipe()
    os.set_blocking(into, False)  # it takes 64 kB and no more
    file: IO[bytes] = os.fdopen(into, "wb", 0)
    assert unnamed_copy(b"x" * SIZE, lambda: file) is None
    assert file.closed
    os.close(out)
