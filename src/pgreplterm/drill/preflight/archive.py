"""The archive: what waits for it, what comes out of it.

Owns: those checks. Must not: ask a server.
"""

from __future__ import annotations

from pgreplterm.drill.preflight.subject import Drill, Finding, Subject, listed, ok, refuse, unknown, warn

READY_WARNING, READY_CRITICAL = 16, 128
"""repmgr's archive_ready_warning and archive_ready_critical."""

_NOTHING = ("", "(disabled)")


def backlog(subject: Subject) -> Finding:
    """PostgreSQL will not shut down until all files are archived."""
    facts = subject.facts_of(subject.primary)
    mode = facts.setting("archive_mode")
    if mode == "off":
        return ok("archive_mode is off")
    if mode is None or facts.archive_ready is None:
        return unknown(f"files that wait for the archiver of {subject.primary}", facts)
    shown = f"{facts.archive_ready} files wait"
    stops = "PostgreSQL will not shut down until all files are archived"
    if facts.archive_ready >= READY_CRITICAL and subject.drill is Drill.SWITCHOVER:
        return refuse(f"{shown}, limit {READY_CRITICAL}; {stops}", "let the archiver catch up")
    if facts.archive_ready >= READY_WARNING:
        return warn(f"{shown}, limit {READY_WARNING}; {stops}", "let the archiver catch up")
    return ok(shown)


def archiver(subject: Subject) -> Finding:
    """An archiver that fails keeps WAL, and leaves gaps in what a restore finds."""
    node = subject.seen(subject.primary)
    found = node.sample.activity.archiver if node is not None and node.sample is not None else None
    if found is None:
        return unknown("pg_stat_archiver")
    if found.mode == "off":
        return ok("archive_mode is off")
    if not found.is_failing:
        return ok(f"{found.archived} files archived, {found.failed} failures, the last attempt succeeded")
    shown = f"the last attempt failed, {found.last_failed_wal}; {found.failed} failures"
    if subject.drill in (Drill.SWITCHOVER, Drill.PITR):
        return refuse(shown, "mend archive_command first: see the server's log")
    return warn(shown, "mend archive_command: see the server's log")


def restores(subject: Subject) -> Finding:
    """Where there is an archive, a standby that falls behind its slot can still catch up from it."""
    names = [node.name for node in subject.snapshot.nodes if node.name != subject.server]
    known = {name: subject.facts_of(name).setting("restore_command") for name in names}
    if subject.facts_of(subject.primary).setting("archive_mode") == "off":
        return ok("there is no archive to restore from")
    if any(command is None for command in known.values()):
        return unknown(f"restore_command of {listed(name for name, command in known.items() if command is None)}")
    without = [name for name, command in known.items() if command in _NOTHING]
    if not without:
        return ok(f"set on {listed(known, 'every follower')}")
    return warn(f"empty on {listed(without)}", "set restore_command, so that a missing segment is no rebuild")


def there_is_one(subject: Subject) -> Finding:
    """Nothing goes back in time without the WAL between then and now."""
    facts = subject.facts
    if not facts.archive:
        return refuse("this lab has no archive", "build it with one: pgreplterm lab up --archive")
    if facts.archived is None:
        return unknown("what is in the archive")
    return ok(f"{facts.archived} segments") if facts.archived else warn("empty yet", "pg_switch_wal() fills it")
