"""Lone jobs have the interpreter of several threads, jobs at once one each; all get an answer."""

import gc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from support.interpreter_pool import LIMIT_S, ONE, Loads, Scene, hold
from support.served_model import RED, Client, b64

from sceneset.bundle.reader import Bundle, open_bundle
from serving.inference.engine import Engine
from serving.inference.interpreter_pool import (
    QUIET_S,
    InterpreterPool,
    swap_due,
    threads_for_one_job,
)
from serving.inference.queue import available_cores


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(4) as threads:
        yield threads


def test_a_lone_job_has_the_multi_threaded_interpreter_and_others_a_single_threaded_one() -> None:
    scene = Scene(workers=3)
    assert sorted(scene.loads.loaded) == [1, 1, 3]
    assert [scene.ask(alone=alone) for alone in (True, False, True)] == [3, 1, 3]


def test_a_job_that_is_not_alone_brings_a_single_threaded_interpreter_for_the_multi_threaded_one() -> (
    None
):
    scene = Scene()
    assert scene.ask(alone=False) == 1
    assert scene.ask(alone=False) == 1  # and asks for nothing more meanwhile
    assert (scene.background(), scene.loads.loaded[-1]) == (1, 1)
    assert (scene.loads.alive, scene.loads.most) == (2, 3)
    assert [scene.ask(alone=alone) for alone in (True, False)] == [1, 1]
    assert scene.background() == 0


def test_the_multi_threaded_interpreter_comes_back_after_a_while_of_lone_jobs() -> None:
    scene = Scene()
    scene.ask(alone=False)
    scene.background()
    scene.now += QUIET_S - 1
    scene.ask(alone=False)
    scene.now += QUIET_S - 0.01
    assert scene.ask(alone=True) == 1
    assert scene.background() == 0
    scene.now += 0.01
    assert scene.ask(alone=True) == 1  # which does not wait for it
    assert scene.background() == 1
    assert (scene.ask(alone=True), scene.loads.alive, scene.loads.most) == (2, 2, 3)


def test_an_interpreter_at_work_leaves_after_its_run_and_takes_no_other(
    threads: ThreadPoolExecutor,
) -> None:
    scene = Scene()
    multi, first = hold(scene.pool, threads, alone=True)
    single, second = hold(scene.pool, threads, alone=False)
    assert (multi.threads, single.threads) == (2, 1)
    swap = threads.submit(scene.background)
    third = threads.submit(scene.pool.run, ONE, alone=False)
    assert third.result(LIMIT_S)[0][1] == 1  # of the one that came in, as both others are held
    assert not swap.done()
    multi.gate.set()
    assert swap.result(LIMIT_S) == 1
    assert scene.ask(alone=True) == 1
    single.gate.set()
    first.result(LIMIT_S)
    second.result(LIMIT_S)


def test_a_job_waits_for_whichever_interpreter_comes_free_first(
    threads: ThreadPoolExecutor,
) -> None:
    for released in (0, 1):
        scene = Scene()
        held = [hold(scene.pool, threads, alone=alone) for alone in (True, False)]
        third = threads.submit(scene.pool.run, ONE, alone=bool(released))
        held[released][0].gate.set()
        assert third.result(LIMIT_S)[0][1] == held[released][0].threads
        held[1 - released][0].gate.set()
        for _, answer in held:
            answer.result(LIMIT_S)


