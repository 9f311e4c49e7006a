"""CRC-32C kernels over the lengths WAL has: headers, tuples, pages."""

from __future__ import annotations

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from pgreplterm._walscan import ffi, lib

KERNELS = {"table": lib.WALSCAN_CRC_TABLE, "sse42": lib.WALSCAN_CRC_SSE42, "clmul": lib.WALSCAN_CRC_CLMUL}
DATA = bytes(range(256)) * 32


@pytest.mark.parametrize("length", [160, 1024, 8192])
@pytest.mark.parametrize("kernel", KERNELS)
def test_crc32c(benchmark: BenchmarkFixture, kernel: str, length: int) -> None:
    """One buffer through one kernel, call from Python included."""
    if lib.walscan_crc_kernel(KERNELS[kernel]) == ffi.NULL:
        pytest.skip(f"this processor has no {kernel}")
    buffer = ffi.from_buffer(DATA)
    benchmark.group = f"{length} bytes"
    benchmark(lib.walscan_crc32c, KERNELS[kernel], buffer, length)
