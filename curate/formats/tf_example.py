"""Encode tf.train.Example messages and frame them as records, without TensorFlow."""

import struct
from collections.abc import Mapping, Sequence

from curate.formats.crc32c import crc32c, masked

_BYTES_LIST, _INT64_LIST = 1, 3
_SIGN = 1 << 64


def encode_example(features: Mapping[str, bytes | str | int]) -> bytes:
    """Return a tf.train.Example with one value per feature, the names sorted."""
    entries = b"".join(
        _field(1, _field(1, name.encode()) + _field(2, _feature(value)))
        for name, value in sorted(features.items())
    )
    return _field(1, entries)


def _feature(value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return _field(_INT64_LIST, _field(1, _varint(value % _SIGN)))
    return _field(_BYTES_LIST, _field(1, value.encode() if isinstance(value, str) else value))


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited protobuf field."""
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    parts = bytearray()
    while value > 0x7F:  # noqa: PLR2004  seven bits a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def frame(records: Sequence[bytes]) -> bytes:
    """Return records as a TFRecord file holds them: length, its checksum, data, its checksum."""
    lengths = [struct.pack("<Q", len(record)) for record in records]
    checks = [struct.pack("<I", masked(crc)) for crc in crc32c([*lengths, *records])]
    of_lengths, of_records = checks[: len(records)], checks[len(records) :]
    parts = zip(lengths, of_lengths, records, of_records, strict=True)
    return b"".join(b"".join(part) for part in parts)
