"""WAL that this user may not read: one sentence, and the exit code for a missing privilege."""

from __future__ import annotations

import os
import pwd
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pgreplterm.errors import ExitCode
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.source import open_source

pytest.importorskip("zstandard", reason="needs the extra 'archive'")

KEPT = Path(__file__).parents[1] / "data" / "wal" / "14" / "000000010000000000000020.zst"


@contextmanager
def nobody() -> Iterator[None]:
    """Without root's rights, which read everything; anyone else stays who they are."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(pwd.getpwnam("nobody").pw_uid)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("closed", ["folder", "segment"])
def test_a_path_that_may_not_be_read(tmp_path: Path, closed: str) -> None:
    folder = tmp_path / "pg_wal"
    folder.mkdir()
    segment = Path(shutil.copy(KEPT, folder))
    for open_part in (tmp_path, *tmp_path.parents[:2]):
        open_part.chmod(0o755)
    (folder if closed == "folder" else segment).chmod(0)
    with nobody(), pytest.raises(WalError) as refused:
        open_source(folder)
    folder.chmod(0o755)
    assert refused.value.exit_code == ExitCode.NO_PRIVILEGE
    assert "may not read it" in str(refused.value)
