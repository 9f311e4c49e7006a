"""pg_waldump's lines, cut down to what ``pgreplterm wal dump`` promises to print.

Owns: taking the description's arguments out of a line. Must not: import pgreplterm.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import zip_longest

_RECORD_NAME = re.compile(r"UNKNOWN \([0-9a-f]+\)|\S+")
_BLOCKS = re.compile(r"(?:, blkref #\d+: rel \d+/\d+/\d+(?: fork \w+)? blk \d+(?: FPW(?: for WAL verification)?)?)+\Z")


def without_arguments(line: str) -> str:
    """A line of pg_waldump with nothing between the record's name and its block references.

    Descriptions hold user text (restore points, message prefixes), which may look like a block reference;
    real ones are what the line ends with.
    """
    head, mark, rest = line.partition(", desc: ")
    name = _RECORD_NAME.match(rest)
    assert mark and name, line[:300]
    blocks = _BLOCKS.search(rest, name.end()) if ", blkref #" in rest else None
    return head + mark + name[0] + (blocks[0] if blocks else "")


def assert_same_lines(ours: Iterable[str], theirs: Iterable[str]) -> int:
    """Line by line; the first that differs fails with both. Returns how many there were."""
    count = 0
    for count, (mine, line) in enumerate(zip_longest(ours, theirs), start=1):
        expected = None if line is None else without_arguments(line)
        if mine != expected:
            raise AssertionError(
                f"line {count}\nfound:    {mine}\nexpected: {expected}\npg_waldump: {(line or '')[:300]}"
            )
    return count
