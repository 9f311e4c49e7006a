"""Making a stopped node a standby again, and proving that it is one.

Owns: follow, pg_rewind and rebuild of one node of a lab by a verdict, what becomes of its followers and its settings
meanwhile, and the proof afterwards. Must not: judge, or keep what only that node has (``lost``).

pg_rewind is not believed: before PostgreSQL 17 it does nothing and ends well right after a promotion. What it left in
pg_control decides, and a node that it left as it was is copied anew. From the first byte that changes until the node is
whole it is marked as unfinished, so whoever heals after a kill copies it and never starts it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pgreplterm.cluster.model import RejoinAction
from pgreplterm.drill.rejoining import data_directory, verdict_on
from pgreplterm.errors import DrillFailed
from pgreplterm.lab import sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import mending, settings, standing
from pgreplterm.wal.control import read_control

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

WAYS = (RejoinAction.FOLLOW, RejoinAction.REWIND, RejoinAction.REBUILD)
"""What can bring a node back."""

_RECOVERING = "in archive recovery"
"""pg_control's state after pg_rewind has done its work."""

_POINTS_ELSEWHERE = ("primary_conninfo", "primary_slot_name", "recovery_target")
"""Settings, or how their names begin, that a node which follows another one must not keep from before."""

Settings = Mapping[str, str]
Narrate = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Returned:
    """How a node came back. action is what was done in the end; instead why, where that is not what was planned.

    said is pg_rewind's own line; timeline that of the source, on which the node streams now.
    """

    action: RejoinAction
    seconds: float
    timeline: int
    said: str = ""
    instead: str = ""

    @property
    def word(self) -> str:
        """As reports name it: by the program, where one does it."""
        return "pg_rewind" if self.action is RejoinAction.REWIND else str(self.action)


def bring_back(lab: Lab, node: str, source: str, action: RejoinAction, narrate: Narrate) -> Returned:
    """Have a stopped node stream from a primary, and those that follow it from it; slots nobody uses are dropped.

    Raises DrillFailed for an action that brings nobody back, and LabError.
    """
    if action not in WAYS:
        raise DrillFailed(f"expected a verdict of follow, rewind or rebuild on {node}; found {action}.")
    began = time.monotonic()
    timeline = checkpointed(lab, source)
    own = own_settings(lab, node)
    ran = mending.running_below(lab, node)
    for follower in ran:  # they may have followed it past the fork
        mending.end(lab, follower)
    said, instead = _make_standby(lab, node, source, action, timeline, narrate)
    settings.put_all_back(lab, node, own)
    if _was_copied(lab, node):
        if action is RejoinAction.FOLLOW:
            instead = f"{node} did not stream from {source} with the WAL it had"
        action = RejoinAction.REBUILD
    give_back(lab, node, own)
    for follower in ran:
        _have_follow(lab, follower, source, narrate)
    if dropped := lab.drop_unused_slots(node):
        narrate(f"dropped slots of {node} that nobody uses: {', '.join(dropped)}")
    return Returned(action, time.monotonic() - began, timeline, said, instead)


def checkpointed(lab: Lab, primary: str) -> int:
    """Checkpoint a running primary; its timeline, which pg_control then names, too. Raises DrillFailed."""
    lab.checkpoint(primary)
    with lab.connection(primary) as link:
        written = int(str(sql.value(link, "SELECT pg_walfile_name(pg_current_wal_lsn())"))[:8], 16)
        control = int(sql.value(link, "SELECT timeline_id FROM pg_control_checkpoint()"))
    if written != control:
        raise DrillFailed(
            f"expected pg_control of {primary} on timeline {written} after a checkpoint; it says {control}."
        )
    return written


def own_settings(lab: Lab, node: str) -> Settings:
    """What ALTER SYSTEM has set there, which pg_rewind and a copy replace; not what points it to another node."""
    return {name: value for name, value in settings.held(lab, node).items() if not name.startswith(_POINTS_ELSEWHERE)}


def give_back(lab: Lab, node: str, own: Settings) -> None:
    """A copy was started with none of them, and some need a start to take effect."""
    if own_settings(lab, node) == own:
        return
    lab.stop(node)
    settings.put_all_back(lab, node, own)
    lab.start(node)
    lab.wait_streaming(node)


def _make_standby(
    lab: Lab, node: str, source: str, action: RejoinAction, timeline: int, narrate: Narrate
) -> tuple[str, str]:
    """Change its files; pg_rewind's line, and why another way than the one asked for has to be gone."""
    if action is RejoinAction.REWIND:
        return _rewind(lab, node, source, timeline, narrate)
    if action is RejoinAction.REBUILD:
        mending.mark(lab, node)
    lab.follow(node, source)
    return "", ""


def _rewind(lab: Lab, node: str, source: str, timeline: int, narrate: Narrate) -> tuple[str, str]:
    """pg_rewind's line, and why the node has to be copied after all; then it stays marked as unfinished."""
    said = ""
    try:
        with mending.replacing(lab, node):
            said = lab.rewind(node, source).output
            narrate(f"pg_rewind: {said}")
            _prove(lab, node, timeline, said)
    except (LabError, DrillFailed) as error:
        narrate(f"{node} is copied anew: {error}")
        lab.follow(node, source)  # its files are not to be used, but this says from whom it is copied
        return said, str(error)
    return said, ""


def _prove(lab: Lab, node: str, timeline: int, said: str) -> None:
    """Raises DrillFailed unless the node's files will follow that timeline."""
    control = read_control(data_directory(lab, node))
    if control.state == _RECOVERING and control.min_recovery_timeline == timeline:
        return
    raise DrillFailed(
        f"expected pg_rewind to leave {node} recovering to timeline {timeline}; it said {said!r} and left pg_control "
        f"{control.state!r}, to recover to timeline {control.min_recovery_timeline}."
    )


def end(lab: Lab, node: str) -> None:
    """Stop a node so that its WAL does not grow: one that writes in immediate mode, a frozen one by force.

    Raises LabError.
    """
    if lab.is_running(node):
        with suppress(LabError):
            if standing.is_standby(lab, node):
                lab.stop(node)
            else:
                lab.crash(node)
    lab.kill(node)  # also processes that outlived their postmaster


def _was_copied(lab: Lab, node: str) -> bool:
    """Start it, and copy it if it is marked or does not stream; whether it had to be."""
    before = data_directory(lab, node).stat().st_ino
    mending.bring_back(lab, node, ())
    return data_directory(lab, node).stat().st_ino != before


def _have_follow(lab: Lab, follower: str, source: str, narrate: Narrate) -> None:
    """Judged like any other: one past the fork asks for the start of a segment, and seems to stream all the same."""
    found = verdict_on(lab, follower, source)
    if found.action is not RejoinAction.FOLLOW:
        narrate(f"{follower} is copied anew: {found.reason}")
        mending.mark(lab, follower)
    mending.bring_back(lab, follower, ())
