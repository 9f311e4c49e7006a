"""The C library under AddressSanitizer and UndefinedBehaviorSanitizer, on mutated pages of real WAL.

A time-boxed run; ``make fuzz`` runs as long as it is told. With the CRC switched off, so that mutated bodies are read.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CSRC = HERE.parents[1] / "csrc"
ROUNDS = int(os.environ.get("PGREPLTERM_FUZZ_ROUNDS", "8000"))
SANITIZERS = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"]
KEPT = sorted(HERE.parent.glob("data/wal/*/0*[0-9A-F].zst"))

zstandard = pytest.importorskip("zstandard", reason="needs the extra 'archive'")


@pytest.fixture(scope="module")
def mutate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler is not None, "the extension could not have been built without a C compiler"
    program = tmp_path_factory.mktemp("fuzz") / "mutate"
    sources = [*sorted(CSRC.rglob("*.c")), HERE / "fuzz_walscan.c", HERE / "mutate.c"]
    command = [compiler, "-std=c11", "-O1", "-g", *SANITIZERS, "-DWALSCAN_IGNORE_CRC", f"-I{CSRC}", *map(str, sources)]
    built = subprocess.run([*command, "-o", str(program)], capture_output=True, text=True, check=False)
    if "cannot find -lasan" in built.stderr or "libasan" in built.stderr:
        pytest.skip("this compiler comes without sanitizers")
    assert built.returncode == 0, built.stderr
    return program


@pytest.mark.parametrize("kept", KEPT, ids=lambda path: path.parent.name)
def test_mutated_wal_breaks_nothing(mutate: Path, kept: Path, tmp_path: Path) -> None:
    segment = tmp_path / "segment"
    segment.write_bytes(zstandard.ZstdDecompressor().stream_reader(kept.read_bytes()).read())
    seed = time.time_ns()
    print(f"seed {seed}")
    done = subprocess.run([mutate, segment, str(ROUNDS), str(seed)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"seed {seed}\n{done.stderr[:4000]}"
