"""What pg_control says of checksums and hints, held against the server's own word."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.wal.control import read_control

from .servers import MAJORS, scratch_folder, throwaway_server


@pytest.mark.parametrize("major", MAJORS)
@pytest.mark.parametrize(("checksums", "hints", "pages"), [(True, "off", "on"), (False, "on", "off")])
def test_flags(major: int, checksums: bool, hints: str, pages: str) -> None:
    asked = ("--data-checksums",) if checksums else ("--no-data-checksums",) if major >= 18 else ()
    with scratch_folder() as scratch:
        settings = {"wal_log_hints": hints, "full_page_writes": pages}
        with throwaway_server(major, Path(scratch) / "one", *asked, **settings) as server:
            with server.connect() as session:
                session.execute("checkpoint")
                row = session.execute(
                    "select current_setting('data_checksums'), current_setting('wal_log_hints'), "
                    "current_setting('full_page_writes')"
                ).fetchone()
            found = read_control(server.data)
    said = tuple("on" if flag else "off" for flag in (found.has_checksums, found.wal_log_hints, found.full_page_writes))
    assert said == row
