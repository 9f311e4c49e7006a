"""``wal stat --csv``.

Owns: the columns of each kind of row, which are there even if no row is. Must not: count.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Sequence
from typing import Any

_FIGURES = ("count", "record_bytes", "image_bytes")
COLUMNS = {
    "rmgr": ("rmgr", *_FIGURES),
    "record": ("rmgr", "record", *_FIGURES),
    "relation": ("tablespace", "database", "relation", "records", "record_bytes", "images", "image_bytes"),
    "xid": ("xid", *_FIGURES),
    "database": ("database", *_FIGURES),
    "minute": ("minute", *_FIGURES),
}


def print_csv(by: str, rows: Sequence[dict[str, Any]]) -> None:
    """The rows of ``--json`` as RFC 4180 has them: lines end in CRLF, what is unknown is empty."""
    table = csv.DictWriter(sys.stdout, COLUMNS[by])
    table.writeheader()
    table.writerows(rows)
