"""The questions an errand asks: a history over the replication protocol, beginnings, and grounds for a rewind.

Owns: the statements and replication commands, and reading their answers. Must not: schedule, keep, or judge.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import psycopg

from pgreplterm.cluster.forks.beginnings import PAGES, beginning, places
from pgreplterm.cluster.forks.common_checkpoint import last_in_files
from pgreplterm.cluster.forks.errand import Errand
from pgreplterm.cluster.forks.grounds import Beginning, LineageEvidence, RewindGrounds
from pgreplterm.cluster.model import NodeSample
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.segment import parse_segment_name, segment_name
from pgreplterm.wal.timeline import TimelineHistory, parse_history

READS = "EXECUTE on function pg_read_binary_file(text, bigint, bigint, boolean)"
_LISTS = "EXECUTE on function pg_ls_waldir(), which pg_monitor has"
_REFUSED = re.compile(
    r"replication role|REPLICATION attribute|pg_hba\.conf|authentication failed|no password supplied"
    r"|permission denied|must be superuser|number of requested standby connections|unsupported startup parameter"
)
_CHUNK = 1 << 20
_MOST_WAL = 64 << 20  # read backwards from a fork before the checkpoint there counts as not found
_READ = "SELECT pg_catalog.pg_read_binary_file('pg_wal/' || %s::pg_catalog.text, %s, %s, true)"
_LIST = "SELECT name FROM pg_catalog.pg_ls_waldir() WHERE name ~ '^[0-9A-F]{24}$'"
_MAY_LIST = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_ls_waldir()', 'EXECUTE')"
_MAY_READ = (
    "SELECT pg_catalog.has_function_privilege("
    "'pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)', 'EXECUTE')"
)


async def read_history(errand: Errand, system_identifier: int, timeline: int) -> TimelineHistory:
    """That timeline's history from a walsender of that very system. Raises ValueError and psycopg.Error."""
    identity = await errand.raw("IDENTIFY_SYSTEM")
    if not identity or int(identity[0]) != system_identifier:
        raise ValueError(f"expected system {system_identifier}; found {identity[:1]}")
    row = await errand.raw(f"TIMELINE_HISTORY {timeline}")
    if len(row) != 2:
        raise ValueError(f"expected a file name and its content; found {len(row)} columns")
    return parse_history(timeline, row[1].decode("utf-8", "replace"))


def is_refusal(error: psycopg.Error) -> bool:
    """Whether the server understood and will not: libpq keeps no SQLSTATE of a refused start-up packet."""
    return error.sqlstate == "42501" or _REFUSED.search(str(error)) is not None


async def read_beginnings(errand: Errand, line: TimelineHistory, segment_size: int) -> LineageEvidence:
    """How the newest timelines of the lineage began, by the WAL this server holds."""
    if not (await errand.rows(_MAY_READ))[0][0]:
        return LineageEvidence(hidden=f"the role lacks {READS}")
    found: list[Beginning] = []
    hidden = None
    for place in places(line, segment_size):
        ((pages,),) = await errand.rows(_READ, place.segment, place.offset, PAGES)
        one = None if pages is None else beginning(place, bytes(pages))
        if one is not None:
            found.append(one)
        elif hidden is None:
            hidden = f"the segment in which timeline {place.timeline} began ({place.segment}) is gone"
    return LineageEvidence(tuple(found), hidden)


async def read_grounds(errand: Errand, sample: NodeSample, fork: LSN, known: LSN | None = None) -> RewindGrounds:
    """What pg_rewind needs of this server to go back to fork; known is the last checkpoint before it, if found before.

    sample's history must be known.
    """
    ((answer,),) = await errand.rows(_rewind_sql())
    settings = answer["settings"]
    names = {row[0] for row in await errand.rows(_LIST)} if answer["lists_wal"] else None
    checkpoint = LSN.parse(answer["checkpoint_lsn"])
    wal = _Wal(errand, sample, names, reads=answer["reads_wal"])
    if checkpoint < fork:
        # The server itself would begin there after a crash, so it keeps that WAL.
        found: LSN | None = checkpoint
        reaches: bool | None = True
    else:
        found, reaches = await wal.reach(fork, known)
    return RewindGrounds(
        fork_lsn=fork,
        wal_log_hints=_flag(settings, "wal_log_hints"),
        has_checksums=_flag(settings, "data_checksums"),
        full_page_writes=_flag(settings, "full_page_writes"),
        common_checkpoint=found,
        reaches_back=reaches,
        restores=None if "restore_command" not in settings else bool(settings["restore_command"]),
        privilege=None if reaches is not None else _LISTS if names is None else wal.lacking,
    )


