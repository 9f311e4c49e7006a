"""The fault of an archive_command that fails.

Owns: that fault. Must not: touch the archive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from pgreplterm.cluster.words import printable
from pgreplterm.lab import process, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import advance, readings, restore, settings, standing
from pgreplterm.lab.faults.fault import Aim, Option, Order, Undo, Undoing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

COMMAND = "false"
CLEARED_TIMEOUT = 60.0
_SEGMENTS = 2
_READY = "SELECT count(*) FROM pg_ls_archive_statusdir() WHERE right(name, 6) = '.ready'"


class ArchiveFailing:
    """archive_command of a primary fails for every segment, and what it should archive piles up."""

    name: ClassVar[str] = "archive-failing"
    effect: ClassVar[str] = "the archiver fails again and again, and pg_wal keeps every segment for it"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        if not lab.is_running(target):
            return f"{target} is not running: start it first"
        return (
            standing.refusal(lab, target, _REFUSAL)
            or settings.taken(lab, target, ("archive_command",))
            or advance.too_much(lab, _SEGMENTS)
        )

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        with lab.connection(order.target) as link:
            failed = sql.value(link, "SELECT failed_count FROM pg_stat_archiver")
        changes = settings.plan(lab, order.target, {"archive_command": COMMAND})
        return {"failed": int(failed), settings.KEY: changes}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        settings.apply(lab, undo)
        advance.segments(lab, order.target, _SEGMENTS)
        return f"archive_command of {order.target} is {COMMAND!r}, and {_SEGMENTS} segments wait for it"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:
        """See Fault."""
        sample = readings.answering(snapshot, order.target)
        archiver = None if sample is None else sample.activity.archiver
        if sample is None or archiver is None or not archiver.is_failing or archiver.failed <= undo["failed"]:
            return None
        folder = sample.activity.folder
        waiting = f", {folder.ready} files wait" if folder is not None and folder.ready else ""
        last = printable(archiver.last_failed_wal or "a segment")
        failures = archiver.failed - undo["failed"]
        return f"the archiver of {order.target} has failed {failures} times, last on {last}{waiting}"

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        settings.restore(lab, undo)
        restore.revive(lab, order.target)
        if standing.is_standby(lab, order.target):
            return f"archive_command of {order.target} is as before"
        advance.segments(lab, order.target, 1)  # an archiver that has given up for a minute wakes by that
        with lab.connection(order.target) as link:
            if not process.wait_until(lambda: not sql.value(link, _READY), CLEARED_TIMEOUT, pause=0.05):
                raise LabError(
                    f"archive_command of {order.target} is as before, and segments still wait for it after "
                    f"{CLEARED_TIMEOUT:.0f} s: see its log"
                )
        return f"archive_command of {order.target} is as before, and everything is archived"


_REFUSAL = """
SELECT CASE
    WHEN current_setting('archive_mode') = 'off' THEN 'it has archive_mode off: make the lab with an archive'
    WHEN pg_is_in_recovery() THEN 'it is a standby, and only a primary archives: aim it at that'
    WHEN COALESCE(current_setting('archive_library', true), '') <> '' THEN 'it archives by archive_library'
    WHEN (SELECT last_failed_time > COALESCE(last_archived_time, '-infinity') FROM pg_stat_archiver)
        THEN 'its archiver fails already'
END
"""
