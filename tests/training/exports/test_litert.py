import os
import signal
import threading
from pathlib import Path

import pytest
from support.training_exports import exported_network

from sceneset.errors import InterruptedRunError
from training.exports.exporter import write_keras
from training.exports.litert import convert, trace
from training.models.backend import load_backend
from training.models.inference import load_model

pytestmark = [
    pytest.mark.train,
    pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning"),
]


def test_a_signal_while_converting_ends_the_run_as_interrupted() -> None:
    model = exported_network()
    graph = trace(model, [model.output])

    def interrupt(number: int, _frame: object) -> None:
        raise InterruptedRunError(number)

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGTERM))
        timer.start()
        with pytest.raises(InterruptedRunError):
            convert(graph)
            timer.join()
    finally:
        signal.signal(signal.SIGTERM, before)


def test_the_keras_file_holds_no_optimiser_and_answers_alike(tmp_path: Path) -> None:
    keras = load_backend().keras
    model = exported_network(hidden=64)
    head = model.get_layer("head")
    head.compile(optimizer=keras.optimizers.Adam(), loss="mse")
    head.optimizer.build(head.trainable_variables)
    read = load_model(write_keras(tmp_path, model))
    assert getattr(read.get_layer("head"), "optimizer", None) is None
    assert [w.shape for w in read.get_weights()] == [w.shape for w in model.get_weights()]
