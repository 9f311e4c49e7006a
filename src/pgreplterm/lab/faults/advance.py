"""Moving a lab's WAL on, by a known number of segments.

Owns: writing segments that hold next to nothing, and checkpoints that leave what was before them unneeded. Must not:
write into a table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgreplterm.lab import process, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

MOST_BYTES = 512 << 20
"""A fault writes no more WAL than that; a lab may live in memory."""

REPLAY_TIMEOUT = 30.0
_LOOK = 0.02


def too_much(lab: Lab, segments: int) -> str | None:
    """Why that many segments are more than a fault may write, without a full stop; None when they are not."""
    size = segments * lab.state.segment_size
    if size <= MOST_BYTES:
        return None
    return f"it writes {segments} WAL segments, here {size >> 20} MiB, and a fault writes {MOST_BYTES >> 20} at most"


def segments(lab: Lab, primary: str, count: int) -> None:
    """End that many segments, each with one record of a few bytes and nothing else. Raises LabError."""
    with lab.connection(primary) as link:
        for _ in range(count):
            link.execute("SELECT pg_logical_emit_message(false, 'pgreplterm', ''::text)")  # else it would not switch
            link.execute("SELECT pg_switch_wal()")


def checkpoint(lab: Lab, primary: str, upstream: str) -> None:
    """Checkpoint the primary, and where the upstream is another node, have that replay it and restart from there."""
    lab.checkpoint(primary)
    if upstream == primary:
        return
    goal = flushed(lab, primary)
    with lab.connection(upstream) as link:

        def replayed() -> bool:
            return LSN.parse(sql.value(link, "SELECT pg_last_wal_replay_lsn()")) >= goal

        if not process.wait_until(replayed, REPLAY_TIMEOUT, pause=_LOOK):
            raise LabError(f"{upstream} has not replayed what {primary} wrote within {REPLAY_TIMEOUT:.0f} s")
    lab.checkpoint(upstream)


def redo(lab: Lab, node: str) -> tuple[LSN, int]:
    """Where crash recovery of that node would begin, and the timeline of that place."""
    with lab.connection(node) as link:
        row = link.execute("SELECT redo_lsn, timeline_id FROM pg_control_checkpoint()").fetchone()
    assert row is not None  # the function has one row
    return LSN.parse(row[0]), int(row[1])


def flushed(lab: Lab, primary: str) -> LSN:
    """The end of the primary's WAL on disk."""
    with lab.connection(primary) as link:
        return LSN.parse(sql.value(link, "SELECT pg_current_wal_flush_lsn()"))


def await_others(lab: Lab, upstream: str, target: str, goal: LSN) -> None:
    """Wait until everybody else who streams from the upstream has WAL up to there. Raises LabError."""
    with lab.connection(upstream) as link:

        def all_there() -> bool:
            rows = link.execute(
                "SELECT restart_lsn FROM pg_replication_slots WHERE active AND slot_name <> %s", (target,)
            )
            return all(row[0] is not None and LSN.parse(row[0]) >= goal for row in rows)

        if not process.wait_until(all_there, REPLAY_TIMEOUT, pause=_LOOK):
            raise LabError(f"a standby of {upstream} besides {target} is behind and would be harmed as well")
