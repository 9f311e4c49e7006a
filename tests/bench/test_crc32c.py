"""CRC-32C kernels over the lengths WAL has: headers, tuples, pages."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgreplterm._walscan import ffi, lib

KERNELS = {
    name.removeprefix("WALSCAN_CRC_").lower(): getattr(lib, name)
    for name in sorted(dir(lib))
    if name.startswith("WALSCAN_CRC_") and lib.walscan_crc_kernel_of(getattr(lib, name)) != ffi.NULL
}
DATA = bytes(range(256)) * 32


@pytest.mark.parametrize("length", [160, 1024, 8192])
@pytest.mark.parametrize("kernel", KERNELS)
def test_crc32c(benchmark: BenchmarkFixture, kernel: str, length: int) -> None:
    """One buffer through one kernel, call from Python included."""
    buffer = ffi.from_buffer(DATA)
    benchmark.group = f"{length} bytes"
    benchmark(lib.walscan_crc32c, KERNELS[kernel], buffer, length)
