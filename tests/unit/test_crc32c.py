"""Every CRC-32C kernel against the definition, bit by bit: all short lengths, all alignments, all ways to cut."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest

from pgreplterm._walscan import ffi, lib

KERNELS = sorted(name for name in dir(lib) if name.startswith("WALSCAN_CRC_"))
LONGEST = 1024
ALIGNMENTS = 64
CACHE_LINE = 64

# RFC 3720 appendix B.4, and the check value of the CRC catalogue.
KNOWN = {
    b"": 0x00000000,
    b"123456789": 0xE3069283,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
}


def bitwise(crc: int, byte: int) -> int:
    """One byte more, by the definition: reflected polynomial 0x82F63B78, no tables, no inversion."""
    crc ^= byte
    for _ in range(8):
        crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc


def running(data: bytes) -> Iterator[int]:
    """The CRC of every prefix of data, the empty one first."""
    crc = 0xFFFFFFFF
    yield crc ^ 0xFFFFFFFF
    for byte in data:
        crc = bitwise(crc, byte)
        yield crc ^ 0xFFFFFFFF


@pytest.fixture(params=KERNELS)
def kind(request: pytest.FixtureRequest) -> int:
    """A kernel this processor has."""
    number: int = getattr(lib, request.param)
    if lib.walscan_crc_kernel(number) == ffi.NULL:
        pytest.skip(f"this processor lacks {request.param}")
    return number


@pytest.fixture(scope="module")
def aligned() -> Any:
    """A buffer of random bytes that begins on a cache line, with room for every alignment and length."""
    memory = ffi.new("uint8_t[]", LONGEST + 2 * CACHE_LINE + ALIGNMENTS)
    start = memory + -int(ffi.cast("uintptr_t", memory)) % CACHE_LINE
    size = LONGEST + ALIGNMENTS
    ffi.memmove(start, random.Random(1).randbytes(size), size)
    return memory, start


@pytest.mark.parametrize("data", KNOWN, ids=len)
def test_known_values(kind: int, data: bytes) -> None:
    assert lib.walscan_crc32c(kind, data, len(data)) == KNOWN[data]
    assert list(running(data))[-1] == KNOWN[data]


def test_every_length_at_every_alignment(kind: int, aligned: Any) -> None:
    _, start = aligned
    wrong = []
    for alignment in range(ALIGNMENTS):
        data = bytes(ffi.buffer(start + alignment, LONGEST))
        for length, expected in enumerate(running(data)):
            if lib.walscan_crc32c(kind, start + alignment, length) != expected:
                wrong.append((alignment, length))
    assert not wrong, f"{len(wrong)} (alignment, length), the first: {wrong[:5]}"


def test_every_way_to_cut_in_two(kind: int, aligned: Any) -> None:
    """The walker carries the running value over page ends, so it must not matter where those fall."""
    _, start = aligned
    kernel = lib.walscan_crc_kernel(kind)
    *_, expected = running(bytes(ffi.buffer(start, LONGEST)))
    for cut in range(LONGEST + 1):
        first = kernel(0xFFFFFFFF, start, cut)
        assert kernel(first, start + cut, LONGEST - cut) ^ 0xFFFFFFFF == expected, f"cut after {cut} bytes"


@pytest.mark.parametrize("length", [1025, 2303, 2304, 2305, 8160, 8192, 65_536, 100_003])
def test_long_buffers(kind: int, length: int) -> None:
    data = random.Random(length).randbytes(length)
    *_, expected = running(data)
    assert lib.walscan_crc32c(kind, data, length) == expected


def test_one_bit_changes_the_value(kind: int) -> None:
    data = bytearray(random.Random(2).randbytes(300))
    before = lib.walscan_crc32c(kind, ffi.from_buffer(data), len(data))
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        assert lib.walscan_crc32c(kind, ffi.from_buffer(data), len(data)) != before
        data[bit // 8] ^= 1 << bit % 8


def test_an_unknown_kernel_is_none() -> None:
    assert lib.walscan_crc_kernel(99) == ffi.NULL
    assert lib.walscan_crc32c(99, b"abc", 3) == 0


def test_the_best_is_one_of_the_others() -> None:
    others = [lib.walscan_crc_kernel(getattr(lib, name)) for name in KERNELS if name != "WALSCAN_CRC_BEST"]
    assert lib.walscan_crc_kernel(lib.WALSCAN_CRC_BEST) in [each for each in others if each != ffi.NULL]