def test_an_interpreter_that_cannot_be_loaded_is_logged_once_and_the_pool_stays(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.loads.broken = True
    for _ in range(3):
        assert scene.ask(alone=False) == 1
        scene.background()
    assert scene.ask(alone=True) == 2
    assert caplog.messages == ["the networks in service stay as they are: no room"]


def test_a_pool_that_is_replaced_swaps_no_more_and_goes_out_of_memory(
    caplog: pytest.LogCaptureFixture,
) -> None:
    scene = Scene()
    scene.ask(alone=False)
    scene.pool.retire()
    assert scene.background() == 1
    assert scene.ask(alone=True) == 2
    assert len(scene.loads.loaded) == 2
    other = Scene()
    other.ask(alone=False)
    gc.disable()  # nothing but its last holder lets go of it
    try:
        del other.pool
        assert other.loads.alive == 0
    finally:
        gc.enable()
    assert other.background() == 1
    assert len(other.loads.loaded) == 2
    assert not caplog.messages


def test_without_a_background_or_a_second_thread_all_are_single_threaded() -> None:
    for workers, threads, background in ((2, 2, None), (1, 2, [].append), (2, 1, [].append)):
        loads = Loads()
        pool = InterpreterPool(loads, workers, threads=threads, background=background)
        assert [pool.run(ONE, alone=alone)[0][1] for alone in (True, False)] == [1, 1]
        assert loads.loaded == [1] * workers
    assert [threads_for_one_job(*given) for given in ((8, 8), (2, 8), (8, 2), (1, 8))] == [
        4,
        2,
        2,
        1,
    ]


def test_a_background_that_has_ended_leaves_the_pool_at_work() -> None:
    background = ThreadPoolExecutor(1)
    background.shutdown()
    pool = InterpreterPool(Loads(), 2, threads=2, background=background.submit)
    assert [pool.run(ONE, alone=alone)[0][1] for alone in (False, True)] == [1, 2]


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 2 * QUIET_S))))
def test_a_pool_is_multi_threaded_only_when_no_two_jobs_met_for_a_while(
    jobs: list[tuple[bool, float]],
) -> None:
    multi, quiet_s = True, 0.0
    for alone, pause in jobs:
        quiet_s = quiet_s + pause if alone else 0.0
        due = swap_due(multi=multi, alone=alone, quiet_s=quiet_s)
        multi = due == "multi" if due else multi
        assert alone or not multi
        assert due != "multi" or quiet_s >= QUIET_S


def test_every_thread_gets_its_own_answer_while_interpreters_are_swapped() -> None:
    loads, ticks = Loads(), iter(range(10**9))
    with ThreadPoolExecutor(1) as background, ThreadPoolExecutor(6) as threads:
        pool = InterpreterPool(
            loads, 3, threads=3, background=background.submit, clock=lambda: float(next(ticks))
        )

        def ask(number: int) -> float:
            return float(pool.run(ONE * number, alone=number // 40 % 2 == 0)[0][0])

        for first in range(40, 480, 40):  # forty jobs at once, then forty lone ones, and so on
            numbers = range(first, first + 40)
            assert list(threads.map(ask, numbers)) == list(numbers)
            background.submit(int).result(LIMIT_S)  # the swap that they asked for is over
    assert len(loads.loaded) == 3 + 11
    assert (loads.most, loads.alive) == (3 + 1, 3)


def test_an_engine_swaps_also_when_its_bundle_is_gone(
    model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bundle, waiting = open_bundle(model), list[Callable[[], None]]()
    engine = Engine(bundle, workers=2, background=waiting.append)
    plain = Engine(bundle, workers=2)
    bundle.path("model.tflite").unlink()
    pixels, swaps = np.full((32, 32, 3), 99, np.uint8), 0
    for alone in (True, False, True):
        assert np.allclose(engine.infer(pixels, alone=alone), plain.infer(pixels), atol=1e-6)
        swaps += len(waiting)
        while waiting:
            waiting.pop()()
    assert swaps == (available_cores() > 1)
    assert not caplog.messages  # which a load that fails leaves


class Requested:
    """An engine that notes who is alone, and answers each request when all of it is here."""

    bundle = Bundle(Path(), ("red", "green", "blue"), 32, "crop", {})

    def __init__(self, pictures: int) -> None:
        self.alone: list[bool] = []
        self._all = Barrier(pictures)

    def prepare(self, _data: bytes) -> None:
        return None

    def infer(self, _pixels: None, *, alone: bool) -> NDArray[np.float32]:
        self.alone.append(alone)
        self._all.wait(LIMIT_S)
        return np.full(3, 1 / 3, np.float32)


@pytest.mark.parametrize(("pictures", "alone"), [(1, [True]), (2, [False, False])])
def test_a_job_is_alone_when_no_other_waits_or_is_at_work(
    client: Client, pictures: int, alone: list[bool]
) -> None:
    reloader, engine = client.service.reloader, Requested(pictures)
    before = reloader.current
    reloader.current = replace(before, engine=engine)
    try:
        assert client.post("/v1/classify", {"images": [b64(RED)] * pictures}).status == 200
    finally:
        reloader.current = before
    assert engine.alone == alone
