"""Rules on what keeps a replicated server healthy: archiving, checkpoints, walsenders, settings.

Owns: those rules. Must not: alarm on a server that has just been made, or count what it may not see.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.activity import Archiver, Checkpoints
from pgreplterm.cluster.findings.phrases import counted, sampled
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.model import Node, NodeSample, Role
from pgreplterm.cluster.words import duration_in_words

# A standby must not have less of these than its primary (CheckRequiredParameterValues in xlogrecovery.c).
_AT_LEAST = (
    "max_connections",
    "max_worker_processes",
    "max_wal_senders",
    "max_prepared_transactions",
    "max_locks_per_transaction",
)
_BACKUP = "backup"
_IDLE_ARCHIVER = 60.0  # seconds without a file archived, with many waiting: then it is not just busy


def archiver_failing(view: View) -> Iterator[Hit]:
    """The last file could not be archived; with many waiting, pg_wal is filling up."""
    for node, archiver in _archivers(view):
        if not archiver.is_failing:
            continue
        ready = _ready(node)
        worst = Severity.CRITICAL if (ready or 0) > view.limits.ready_files else Severity.WARNING
        waiting = "" if ready is None else f", {counted(ready, 'WAL file')} waiting"
        text = f"archiving fails on {node.name}: {archiver.last_failed_wal or 'a file'} could not be archived{waiting}"
        yield Hit(worst, node.name, text, _archived(node, archiver))


def archive_backlog(view: View) -> Iterator[Hit]:
    """Many files wait, without a failure: a slow archive, or one that does nothing at all."""
    for node, archiver in _archivers(view):
        ready = _ready(node)
        if archiver.is_failing or ready is None or ready <= view.limits.ready_files:
            continue
        idle = archiver.last_archived_age is None or archiver.last_archived_age > _IDLE_ARCHIVER
        text = f"{counted(ready, 'WAL file')} wait for the archiver of {node.name}"
        yield Hit(Severity.WARNING if idle else Severity.INFO, node.name, text, _archived(node, archiver))


def checkpoints_requested(view: View) -> Iterator[Hit]:
    """Checkpoints come because max_wal_size is reached, not because it is time."""
    for node, sample in view.primaries:
        now = sample.activity.checkpoints
        if now is None:
            continue
        timed, requested, period = _in_period(view, node, now)
        limits = view.limits
        enough = timed + requested >= limits.checkpoints_least and requested >= limits.requested_least
        if enough and requested * 100 > timed * limits.requested_percent:
            text = f"checkpoints on {node.name} come too early: {requested} were requested, {timed} were timed"
            yield Hit(Severity.WARNING, node.name, text, f"{period}; {sampled(node)}")


def senders_used_up(view: View) -> Iterator[Hit]:
    """No walsender, or hardly one, is left for the next standby. A base backup's are not counted: they end."""
    for node, sample in view.answering:
        most = sample.activity.setting("max_wal_senders")
        used = sum(sender.state != _BACKUP for sender in sample.senders)
        if most is None or not used or sample.missing_privilege is not None:
            continue
        if used * 100 < int(most) * view.limits.senders_percent:
            continue
        text = f"{used} of {most} walsenders are in use on {node.name}"
        yield Hit(Severity.WARNING, node.name, text, f"max_wal_senders is {most}; {sampled(node)}")


def settings_misfit(view: View) -> Iterator[Hit]:
    """A standby with less of something than its upstream: it pauses, and will not start again."""
    for node, sample in view.standbys:
        above = view.snapshot.node(node.upstream) if node.upstream is not None else None
        if above is None or above.sample is None or above.failure is not None:
            continue
        for name in _AT_LEAST:
            mine, theirs = sample.activity.setting(name), above.sample.activity.setting(name)
            if mine is not None and theirs is not None and int(mine) < int(theirs):
                text = f"{name} is {mine} on {node.name} and {theirs} on {above.name}"
                yield Hit(Severity.WARNING, node.name, text, sampled(node))


def without_slot(view: View) -> Iterator[Hit]:
    """A standby that streams through no slot from a server that keeps no WAL for it."""
    for node, _ in view.following:
        link = view.snapshot.link_to(node.name)
        above = view.snapshot.node(link.upstream) if link is not None else None
        if link is None or link.sender is None or above is None or above.sample is None:
            continue
        slot = link.sender.slot_name or (link.receiver.slot_name if link.receiver is not None else None)
        if not slot and above.sample.activity.setting("wal_keep_size") == "0":
            text = f"{above.name} keeps no WAL for {node.name} while it is away: no slot, and wal_keep_size is 0"
            yield Hit(Severity.INFO, node.name, text, sampled(node))


