import os
import signal
import threading
from pathlib import Path

import pytest

from pipeline.errors import InterruptedRunError
from training.backbones import build_base
from training.export import write_tflite
from training.network import build_head, classifier, exported

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def test_a_signal_while_converting_ends_the_run_as_interrupted(tmp_path: Path) -> None:
    model = exported(
        classifier(build_base("small", 32, None), build_head(128, 2, ()), frozen=False), 2.0
    )

    def interrupt(number: int, _frame: object) -> None:
        raise InterruptedRunError(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(InterruptedRunError):
            write_tflite(tmp_path, model)
            timer.join()
    finally:
        signal.signal(signal.SIGTERM, before)
    assert list(tmp_path.iterdir()) == []
