"""What WAL is: segments, pages, records, timelines, and the end of a stream.

    source = open_source("/var/lib/postgresql/18/main")
    for report in verify(source):
        print(report.sentence)

Owns: reading WAL wherever it lies. Must not: know a live server or a terminal.
The names below load their module when first used: a program that only wants an LSN does not load the C library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgreplterm.wal.dump import dump_lines
    from pgreplterm.wal.errors import WalError
    from pgreplterm.wal.lsn import LSN
    from pgreplterm.wal.records import BlockRow, RecordIndex, RecordRow
    from pgreplterm.wal.scan import Scan, scan_run, scan_segment
    from pgreplterm.wal.source import Run, Segment, WalSource, open_source
    from pgreplterm.wal.stat import Totals, totals
    from pgreplterm.wal.verification import EndKind, RunReport, verify

_HOMES = {
    "LSN": "lsn",
    "BlockRow": "records",
    "EndKind": "verification",
    "RecordIndex": "records",
    "RecordRow": "records",
    "Run": "source",
    "RunReport": "verification",
    "Scan": "scan",
    "Segment": "source",
    "Totals": "stat",
    "WalError": "errors",
    "WalSource": "source",
    "dump_lines": "dump",
    "open_source": "source",
    "scan_run": "scan",
    "scan_segment": "scan",
    "totals": "stat",
    "verify": "verification",
}

__all__ = [
    "LSN",
    "BlockRow",
    "EndKind",
    "RecordIndex",
    "RecordRow",
    "Run",
    "RunReport",
    "Scan",
    "Segment",
    "Totals",
    "WalError",
    "WalSource",
    "dump_lines",
    "open_source",
    "scan_run",
    "scan_segment",
    "totals",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
