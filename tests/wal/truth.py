"""What pg_waldump and ``pgreplterm wal`` print, as bytes, and how a difference between the two is told.

Owns: running both programs. Must not: import pgreplterm.wal; ours is run as a user runs it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import zip_longest
from pathlib import Path

from pgreplterm.lab.binaries import environment

_KIND = re.compile(rb"rmgr: (\S+) .*?, desc: (\S+)")
_PREPARE = re.compile(rb", desc: PREPARE .*")
_DROPPED_STATISTICS = re.compile(rb"; (?:commit|abort) dropped stats: [^;,\n]*")
_SHOWN = 12
_WIDTH = 1200


def run_waldump(programs: Path, *args: str | Path) -> bytes:
    """stdout of the pg_waldump in that folder. It exits 1 at every end of WAL, so only an empty answer is a failure."""
    done = subprocess.run([programs / "pg_waldump", *args], capture_output=True, check=False, env=environment())
    assert done.stdout, done.stderr.decode(errors="replace")
    return done.stdout


def run_ours(command: str, *args: str | Path) -> bytes:
    """stdout of ``pgreplterm wal COMMAND``, whose exit code 1 says that the WAL holds a finding."""
    argv = [sys.executable, "-m", "pgreplterm", "wal", command, *args]
    done = subprocess.run(argv, capture_output=True, check=False, env=environment())
    assert done.returncode in (0, 1) and b"Traceback" not in done.stderr, done.stderr.decode(errors="replace")
    return done.stdout


def assert_same_output(ours: bytes, theirs: bytes, programs: Path | None = None) -> None:
    """Byte for byte. Fails with the number of lines that differ and the first of each kind of record.

    programs is where that pg_waldump is, if it ran here: what old minors are known to leave out is not asked of ours.
    """
    if programs is not None and _forgets_dropped_statistics(programs):
        ours = _PREPARE.sub(lambda line: _DROPPED_STATISTICS.sub(b"", line[0]), ours)
    if ours != theirs:
        raise AssertionError("\n".join(_told(ours.split(b"\n"), theirs.split(b"\n"))))


@cache
def _forgets_dropped_statistics(programs: Path) -> bool:
    """Until 15.14, 16.10 and 17.6 (commit 0bd762e81 of May 2025) a PREPARE said nothing of dropped statistics."""
    said = subprocess.run([programs / "pg_waldump", "--version"], capture_output=True, text=True, check=True).stdout
    version = re.search(r"(\d+)\.(\d+)", said)
    return version is not None and int(version[2]) < {15: 14, 16: 10, 17: 6}.get(int(version[1]), 0)


def kinds_printed(lines: bytes) -> Counter[tuple[str, str]]:
    """How many records of each kind, resource manager and record name, pg_waldump printed."""
    kinds = Counter[tuple[bytes, bytes]]()
    for line in lines.split(b"\n"):
        head, mark, text = line.partition(b", desc: ")
        if mark and head.startswith(b"rmgr: "):
            kinds[head[6:].split(b" ", 1)[0], text.split(b" ", 1)[0]] += 1
    return Counter({(rmgr.decode(), name.decode()): count for (rmgr, name), count in kinds.items()})


def _told(ours: list[bytes], theirs: list[bytes]) -> Iterator[str]:
    yield f"{len(ours) - 1} lines of ours, {len(theirs) - 1} of pg_waldump"
    kind, shown = "no record", dict[str, str]()
    count = 0
    for number, (mine, line) in enumerate(zip_longest(ours, theirs), start=1):
        if line is not None and (match := _KIND.match(line)):
            kind = b" ".join(match.groups()).decode()
        if mine != line:
            count += 1
            shown.setdefault(kind, f"{kind}, line {number}\n  found:    {_cut(mine)}\n  expected: {_cut(line)}")
    yield f"{count} differ, in {len(shown)} kinds of record:"
    yield from list(shown.values())[:_SHOWN]


def _cut(line: bytes | None) -> str:
    return "nothing" if line is None else line[:_WIDTH].decode(errors="backslashreplace")


_RECORD_NAME = re.compile(r"UNKNOWN \([0-9a-f]+\)|\S+")
_BLOCKS = re.compile(r"(?:, blkref #\d+: rel \d+/\d+/\d+(?: fork \w+)? blk \d+(?: FPW(?: for WAL verification)?)?)+\Z")


def without_arguments(line: str) -> str:
    """A line of pg_waldump with nothing between the record's name and its block references.

    That is what dump_lines makes of an index, which has no description without the records' bytes. Descriptions
    hold user text, which may look like a block reference; real ones are what the line ends with.
    """
    head, mark, rest = line.partition(", desc: ")
    name = _RECORD_NAME.match(rest)
    assert mark and name, line[:300]
    blocks = _BLOCKS.search(rest, name.end()) if ", blkref #" in rest else None
    return head + mark + name[0] + (blocks[0] if blocks else "")


def assert_same_lines(ours: Iterable[str], theirs: Iterable[str]) -> int:
    """Line by line, without descriptions; the first that differs fails with both. Returns how many there were."""
    count = 0
    for count, (mine, line) in enumerate(zip_longest(ours, theirs), start=1):
        expected = None if line is None else without_arguments(line)
        if mine != expected:
            raise AssertionError(
                f"line {count}\nfound:    {mine}\nexpected: {expected}\npg_waldump: {(line or '')[:300]}"
            )
    return count
