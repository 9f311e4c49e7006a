"""Bringing a standby back that lost its place: started, its slot made again, cloned anew where nothing else helps.

Owns: that decision, for one standby and whoever follows it. Must not: inject anything, or touch a primary's data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.lab import process, server, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import restore, standing
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab
    from pgreplterm.lab.state import NodeRecord

PATIENCE = 15.0
"""Seconds a standby gets to catch up before it is cloned; in a lab it takes less than one."""

_HOPELESS = (b"has already been removed", b"is behind recovery timeline", b"is not in this server's history")
_OFTEN = 4
"""So many of these in its log settle it; the first may be older than what was put back."""

_LOOK = 0.02
_POSITION = (
    "CASE WHEN pg_is_in_recovery() THEN COALESCE(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())"
    " ELSE pg_current_wal_flush_lsn() END"
)


def unfit(lab: Lab, target: str) -> str | None:
    """Why that node is no standby that streams from a running node of the lab, without a full stop; None when it is."""
    node = lab.state.node(target)
    if node.upstream is None or not server.is_standby(node):
        return f"{target} is no standby: aim it at one"
    if not lab.is_running(target):
        return f"{target} is not running: start it first"
    try:
        above = (node.upstream, standing.primary_of(lab, target))
    except LabError as error:
        return str(error)
    for each in above:
        if not lab.is_running(each):
            return f"{each}, from which its WAL comes, is not running: start it first"
    return standing.refusal(
        lab, target, "SELECT 'it does not stream' WHERE NOT EXISTS (SELECT FROM pg_stat_wal_receiver)"
    )


def upstream_of(lab: Lab, target: str) -> str:
    """The node from which it streams. Raises LabError when it follows nobody."""
    upstream = lab.state.node(target).upstream
    if upstream is None:
        raise LabError(f"{target} follows nobody")
    return upstream


def running_below(lab: Lab, target: str) -> list[str]:
    """The nodes that run and get their WAL through this one, for an undo."""
    found = []
    for follower in standing.downstreams(lab, target):
        found += [follower] if lab.is_running(follower) else []
        found += running_below(lab, follower)
    return found


def is_unfinished(lab: Lab, target: str) -> bool:
    """Whether replacing its data was begun and did not come to its end: then it must not be started."""
    return _mark(lab, target).exists()


@contextmanager
def replacing(lab: Lab, target: str) -> Iterator[None]:
    """Mark the node as one whose data is being replaced; an end that is none leaves the mark."""
    mark(lab, target)
    yield
    _mark(lab, target).unlink(missing_ok=True)


def mark(lab: Lab, target: str) -> None:
    """Mark the node as one that has to be copied anew, and must not be started before that."""
    _mark(lab, target).touch()


def bring_back(lab: Lab, target: str, ran: Sequence[str], *, afresh: bool = False) -> str:
    """Have the standby stream from its upstream again, and those that follow it; what it took, as a clause.

    ran: the nodes below it that ran before the fault, and ought to run again. afresh: what WAL they all have may be
    wrong. They start again, since a server that came upon such WAL reads its own copy of it for ever, and are back only
    once they have replayed what their upstream has. Raises LabError.
    """
    upstream = upstream_of(lab, target)
    restore.revive(lab, upstream)
    followers = [each for each in standing.downstreams(lab, target) if lab.is_running(each) or each in ran]
    lost = not _has_slot(lab, upstream, target)
    cloned = lost or is_unfinished(lab, target) or not _follows(lab, upstream, target, afresh)
    if cloned:
        for follower in followers:  # what they lack, the upstream may lack as well: nobody is to wait for it
            end(lab, follower)
        reclone(lab, target)
    for follower in followers:
        bring_back(lab, follower, ran, afresh=afresh)
    return f"{target} was cloned anew from {upstream}" if cloned else f"{target} streams from {upstream} again"


def reclone(lab: Lab, target: str) -> None:
    """Replace a standby by a base backup of its upstream, whatever state it is in, and wait until it streams.

    Raises LabError.
    """
    upstream = upstream_of(lab, target)
    end(lab, target)
    with replacing(lab, target):
        lab.reclone_node(target, upstream)


def end(lab: Lab, node: str) -> None:
    """Have nothing work on the node's data: in order if it can stop, by force if not. Raises LabError.

    A server whose starter was killed may run and be recorded nowhere.
    """
    if lab.is_running(node) and not is_unfinished(lab, node):
        with suppress(LabError):
            lab.stop(node)
    lab.kill(node)


def _has_slot(lab: Lab, upstream: str, name: str) -> bool:
    """Make the slot when it is not there; False when it had lost its WAL and was made anew."""
    with lab.connection(upstream) as link:
        status = sql.value(link, "SELECT wal_status FROM pg_replication_slots WHERE slot_name = %s", name)
        if status == "lost":
            sql.drop_slot(link, name)
        sql.create_slots(link, (name,))
    return bool(status != "lost")


def _follows(lab: Lab, upstream: str, target: str, afresh: bool) -> bool:
    """Start it if need be, and see whether it catches up."""
    if afresh and lab.is_running(target):
        lab.stop(target)
    restore.revive(lab, target)
    return _catches_up(lab, upstream, target, replayed=afresh)


def _catches_up(lab: Lab, upstream: str, target: str, *, replayed: bool) -> bool:
    node = lab.state.node(target)
    written = server.log_size(node)
    with lab.connection(upstream) as link:
        goal = LSN.parse(sql.value(link, f"SELECT {_POSITION}"))

        def arrived() -> bool:
            row = link.execute(
                "SELECT state, flush_lsn, replay_lsn FROM pg_stat_replication WHERE application_name = %s", (target,)
            ).fetchone()
            if row is None or row[0] != "streaming":
                return False
            reached = row[2 if replayed else 1]
            return reached is not None and LSN.parse(str(reached)) >= goal

        process.wait_until(lambda: arrived() or _complains(node, written), PATIENCE, pause=_LOOK)
        return bool(arrived())


def _complains(node: NodeRecord, written: int) -> bool:
    """Whether its log, from there on, says again and again that its upstream has not the WAL it needs."""
    with server.log_file(node).open("rb") as log:
        log.seek(written)
        said = log.read()
    return sum(said.count(words) for words in _HOPELESS) >= _OFTEN


def _mark(lab: Lab, target: str) -> Path:
    return server.folder(lab.state.node(target)) / restore.UNFINISHED