async def read_oldest(errand: Errand, sample: NodeSample) -> LSN | None:
    """Where the oldest segment begins that this server has of its line; None where pg_wal may not be listed."""
    ((lists,),) = await errand.rows(_MAY_LIST)
    names = {row[0] for row in await errand.rows(_LIST)} if lists else None
    return _Wal(errand, sample, names, reads=False).oldest


class _Wal:
    """The segments of one line on a server: names as listed (None: not allowed), and read where allowed."""

    def __init__(self, errand: Errand, sample: NodeSample, names: set[str] | None, reads: bool) -> None:
        self._errand, self._names, self._reads = errand, names, reads
        self._size = sample.wal_segment_size
        self._history = sample.history or TimelineHistory(sample.timeline or 1)
        self._last = (sample.position or LSN(0)).segment_number(self._size)

    @property
    def lacking(self) -> str:
        """Why a question was left open."""
        if not self._reads:
            return READS
        return f"no checkpoint in the {_MOST_WAL >> 20} MB before the fork"

    @property
    def oldest(self) -> LSN | None:
        """Where the oldest segment of the line begins; None when pg_wal may not be listed."""
        numbers = [
            name.number(self._size)
            for text in self._names or ()
            if (name := parse_segment_name(text)) is not None
            and self._history.owner(name.number(self._size), self._size) == name.timeline
        ]
        return LSN(min(numbers) * self._size) if numbers else None

    async def reach(self, fork: LSN, known: LSN | None) -> tuple[LSN | None, bool | None]:
        """The last checkpoint before fork, and whether all WAL from there to the end is here; None is unknown."""
        number = LSN(fork - 1).segment_number(self._size)
        if self._is_gone(number):
            return None, False
        if known is None and self._reads:
            known, is_gone = await self._search(number, fork)
            if is_gone:
                return None, False
        if known is None:
            return None, None
        first = known.segment_number(self._size)
        return known, not any(self._is_gone(each) for each in range(first, self._last + 1))

    async def _search(self, number: int, fork: LSN) -> tuple[LSN | None, bool]:
        """The checkpoint, looked for from that segment backwards; True if a segment is gone before it was found."""
        held: dict[str, bytes] = {}
        for each in range(number, max(-1, number - max(1, _MOST_WAL // self._size)), -1):
            wanted = min(self._size, fork - each * self._size)
            data = None if self._is_gone(each) else await self._segment(self._name(each), wanted)
            if data is None:
                return None, True
            held[self._name(each)] = data
            found = last_in_files(held, fork)
            if found is not None:
                return found, False
        return None, False

    async def _segment(self, name: str, wanted: int) -> bytes | None:
        """Its first bytes, at least as many as wanted; zeros where the rest would be."""
        pieces = []
        for offset in range(0, wanted, _CHUNK):
            ((piece,),) = await self._errand.rows(_READ, name, offset, _CHUNK, binary=True)
            if piece is None:
                return None
            pieces.append(bytes(piece))
        return b"".join(pieces).ljust(self._size, b"\0")

    def _name(self, number: int) -> str:
        return segment_name(self._history.owner(number, self._size), number, self._size)

    def _is_gone(self, number: int) -> bool:
        """Known to be: a list that may not be had says nothing."""
        return self._names is not None and self._name(number) not in self._names


def _flag(settings: Mapping[str, Any], name: str) -> bool | None:
    text = settings.get(name)
    return None if text not in ("on", "off") else text == "on"


@cache
def _rewind_sql() -> str:
    text = files(__package__).joinpath("queries", "rewind_13.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("--"))
