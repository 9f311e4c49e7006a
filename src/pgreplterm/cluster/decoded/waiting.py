"""Which LSN each backend waits for that waits for a synchronous standby.

Owns: finding the waiters' commit records in the primary's WAL. Must not: run every tick: it reads WAL.

No view shows that LSN (SyncRepWaitForLSN in syncrep.c keeps it in the backend's PGPROC), but it is the end of the
commit record, which carries the waiter's xid, and it lies behind what the synchronous standby has confirmed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pgreplterm.cluster.activity import Waiter
from pgreplterm.cluster.model import NodeSample
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.parts import parts
from pgreplterm.wal.records import RecordIndex
from pgreplterm.wal.rmgr import record_name
from pgreplterm.wal.source import WalSource
from pgreplterm.wal.verification import RunWalk

MOST = 64 * 1024**2
_ALIGNMENT = 8  # of records: the next one begins there
_SLACK = 1024**2  # a commit record may begin before what was confirmed
_TRANSACTION = 1
_SYNCHRONOUS = ("sync", "quorum", "potential")


def waiters_with_lsns(sample: NodeSample, source: WalSource, most: int = MOST) -> tuple[Waiter, ...]:
    """The waiters of a primary's sample, each with its LSN where its commit record was found.

    source is the primary's WAL. At most that many bytes before its end are read. Raises WalError.
    """
    waiters = sample.activity.waiters or ()
    wanted = {waiter.xid for waiter in waiters if waiter.xid is not None and waiter.lsn is None}
    if not wanted or sample.write_lsn is None:
        return waiters
    found: dict[int, LSN] = {}
    for xid, end in _commits(source, _start(sample, sample.write_lsn, most), sample.write_lsn):
        if xid in wanted:
            found[xid] = end
    return tuple(
        replace(waiter, lsn=found[waiter.xid]) if waiter.xid is not None and waiter.xid in found else waiter
        for waiter in waiters
    )


def _start(sample: NodeSample, end: LSN, most: int) -> LSN:
    """What every synchronous standby has confirmed is behind all waits; where none is connected, most bytes back."""
    confirmed = [
        lsn
        for sender in sample.senders
        if sender.sync_state in _SYNCHRONOUS
        for lsn in (sender.write_lsn, sender.flush_lsn, sender.replay_lsn)
        if lsn is not None
    ]
    return LSN(max(0, end - most, min(confirmed, default=0) - _SLACK))


def _commits(source: WalSource, start: LSN, end: LSN) -> Iterator[tuple[int, LSN]]:
    """xid and the LSN behind it of each commit record from start on that is over by end."""
    begin = min((run.segments[0].start for run in source.runs), default=start)
    for part in parts(source, Choice(rmgrs=frozenset({_TRANSACTION}), start=LSN(max(start, begin)), end=end)):
        for rows in RunWalk(source, part.run, collect=True, start=part.choice.start, end=part.choice.end):
            for row in RecordIndex(part.choice.keep(rows)):
                if record_name(source.format.major, row.rmgr, row.info) == "COMMIT":
                    yield row.xid, LSN(-(-row.end // _ALIGNMENT) * _ALIGNMENT)
