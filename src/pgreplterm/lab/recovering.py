"""Point-in-time recovery of a lab into a fresh node, from a base backup and the lab's archive.

Owns: making that node, its recovery, and its removal. Must not: change any node of the replication tree, or the
archive: the recovered node archives nowhere and follows nobody.

    recovered.NAME/     as a node's folder; the dot keeps it apart from every node, whose names have none

The caller holds the lab's transaction. The record is in the state before anything is made.
"""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import backups, build, process, server, sql, state, tools
from pgreplterm.lab.backups import Backup
from pgreplterm.lab.config import ARCHIVE, restore_command
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.ports import Reservation
from pgreplterm.lab.recovery_target import Target
from pgreplterm.lab.shape.check import check_node_name
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import LabState, NodeRecord, Part
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import parse_history

PREFIX = "recovered."
RECOVERY_TIMEOUT = 120.0
ARCHIVE_TIMEOUT = 30.0
_LOOK = 0.02
_NOT_REACHED = "recovery ended before configured recovery target was reached"
_RESTORED = re.compile(r'restored log file "([0-9A-F]{24})" from archive')
_STOPPED = re.compile(r"recovery stopping (.*)")


@dataclass(frozen=True, slots=True)
class Recovered:
    """What came of it. Seconds of the copy and of the recovery apart; paused: it waits at the target, read-only.

    replayed_to is the LSN it has replayed to, last_commit_at (epoch seconds) when the last commit it has was made,
    stopped the server's own words on where it stopped, segments how many it took from the archive.
    """

    name: str
    backup: str
    copy_seconds: float
    recovery_seconds: float
    paused: bool
    timeline: int
    replayed_to: str
    last_commit_at: float | None
    stopped: str
    segments: int


def recover(
    site: Site, name: str, backup: Backup, target: Target, *, promote: bool, timeline: int | None = None
) -> Recovered:
    """Recover the backup to the target in a node of that name; it runs then. Raises LabError, and leaves no server.

    timeline is what archive_all said when that was done already.
    """
    target.check(backup, time.time())
    lab = site.read()
    _require_free(lab, name)
    timeline = timeline or archive_all(site)
    node, held = _enrolled(site, name)
    try:
        begun = time.monotonic()
        place = server.folder(node)
        place.mkdir()
        place.chmod(0o755)
        build.make_private(Path(node.data_directory), site.account)
        node = site.backend.make_node(site.read(), node)
        _record(site, node)
        _fill(site, node, backup, target, timeline, promote=promote)
        copied = time.monotonic()
        held.release()
        node = _start(site, node, target, promote=promote)
        reached = time.monotonic()
        return _described(site, node, backup, copied - begun, reached - copied, paused=not promote)
    except BaseException:
        held.release()
        with suppress(PgReplTermError):  # the first trouble is the one to tell; the record stays, to be removed
            remove(site, name)
        raise


def remove(site: Site, name: str) -> Path:
    """End a recovered node and take it out of the lab; its folder, renamed aside. Raises LabError."""
    node = find(site, name)
    if site.is_running(node):
        site.backend.kill(node)
    server.remove_segment(Path(node.data_directory))
    site.backend.remove_node(node)
    place = server.folder(node)
    aside = place.with_name(
        f"{place.name}.removed.{time.strftime('%Y%m%dT%H%M%S')}.{time.monotonic_ns() % 1_000_000:06}"
    )
    if place.exists():
        place.rename(aside)
    lab = site.read()
    state.write(site.directory, replace(lab, recovered=tuple(each for each in lab.recovered if each.name != name)))
    return aside


def find(site: Site, name: str) -> NodeRecord:
    """The recovered node of that name. Raises LabError naming those there are."""
    lab = site.read()
    for node in lab.recovered:
        if node.name == name:
            return node
    names = ", ".join(node.name for node in lab.recovered) or "none"
    raise LabError(f"lab {lab.name!r} has no recovered node {name!r}: it has {names}")


def archive_all(site: Site) -> int | None:
    """Have everything that the running primary wrote be in the archive, and a commit behind it; its timeline.

    A target in an idle gap is reached only by a commit past it. None when no primary runs: then the archive is all
    there is. Raises LabError when the archiver does not do it.
    """
    lab = site.read()
    if not lab.archive:
        raise LabError(f"lab {lab.name!r} has no archive to recover from: build one with 'archive = true'")
    primary = next((node for node in lab.nodes if site.is_running(node) and not server.is_standby(node)), None)
    if primary is None:
        return None
    with site.connect(primary) as link:
        link.execute("SELECT pg_logical_emit_message(true, 'pgreplterm', 'a commit past every target')")
        last = str(sql.value(link, "SELECT pg_walfile_name(pg_switch_wal())"))
    if not process.wait_until((site.directory / ARCHIVE / last).exists, ARCHIVE_TIMEOUT, pause=_LOOK):
        raise LabError(
            f"{primary.name} has not archived {last} within {ARCHIVE_TIMEOUT:.0f} s: see pg_stat_archiver there and "
            f"{server.log_file(primary)}"
        )
    return int(last[:8], 16)


