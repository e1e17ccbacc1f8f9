"""Alter copies of a bundle: other class names, a damaged network."""

import json
from collections.abc import Callable
from pathlib import Path

from sceneset.checksums import hash_files

Names = list[str]


def rename_classes(folder: Path, change: Callable[[Names], Names]) -> None:
    """Give a bundle other class names, and the checksums that fit them."""
    names = change(json.loads((folder / "class_names.json").read_text()))
    (folder / "class_names.json").write_text(json.dumps(names))
    record = json.loads((folder / "bundle.json").read_text())
    record["files"] = hash_files(folder, without="bundle.json")
    (folder / "bundle.json").write_text(json.dumps(record))


def alter_network(folder: Path) -> None:
    """Change one byte of the network; the checksums stay."""
    network = folder / "model.tflite"
    data = bytearray(network.read_bytes())
    data[len(data) // 2] ^= 1
    network.write_bytes(data)


def halve_network(folder: Path) -> None:
    """Keep the first half of the network, as an interrupted copy does."""
    network = folder / "model.tflite"
    data = network.read_bytes()
    network.write_bytes(data[: len(data) // 2])
