"""How long a cluster takes to be there: the whole command, from exec to every standby streaming."""

from __future__ import annotations

import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

PROMISED = 1.0  # seconds, on tmpfs, with everything installed


@pytest.mark.skipif(shutil.disk_usage("/dev/shm").free < 1 << 30, reason="expected 1 GiB free in /dev/shm")
def test_lab_up(benchmark: BenchmarkFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    """``lab up --standbys 2``, five times."""
    root = Path(f"/dev/shm/pgreplterm-bench-{time.monotonic_ns()}")
    monkeypatch.setenv("PGREPLTERM_LAB_ROOT", str(root))
    command = [sys.executable, "-m", "pgreplterm", "lab"]
    took: list[float] = []

    def up() -> None:
        began = time.perf_counter()
        subprocess.run([*command, "up", "--standbys", "2", "--name", "bench"], check=True, capture_output=True)
        took.append(time.perf_counter() - began)

    def down() -> None:
        subprocess.run([*command, "down", "bench"], check=False, capture_output=True)

    try:
        benchmark.pedantic(up, setup=down, rounds=5, warmup_rounds=1)
    finally:
        down()
    median = statistics.median(took[1:])
    print(f"\nlab up --standbys 2: median {median * 1e3:.0f} ms from exec to all streaming ({took[1:]})")
