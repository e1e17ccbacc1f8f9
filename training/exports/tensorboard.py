"""Write a run's curves and test figures as TensorBoard logs; needs no TensorBoard to write them."""

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path

from sceneset.errors import disk_errno, first_line
from training.models.backend import load_backend


def write_logs(
    folder: Path, curves: Sequence[Mapping[str, float]], test: Mapping[str, float | None]
) -> None:
    """Write event files below folder/train, /validation and /test; steps count epochs from 1.

    Raises OSError when the folder cannot be written.
    """
    parts: dict[str, list[tuple[str, float, int]]] = {"train": [], "validation": [], "test": []}
    for epoch, logs in enumerate(curves, start=1):
        for name, value in logs.items():
            part = "validation" if name.startswith("val_") else "train"
            parts[part].append((name.removeprefix("val_"), value, epoch))
    for name, figure in test.items():
        if figure is not None:
            parts["test"].append((name, figure, len(curves)))
    for part, values in parts.items():
        if values:
            try:
                _write(folder / part, values)
            except load_backend().tf.errors.OpError as error:
                code = disk_errno(str(error)) or errno.EACCES
                raise OSError(code, first_line(error), str(folder / part)) from error


def _write(folder: Path, values: Sequence[tuple[str, float, int]]) -> None:
    """Write scalars (name, value, step); `tf.summary.scalar` would import the viewer."""
    tf = load_backend().tf
    about = tf.compat.v1.SummaryMetadata()
    about.plugin_data.plugin_name = "scalars"
    writer = tf.summary.create_file_writer(str(folder))
    with writer.as_default():
        for name, value, step in values:
            tensor = tf.constant(value, tf.float32)
            tf.summary.write(name, tensor, step=step, metadata=about.SerializeToString())
    writer.close()
