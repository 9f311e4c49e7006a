"""What can be said of a stopped node from its own files and those of the node it should follow.

Owns: reading both data directories of a lab for the verdict, and saving what only the stopped one has. Must not: change
or start anything, or decide by other rules than ``cluster.forks.rejoin``.

A lab's files are on this machine on either backend, so nothing has to be asked of a server; and a person has said whose
line is the truth by naming the source.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.cluster.connecting.connect import Target, named_target
from pgreplterm.cluster.forks.rejoin import judge
from pgreplterm.cluster.forks.stopped import StoppedNode, stopped_node
from pgreplterm.cluster.model import ClusterSnapshot, NodeSample, Rejoin, RejoinAction
from pgreplterm.drill.lost import Stopped, keep
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.wal.errors import WalError

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

Narrate = Callable[[str], None]

INTERRUPTED = Rejoin(RejoinAction.REBUILD, "its files were being replaced when that was interrupted")
"""The verdict on a node that is marked as unfinished: what is there is not to be read."""

_LOOKS = 3
"""A running source may recycle a segment just as it is read."""


def data_directory(lab: Lab, node: str) -> Path:
    """Where that node's files are."""
    return Path(lab.state.node(node).data_directory)


def verdict_on(lab: Lab, node: str, source: str) -> Rejoin:
    """How a node that does not run could follow source, a running primary that has just been checkpointed.

    Raises DrillFailed when the files of one of them cannot be read.
    """
    mine = _read(lab, node)
    theirs = replace(_read(lab, source).member(), writes=True)
    found = judge(mine.member(), theirs, decided=True)
    if found.fork_lsn is None or found.action is RejoinAction.FOLLOW:
        return found
    return judge(mine.member(found.fork_lsn), theirs, decided=True)


def keep_tail(lab: Lab, node: str, source: str, verdict: Rejoin, kept: Sequence[Path], narrate: Narrate) -> Path | None:
    """Save what only a stopped node has before its files are replaced; where, None when it has nothing of its own.

    kept says where it may go, the best place first; what another node left there stays. A copy renames the old files
    aside, so it may go on without the list. Raises DrillFailed when a rewind may not.
    """
    if verdict.action is RejoinAction.FOLLOW:
        return None
    target = named_target(source, lab.dsn(source))
    old = Stopped(node, data_directory(lab, node), 0)
    try:
        return keep(old, source, _sample(target), target, [_free(place, node) for place in kept])
    except PgReplTermError as error:
        if verdict.action is RejoinAction.REWIND:
            raise DrillFailed(f"expected to keep what only {node} has; {error}") from None
        narrate(f"what only {node} has is not listed ({error}), but its files are renamed aside")
        return None


def _read(lab: Lab, node: str) -> StoppedNode:
    for look in range(_LOOKS):
        try:
            return stopped_node(data_directory(lab, node), node)
        except WalError as error:
            if look == _LOOKS - 1:
                raise DrillFailed(f"expected to read the WAL of {node} to its end; {error}") from None
    raise AssertionError  # the loop has returned or raised


def _sample(target: Target) -> NodeSample:
    from pgreplterm.cluster.sampling.sampler import Sampler

    async def look() -> ClusterSnapshot:
        async with Sampler([target]) as sampler:
            return await sampler.sample_once()

    node = asyncio.run(look()).node(target.name)
    if node is None or node.sample is None:
        raise DrillFailed(f"expected {target.name} to answer; it does not.")
    return node.sample


def _free(place: Path, node: str) -> Path:
    """That place, or one beside it where something is already: of another node, or of an attempt that was killed."""
    if not place.exists() and not place.with_name(f"{place.name}.wal").exists():
        return place
    for number in count(1):
        other = place.with_name(f"{place.stem}-{node}{f'-{number}' if number > 1 else ''}{place.suffix}")
        if not other.exists() and not other.with_name(f"{other.name}.wal").exists():
            return other
    raise AssertionError  # the numbers never end
