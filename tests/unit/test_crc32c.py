"""Every CRC-32C kernel, its constants and the choice among them, against the definition, bit by bit.

crc32c_check.c has the exhaustive part: all short lengths, alignments, cuts and records in guarded memory. Here it is
built for this processor, and, where tools for that are installed, for others.
"""

from __future__ import annotations

import random
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm._walscan import ffi, lib
from tests.wal.servers import THOROUGH

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
# By name, those this processor has.
KERNELS = {
    name.removeprefix("WALSCAN_CRC_").lower(): getattr(lib, name)
    for name in sorted(dir(lib))
    if name.startswith("WALSCAN_CRC_") and lib.walscan_crc_kernel_of(getattr(lib, name)) != ffi.NULL
}

# RFC 3720 appendix B.4, and the check value of the CRC catalogue.
KNOWN = {
    b"": 0x00000000,
    b"123456789": 0xE3069283,
    bytes(32): 0x8A9136AA,
    b"\xff" * 32: 0x62A8AB43,
    bytes(range(32)): 0x46DD794E,
    bytes(range(31, -1, -1)): 0x113FDB5C,
}

# A record's header as the checksum sees it, and what comes before and behind the checksum.
HEADER = 24
COVERED = 20


def times_x(value: int) -> int:
    """A polynomial times x, modulo 0x82F63B78; reflected, so bit 31 is 1 and bit 0 is x^31."""
    return value >> 1 ^ (0x82F63B78 if value & 1 else 0)


def bitwise(crc: int, data: bytes) -> int:
    """More bytes of a message, by the definition: no tables, no inversion."""
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = times_x(crc)
    return crc


def crc32c(*pieces: bytes) -> int:
    crc = 0xFFFFFFFF
    for piece in pieces:
        crc = bitwise(crc, piece)
    return crc ^ 0xFFFFFFFF


def powers() -> Iterator[int]:
    """x^0, x^1 and so on."""
    value = 1 << 31
    while True:
        yield value
        value = times_x(value)


@pytest.fixture(params=list(KERNELS.values()), ids=list(KERNELS))
def kind(request: pytest.FixtureRequest) -> int:
    number: int = request.param
    return number


@pytest.mark.parametrize("data", KNOWN, ids=len)
def test_known_values(kind: int, data: bytes) -> None:
    assert lib.walscan_crc32c(kind, data, len(data)) == KNOWN[data]
    assert crc32c(data) == KNOWN[data]


@pytest.mark.parametrize("length", [*range(508, 516), 1025, 2303, 8160, 8192, 8193, 8600, 65_536, 100_003])
def test_long_buffers(kind: int, length: int) -> None:
    data = random.Random(length).randbytes(length)
    assert lib.walscan_crc32c(kind, data, length) == crc32c(data)


@pytest.mark.parametrize("before", [0, 24, 40, 300])
def test_records(kind: int, before: int) -> None:
    """The body first, then the header up to the checksum; what stands before a record makes no difference."""
    kernel = lib.walscan_crc_kernel_of(kind)
    for length in [*range(HEADER, 400, 3), 1000, 8168]:
        data = random.Random(length).randbytes(before + length)
        record = data[before:]
        expected = crc32c(record[HEADER:], record[:COVERED])
        assert kernel.record(ffi.from_buffer(data) + before, length, before) == expected, f"{length} bytes"


def test_one_bit_changes_the_value(kind: int) -> None:
    data = bytearray(random.Random(2).randbytes(600))
    before = lib.walscan_crc32c(kind, ffi.from_buffer(data), len(data))
    for bit in range(8 * len(data)):
        data[bit // 8] ^= 1 << bit % 8
        assert lib.walscan_crc32c(kind, ffi.from_buffer(data), len(data)) != before
        data[bit // 8] ^= 1 << bit % 8


def test_an_unknown_kernel_is_none() -> None:
    assert lib.walscan_crc_kernel_of(99) == ffi.NULL
    assert lib.walscan_crc32c(99, b"abc", 3) == 0


def test_the_best_is_one_of_the_others() -> None:
    others = [lib.walscan_crc_kernel_of(number) for name, number in KERNELS.items() if name != "best"]
    assert lib.walscan_crc_kernel_of(lib.WALSCAN_CRC_BEST) in others


# ---- constants ----


def constants(name: str) -> list[int]:
    """The numbers of an array in crc32c_tables.h, in order."""
    text = (CSRC / "crc32c_tables.h").read_text(encoding="utf-8")
    array = re.search(rf"{name}(?:\[\d+])+ = {{(.*?)\n}};", text, flags=re.DOTALL)
    assert array is not None
    return [int(number, 16) for number in re.findall(r"0x[0-9A-F]+", array[1])]


def test_the_tables_for_slicing() -> None:
    found = constants("crc32c_tables")
    assert found == [bitwise(0, bytes([byte, *bytes(zeros)])) for zeros in range(8) for byte in range(256)]


def test_the_factors_that_append_words() -> None:
    found = constants("crc32c_append")
    wanted = {64 * words - 33: words for words in range(1, len(found))}
    assert found[0] == 0
    for exponent, power in zip(range(max(wanted) + 1), powers(), strict=False):
        if exponent in wanted:
            assert found[wanted[exponent]] == power, f"x^{exponent}"


def test_the_checksums_of_zeros() -> None:
    assert constants("crc32c_zeros") == [crc32c(bytes(length)) for length in range(len(constants("crc32c_zeros")))]


# ---- the exhaustive check, here and on other processors ----


def build(compiler: str, program: Path, *options: str) -> Path:
    sources = [HERE / "crc32c_check.c", *sorted(CSRC.glob("crc32c*.c"))]
    command = [compiler, "-std=c11", "-O3", "-Wall", "-Wextra", *options, f"-I{CSRC}", *map(str, sources)]
    built = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True, check=False)
    assert built.returncode == 0, built.stderr
    assert not built.stderr, built.stderr
    return program


def checked(*command: str | Path) -> set[str]:
    """The kernels that the check program found to be there and right."""
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{done.returncode}\n{done.stdout}{done.stderr}"
    return {line.split()[0] for line in done.stdout.splitlines()}


def needs(*tools: str) -> None:
    missing = [tool for tool in tools if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"needs {' and '.join(missing)} (Debian: qemu-user, gcc-aarch64-linux-gnu)")


def test_everything_short_on_this_processor(tmp_path: Path) -> None:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler is not None, "the extension could not have been built without a C compiler"
    assert checked(build(compiler, tmp_path / "check")) == set(KERNELS) - {"best"}


def test_everything_short_on_arm(tmp_path: Path) -> None:
    needs("qemu-aarch64", "aarch64-linux-gnu-gcc")
    program = build("aarch64-linux-gnu-gcc", tmp_path / "check", "-static")
    assert checked("qemu-aarch64", "-cpu", "neoverse-n1", program) == {"table", "armv8", "pmull"}


@pytest.mark.parametrize(
    ("processor", "kernels"),
    [("core2duo", {"table"}), *([("Westmere", {"table", "sse42", "clmul"})] if THOROUGH else [])],
)
def test_older_processors(tmp_path: Path, processor: str, kernels: set[str]) -> None:
    """They are offered what they can run, and nothing else."""
    needs("qemu-x86_64", "gcc")
    target = subprocess.run(["gcc", "-dumpmachine"], capture_output=True, text=True, check=True).stdout
    if not target.startswith("x86_64"):
        pytest.skip(f"gcc here builds for {target.strip()}, not for x86-64")
    program = build("gcc", tmp_path / "check", "-static")
    assert checked("qemu-x86_64", "-cpu", processor, program, "brief") == kernels
