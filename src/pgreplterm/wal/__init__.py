"""What WAL is: segments, pages, records, timelines, and the end of a stream.

    source = open_source("/var/lib/postgresql/18/main")
    for end in verify(source):
        print(end.sentence)

Owns: reading WAL wherever it lies. Must not: know a live server or a terminal.
"""

from pgreplterm.wal.dump import dump_lines
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.records import BlockRow, RecordIndex, RecordRow
from pgreplterm.wal.scan import Scan, scan_run, scan_segment
from pgreplterm.wal.source import Run, Segment, WalSource, open_source
from pgreplterm.wal.stat import Totals, totals
from pgreplterm.wal.verify import EndKind, RunReport, verify

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
