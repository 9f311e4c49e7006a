"""The facts of a lab, read once before a drill.

Owns: one short session for each node that answers, and the lab's own folder. Must not: change anything, or judge.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.cluster.words import printable
from pgreplterm.drill.preflight.facts import Facts, NodeFacts, Place
from pgreplterm.drill.preflight.reading import Ask, read_node
from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

_TIMEOUT = "SET statement_timeout = '2s'; SET lock_timeout = '500ms'; SET search_path = pg_catalog"
_TOOLS = ("pg_rewind", "pg_basebackup")


def look(lab: Lab, snapshot: ClusterSnapshot) -> Facts:
    """What there is to know now. A node that does not answer costs nothing: the snapshot says so already."""
    from pgreplterm.drill.engine.lock import interrupted
    from pgreplterm.lab.faults import record

    left = interrupted(lab)
    state = lab.state
    answering = [node.name for node in state.nodes if _answers(snapshot, node.name)]
    with ThreadPoolExecutor(max_workers=4) as pool:
        read = dict(zip(answering, pool.map(lambda name: _read(lab, name), answering), strict=True))
    standing, unreadable = record.readable(lab.directory)
    faults = (*(f"{each.fault} at {each.order.target}" for each in standing), *unreadable)
    network = None if state.docker is None else state.docker.subnet
    seen_as = "127.0.0.1" if state.docker is None else state.docker.gateway
    return Facts(
        nodes=read,
        places={
            node.name: Place(
                node.data_directory, _free(node.data_directory), seen_as, lab.is_running(node.name), network
            )
            for node in state.nodes
        },
        faults=faults,
        drill=_other_drill(lab.directory),
        left_half_done=left.name if left is not None else "",
        missing_tools=_missing_tools(lab),
        archive=state.archive,
        archived=_archived(lab.directory) if state.archive else None,
    )


def _answers(snapshot: ClusterSnapshot, name: str) -> bool:
    node = snapshot.node(name)
    return node is None or node.failure is None


def _read(lab: Lab, name: str) -> NodeFacts:
    try:
        with lab.connection(name) as session:
            session.execute(_TIMEOUT)
            return read_node(_asking(session))
    except PgReplTermError as error:
        return NodeFacts(reason=printable(str(error)))


def _asking(session: Any) -> Ask:
    """A statement that fails leaves one figure unknown; the session goes on, being in autocommit mode."""

    def ask(statement: str) -> Sequence[Sequence[Any]] | None:
        try:
            rows: Sequence[Sequence[Any]] = session.execute(statement).fetchall()
        except Exception as error:  # psycopg is not this room's to import
            if session.closed or type(error).__module__.partition(".")[0] != "psycopg":
                raise
            return None
        return rows

    return ask


def _free(directory: str) -> int | None:
    """Bytes free where the data directory is, or would be."""
    place = Path(directory)
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def _other_drill(directory: Path) -> int | None:
    """The pid of the drill that holds the lab's lock; 0 when none does, or it is this process's."""
    from pgreplterm.lab.faults.lock import DRILL_LOCK

    try:
        handle = os.open(directory / DRILL_LOCK, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return 0
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        with suppress(ValueError):
            holder = int(os.pread(handle, 20, 0) or b"x")
            return 0 if holder == os.getpid() else holder
        return None
    finally:
        os.close(handle)
    return 0


def _missing_tools(lab: Lab) -> tuple[str, ...] | None:
    """Servers in containers have them in the image."""
    if lab.state.docker is not None:
        return ()
    return tuple(name for name in _TOOLS if not lab.tool(name).exists())


def _archived(directory: Path) -> int | None:
    from pgreplterm.lab.config import ARCHIVE

    try:
        return sum(len(each.name) == 24 for each in (directory / ARCHIVE).iterdir())
    except OSError:
        return None