def _require_free(lab: LabState, name: str) -> None:
    check_node_name(name)
    if any(node.name == name for node in (*lab.nodes, *lab.recovered)):
        raise LabError(f"lab {lab.name!r} has a node {name!r} already: choose another name")


def _enrolled(site: Site, name: str) -> tuple[NodeRecord, Reservation]:
    """Recorded, with a port that nobody may take meanwhile."""
    held = Reservation(1)
    node = NodeRecord(
        name=name,
        port=held.ports[0],
        upstream=None,
        data_directory=str(site.directory / f"{PREFIX}{name}" / "data"),
        role=Part.PRIMARY,
    )
    lab = site.read()
    state.write(site.directory, replace(lab, recovered=(*lab.recovered, node)))
    return node, held


def _record(site: Site, node: NodeRecord) -> None:
    lab = site.read()
    kept = tuple(node if each.name == node.name else each for each in lab.recovered)
    state.write(site.directory, replace(lab, recovered=kept))


def _fill(site: Site, node: NodeRecord, backup: Backup, target: Target, timeline: int | None, *, promote: bool) -> None:
    """A copy of the backup, and a configuration in which nothing of its source is left."""
    data = Path(node.data_directory)
    command = ["cp", "-a", f"{backups.data(site, backup.name)}/.", str(data)]
    tools.run(command, site.account, f"copying the backup {backup.name}")
    alone = replace(site.read(), archive=False, synchronous="")
    server.configure(node, alone, None)
    settings = {
        "archive_mode": "off",
        "primary_conninfo": "",
        "primary_slot_name": "",
        "restore_command": restore_command(),
        "recovery_target_timeline": "latest" if timeline is None else str(timeline),
        "recovery_target_action": "promote" if promote else "pause",
        **target.settings,
    }
    server.make_recovering(node, site.account, settings)


def _start(site: Site, node: NodeRecord, target: Target, *, promote: bool) -> NodeRecord:
    """Returns when the target is reached. Raises LabError in one sentence when it is not."""
    [started] = server.start(site.backend, [node])
    _record(site, started)
    try:
        server.await_ready(site.backend, started)
        _await_target(site, started, promote=promote)
    except PgReplTermError as error:
        said = _log(node)
        if _NOT_REACHED in said:
            raise LabError(
                f"the archive ends before {target.words}: no commit or restore point there is as late as that; "
                "name an earlier target"
            ) from None
        raise LabError(f"the recovery to {target.words} failed: {error}") from None
    return started


def _await_target(site: Site, node: NodeRecord, *, promote: bool) -> None:
    ended = "SELECT NOT pg_is_in_recovery()" if promote else "SELECT pg_is_in_recovery() AND pg_is_wal_replay_paused()"
    deadline = time.monotonic() + RECOVERY_TIMEOUT
    with site.connect(node) as link:
        while link.execute(ended.encode()).fetchone() != (True,):
            if time.monotonic() > deadline:
                raise LabError(f"{node.name} has not reached its target within {RECOVERY_TIMEOUT:.0f} s")
            time.sleep(_LOOK)


def _described(
    site: Site, node: NodeRecord, backup: Backup, copy_seconds: float, recovery_seconds: float, *, paused: bool
) -> Recovered:
    said = _log(node)
    with site.connect(node) as link:
        replayed = str(sql.value(link, "SELECT pg_last_wal_replay_lsn()"))
        last = sql.value(link, "SELECT extract(epoch FROM pg_last_xact_replay_timestamp())::float8")
        timeline = (
            _timeline_at(site, LSN.parse(replayed))
            if paused  # pg_control says it only after the next restartpoint
            else int(str(sql.value(link, "SELECT pg_walfile_name(pg_current_wal_lsn())"))[:8], 16)
        )
    stopped = _STOPPED.findall(said)
    return Recovered(
        name=node.name,
        backup=backup.name,
        copy_seconds=copy_seconds,
        recovery_seconds=recovery_seconds,
        paused=paused,
        timeline=timeline,
        replayed_to=replayed,
        last_commit_at=None if last is None else float(last),
        stopped=stopped[-1] if stopped else "",
        segments=len(set(_RESTORED.findall(said))),
    )


def _timeline_at(site: Site, replayed: LSN) -> int:
    """Whose WAL ends there, by the newest history in the archive."""
    newest = max((site.directory / ARCHIVE).glob("????????.history"), default=None)
    if newest is None:
        return 1
    number = int(newest.stem, 16)
    steps = parse_history(number, newest.read_text(encoding="utf-8", errors="replace")).ancestors
    return next((step.timeline for step in steps if replayed <= step.switchpoint), number)


def _log(node: NodeRecord) -> str:
    """The whole log: the node is fresh."""
    try:
        return server.log_file(node).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