def _archivers(view: View) -> Iterator[tuple[Node, Archiver]]:
    """Those that have something to archive: with archive_mode on, a standby has not."""
    for node, sample in view.answering:
        archiver = sample.activity.archiver
        if archiver is None:
            continue
        if archiver.mode == "always" or (archiver.mode == "on" and node.role is Role.PRIMARY):
            yield node, archiver


def _ready(node: Node) -> int | None:
    folder = node.sample.activity.folder if node.sample is not None else None
    return folder.ready if folder is not None else None


def _archived(node: Node, archiver: Archiver) -> str:
    told = [f"{archiver.archived} archived, {archiver.failed} failures"]
    if archiver.last_failed_age is not None:
        told.append(f"last failure {duration_in_words(max(0.0, archiver.last_failed_age))} ago")
    if archiver.last_archived_age is not None:
        told.append(f"last success {duration_in_words(max(0.0, archiver.last_archived_age))} ago")
    return ", ".join(told) + f"; {sampled(node)}"


def _in_period(view: View, node: Node, now: Checkpoints) -> tuple[int, int, str]:
    """Timed and requested checkpoints of the watched window if it has enough of them, else since the last reset."""
    for snapshot in view.earlier:
        before = _checkpoints(snapshot.node(node.name), node.sample)
        if before is None or before.timed > now.timed or before.requested > now.requested:
            continue
        timed, requested = now.timed - before.timed, now.requested - before.requested
        if timed + requested >= view.limits.checkpoints_least:
            return timed, requested, f"in the last {duration_in_words(view.snapshot.taken_at - snapshot.taken_at)}"
        break
    since = "the statistics' last reset" if now.stats_age is None else f"{duration_in_words(now.stats_age)} ago"
    return now.timed, now.requested, f"since {since}"


def _checkpoints(before: Node | None, now: NodeSample | None) -> Checkpoints | None:
    """The counters of the same run of the same server, still as a primary."""
    if before is None or before.sample is None or now is None or before.sample.in_recovery:
        return None
    same = before.sample.postmaster_started_at == now.postmaster_started_at
    return before.sample.activity.checkpoints if same else None


RULES = (
    Rule(
        "archiver-failing",
        (Severity.WARNING, Severity.CRITICAL),
        archiver_failing,
        meaning="archive_command (or archive_library) fails. The server keeps every segment until it succeeds, so "
        "pg_wal grows, and a recovery from the archive ends at the last file that got there. A shutdown waits for it.",
        action="Read the server's log for what the command said. It is tried again by itself; nothing needs a restart.",
        mysql="mysqlbinlog --read-from-remote-server --stop-never that broke off",
    ),
    Rule(
        "archive-backlog",
        (Severity.WARNING, Severity.INFO),
        archive_backlog,
        meaning="Many WAL files wait to be archived, and none failed: the archive is slower than what is written, or "
        "archive_command is empty.",
        action="Set archive_command, or make the archive faster. A planned switchover waits until all are archived.",
        mysql="binary logs not yet copied off the server",
    ),
    Rule(
        "checkpoints-requested",
        (Severity.WARNING,),
        checkpoints_requested,
        meaning="More than a few checkpoints came because max_wal_size was reached (or somebody asked), not by "
        "checkpoint_timeout. Each is followed by a wave of full-page images, so the WAL, and with it the lag, grows.",
        action="Raise max_wal_size until checkpoints are timed.",
        mysql="innodb_redo_log_capacity too small: the checkpoint age reaches it and flushing turns furious",
    ),
    Rule(
        "senders-used-up",
        (Severity.WARNING,),
        senders_used_up,
        meaning="Nearly every walsender that max_wal_senders allows is taken. The next standby, base backup or "
        "pg_receivewal is refused, and after a failover so are the siblings.",
        action="Raise max_wal_senders: on the standbys first, since they may not have less than the primary; it needs "
        "a restart.",
        mysql="no limit of its own: Binlog Dump threads count towards max_connections",
    ),
    Rule(
        "settings-misfit",
        (Severity.WARNING,),
        settings_misfit,
        meaning="A standby may not have less of this than its primary. Replay pauses (13: the server ends) once the "
        "change reaches it in the WAL, and it does not start again.",
        action="Raise it on the standby and restart it. When raising, begin with the standbys; when lowering, with the "
        "primary.",
        mysql="no counterpart: a replica may be smaller than its source",
    ),
    Rule(
        "without-slot",
        (Severity.INFO,),
        without_slot,
        meaning="The standby streams through no slot, its upstream keeps no WAL for it (wal_keep_size is 0). Without "
        "a restore_command, away for longer than a checkpoint or two, it needs a new base backup.",
        action="Make a slot for it and name it in primary_slot_name, with max_slot_wal_keep_size as the limit.",
        mysql="a short binlog_expire_logs_seconds: a replica that is away longer must be cloned anew",
    ),
)
