"""What WAL is: segments, pages, records, timelines, and the end of a stream. docs/wal-api.md shows it at work.

    source = open_source("/var/lib/postgresql/18/main")
    for record in read(source, Choice(rmgrs=frozenset({10}))):
        print(record.lsn, record.name, record.description)

Owns: reading WAL wherever it lies. Must not: know a live server or a terminal.
The names below load their module when first used: a program that only wants an LSN does not load the C library.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgreplterm.wal.choice import Choice, choice_of
    from pgreplterm.wal.dump import dump_lines, record_json
    from pgreplterm.wal.errors import WalDeniedError, WalError
    from pgreplterm.wal.image import PageImage, images_at
    from pgreplterm.wal.lsn import LSN
    from pgreplterm.wal.page_view import DataPage, read_data_page
    from pgreplterm.wal.reader import Record, read, tail
    from pgreplterm.wal.records import BlockRow, RecordIndex, RecordRow
    from pgreplterm.wal.report import Damage, EndKind, RunReport
    from pgreplterm.wal.scan import Scan, scan_run, scan_segment
    from pgreplterm.wal.source import Run, Segment, WalSource, open_source
    from pgreplterm.wal.stat import Totals, totals
    from pgreplterm.wal.tally import Counting
    from pgreplterm.wal.times import parse_time
    from pgreplterm.wal.verification import count, verify

_HOMES = {
    "LSN": "lsn",
    "BlockRow": "records",
    "Choice": "choice",
    "Counting": "tally",
    "Damage": "report",
    "DataPage": "page_view",
    "EndKind": "report",
    "PageImage": "image",
    "Record": "reader",
    "RecordIndex": "records",
    "RecordRow": "records",
    "Run": "source",
    "RunReport": "report",
    "Scan": "scan",
    "Segment": "source",
    "Totals": "stat",
    "WalDeniedError": "errors",
    "WalError": "errors",
    "WalSource": "source",
    "choice_of": "choice",
    "count": "verification",
    "dump_lines": "dump",
    "images_at": "image",
    "open_source": "source",
    "parse_time": "times",
    "read": "reader",
    "read_data_page": "page_view",
    "record_json": "dump",
    "scan_run": "scan",
    "scan_segment": "scan",
    "tail": "reader",
    "totals": "stat",
    "verify": "verification",
}

__all__ = [
    "LSN",
    "BlockRow",
    "Choice",
    "Counting",
    "Damage",
    "DataPage",
    "EndKind",
    "PageImage",
    "Record",
    "RecordIndex",
    "RecordRow",
    "Run",
    "RunReport",
    "Scan",
    "Segment",
    "Totals",
    "WalDeniedError",
    "WalError",
    "WalSource",
    "choice_of",
    "count",
    "dump_lines",
    "images_at",
    "open_source",
    "parse_time",
    "read",
    "read_data_page",
    "record_json",
    "scan_run",
    "scan_segment",
    "tail",
    "totals",
    "verify",
]


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = found  # so that it is asked for once
    return found


def __dir__() -> list[str]:
    return sorted(__all__)
