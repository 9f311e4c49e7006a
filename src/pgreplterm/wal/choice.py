"""Which records are wanted: pg_waldump's conditions and a time range, as data, applied in C.

Owns: reading each condition from text, and the sentence when it means nothing. Must not: read files; what a time
range means is for ``parts`` to find out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.rmgr import FORK_NAMES, rmgr_name
from pgreplterm.wal.walker import RECORD_SIZE, Rows

_BUILT_IN = 22


@dataclass(frozen=True, slots=True)
class Choice:
    """Conditions that all must hold; None and empty are no condition.

    start and end bound the records whole (LSN). since and until bound the times at which transactions ended, with a
    time zone; ``parts`` turns them into LSNs. rmgrs are ids. relation is (tablespace, database, relfilenode); it,
    block and fork (0 main, 1 fsm, 2 vm, 3 init) must hold for one and the same block reference.
    """

    rmgrs: frozenset[int] = frozenset()
    xid: int | None = None
    relation: tuple[int, int, int] | None = None
    block: int | None = None
    fork: int | None = None
    images_only: bool = False
    start: LSN | None = None
    end: LSN | None = None
    since: datetime | None = None
    until: datetime | None = None

    def keep(self, rows: Rows) -> Rows:
        """The rows for which every condition holds; since and until must have been turned into LSNs."""
        assert self.since is None and self.until is None, "see parts"
        if self == Choice():
            return rows
        # Rows of a walk lie in the walker's own memory and are moved there; rows that are kept are copied first.
        records = rows.records if isinstance(rows.records, memoryview) else bytearray(rows.records)
        kept = lib.walscan_keep(
            self._filter(),
            ffi.from_buffer("walscan_record[]", records),
            rows.count,
            ffi.from_buffer("walscan_block[]", rows.blocks),
        )
        chosen = records[: kept * RECORD_SIZE]
        return replace(rows, records=chosen if isinstance(chosen, memoryview) else bytes(chosen))

    def _filter(self) -> Any:
        wanted = ffi.new("walscan_filter *")
        for rmgr in self.rmgrs:
            wanted.rmgrs[rmgr] = 1
        wanted.by_rmgr, wanted.by_image = bool(self.rmgrs), self.images_only
        wanted.start, wanted.end = self.start or 0, self.end or 0
        for name in ("xid", "block", "fork"):
            value = getattr(self, name)
            if value is not None:
                setattr(wanted, name, value)
                setattr(wanted, f"by_{name}", 1)
        if self.relation is not None:
            wanted.tablespace, wanted.database, wanted.relation = self.relation
            wanted.by_relation = 1
        return wanted


def choice_of(
    rmgrs: Sequence[str] = (),
    xid: int | None = None,
    relation: str | None = None,
    block: int | None = None,
    fork: str | None = None,
    images_only: bool = False,
    start: str | None = None,
    end: str | None = None,
    since: str | None = None,
    until: str | None = None,
) -> Choice:
    """The choice that these texts mean. Raises WalError naming the one that means nothing."""
    if block is not None and relation is None:
        raise WalError("a block number means nothing without its relation: give --relation as well.")
    choice = Choice(
        rmgrs=frozenset(map(_rmgr, rmgrs)),
        xid=xid,
        relation=None if relation is None else _relation(relation),
        block=block,
        fork=None if fork is None else FORK_NAMES.index(fork),
        images_only=images_only,
        start=None if start is None else lsn_of(start),
        end=None if end is None else lsn_of(end),
        since=None if since is None else _time(since),
        until=None if until is None else _time(until),
    )
    _check_order(choice)
    return choice


def _check_order(choice: Choice) -> None:
    if choice.start is not None and choice.end is not None and choice.start >= choice.end:
        raise WalError(f"expected an end behind the start, {choice.start}; found {choice.end}.")
    if choice.since is not None and choice.until is not None and choice.since > choice.until:
        raise WalError(f"expected a range of times that ends at or behind {choice.since}; found {choice.until}.")


def _time(text: str) -> datetime:
    from pgreplterm.wal.times import parse_time

    return parse_time(text)


def _rmgr(text: str) -> int:
    known: dict[str, int] = {rmgr_name(rmgr).lower(): rmgr for rmgr in (*range(_BUILT_IN), *range(128, 256))}
    found = known.get(text.lower())
    if found is None:
        names = ", ".join(rmgr_name(rmgr) for rmgr in range(_BUILT_IN))
        raise WalError(f"expected a resource manager ({names}, or custom128 to custom255), found {text!r}.")
    return found


def _relation(text: str) -> tuple[int, int, int]:
    parts = text.split("/")
    if len(parts) != 3 or not all(part.isdigit() and int(part) < 1 << 32 for part in parts):
        raise WalError(f"expected a relation as tablespace/database/relfilenode, such as 1663/5/16384; found {text!r}.")
    return int(parts[0]), int(parts[1]), int(parts[2])


def lsn_of(text: str) -> LSN:
    """The LSN that text spells. Raises WalError when it spells none."""
    try:
        return LSN.parse(text)
    except ValueError as error:
        raise WalError(f"{error}.") from error
