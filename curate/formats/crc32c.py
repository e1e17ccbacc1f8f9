"""Compute CRC-32C (Castagnoli), the checksum of record files, for many records at once.

The state after a run of bytes is linear in the state before and in the bytes (RFC 3720, appendix
B.4, gives the polynomial). So all blocks of all records advance together, one byte per step, and a
record's blocks are joined by advancing the state so far over one block of zeros.
"""

from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

_POLYNOMIAL = 0x82F63B78  # reflected
_BLOCK = 1024
_HEAD = 4
_MASK_DELTA = 0xA282EAD8
_Words = NDArray[np.uint32]


@cache
def _table() -> _Words:
    """Return uint32[256]: the state after each byte from the state 0."""
    states: _Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        states = (states >> np.uint32(1)) ^ (states & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return states


def _advance(states: _Words, columns: NDArray[np.uint8]) -> _Words:
    """Advance uint32[n] states over uint8[steps, n] bytes."""
    table = _table()
    for column in columns:
        states = table[(states ^ column) & 0xFF] ^ (states >> np.uint32(8))
    return states


@cache
def _over_zeros() -> _Words:
    """Return uint32[4, 256]: each byte of a state, by its position, after a block of zeros."""
    states = np.arange(256, dtype=np.uint32) << (8 * np.arange(4, dtype=np.uint32))[:, None]
    zeros = np.zeros((_BLOCK, 1024), np.uint8)
    return _advance(states.ravel(), zeros).reshape(4, 256)


def crc32c(records: Sequence[bytes]) -> list[int]:
    """Return the CRC-32C of each record."""
    blocks = [max(1, -(-max(len(record), _HEAD) // _BLOCK)) for record in records]
    lanes = np.zeros((sum(blocks), _BLOCK), np.uint8)
    ends = np.cumsum(blocks)
    for record, end in zip(records, ends, strict=True):
        # The state starts with all bits set: the same as inverting the first four bytes. Zeros
        # before them leave a state of 0 as it is.
        if len(record) >= _HEAD:
            whole = np.frombuffer(record, np.uint8)
            flat = lanes[:end].reshape(-1)[-len(record) :]
            flat[:] = whole
            flat[:_HEAD] ^= 0xFF
    states = _advance(np.zeros(len(lanes), np.uint32), np.ascontiguousarray(lanes.T))
    joined = [
        _join(states[end - count : end]) if len(record) >= _HEAD else _short(record)
        for record, end, count in zip(records, ends, blocks, strict=True)
    ]
    return [state ^ 0xFFFFFFFF for state in joined]


def _join(blocks: _Words) -> int:
    zeros = _over_zeros()
    state = 0
    for block in blocks.tolist():
        shifted = block
        for position in range(4):
            shifted ^= int(zeros[position, state >> (8 * position) & 0xFF])
        state = shifted
    return state


def _short(record: bytes) -> int:
    state = np.array([0xFFFFFFFF], np.uint32)
    return int(_advance(state, np.frombuffer(record, np.uint8)[:, None])[0])


def masked(crc: int) -> int:
    """Return a CRC as record files store it: rotated right by 15 bits, plus a constant."""
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
