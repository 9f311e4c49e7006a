"""Whether a node can come back: pg_rewind's needs, and files that would keep it from starting.

Owns: those checks. Must not: ask a server, or read its files.
"""

from __future__ import annotations

from pgreplterm.cluster.model import RejoinAction
from pgreplterm.cluster.words import printable
from pgreplterm.drill.preflight.subject import Drill, Finding, Subject, listed, ok, refuse, unknown, warn

_STREAMING_SETTINGS = ("primary_conninfo", "primary_slot_name")


def rewindable(subject: Subject) -> Finding:
    """pg_rewind finds changed pages by their images in WAL: hints logged or checksums, and full pages."""
    target = subject.node or subject.primary
    facts, node = subject.facts_of(target), subject.seen(target)
    control = node.sample.activity.control if node is not None and node.sample is not None else None
    hints, pages = facts.setting("wal_log_hints"), facts.setting("full_page_writes")
    checksums = facts.setting("data_checksums") == "on" or (control is not None and control.has_checksums)
    if (hints is None and not checksums) or pages is None:
        return unknown(f"wal_log_hints, checksums and full_page_writes of {target}", facts)
    if pages == "off":
        return warn(f"full_page_writes is off on {target}: only a base backup brings it back")
    if checksums or hints == "on":
        return ok(f"{target}: checksums {'on' if checksums else 'off'}, wal_log_hints {hints or 'unknown'}")
    return warn(
        f"{target} has neither checksums nor wal_log_hints: if it diverges, only a base backup brings it back",
        "set wal_log_hints = on, which takes a restart",
    )


def verdict(subject: Subject) -> Finding:
    """What the timelines say of the way back; what is unknown is decided from its WAL when it is stopped."""
    node = subject.seen(subject.node)
    if node is None:
        return refuse(f"{subject.node} is no node of this cluster")
    if node.rejoin is None:
        return warn("unknown until its WAL is read, which the drill does first")
    if node.rejoin.action is RejoinAction.FOREIGN:
        return refuse(printable(node.rejoin.reason))
    shown = f"{node.rejoin.action}: {printable(node.rejoin.reason)}"
    return ok(shown) if node.rejoin.action is RejoinAction.FOLLOW else warn(shown)


def configuration(subject: Subject) -> Finding:
    """A line the server cannot read keeps it from starting again."""
    names = [subject.node or subject.primary] if subject.drill is not Drill.FAILOVER else [subject.primary]
    known = {name: subject.facts_of(name).settings_errors for name in names if name is not None}
    wrong = [each for errors in known.values() for each in errors or ()]
    if wrong:
        return refuse(listed(map(printable, wrong)), "mend that line: the server would not start with it")
    if any(errors is None for errors in known.values()):
        return unknown(f"pg_file_settings of {listed(known)}")
    return ok(f"every line of {listed(known)} can be read")


def pending(subject: Subject) -> Finding:
    """What waits for a restart takes effect in the middle of the drill."""
    known = {name: facts.settings for name, facts in subject.facts.nodes.items()}
    waiting = [
        f"{name} on {node}"
        for node, settings in known.items()
        for name, setting in (settings or {}).items()
        if setting.pending_restart
    ]
    if waiting:
        return warn(f"{listed(waiting)} waits for a restart", "restart that node first, or take the change back")
    return ok("none") if any(known.values()) else unknown("settings")


def streaming_settings(subject: Subject) -> Finding:
    """In a lab we write them into the node's own file; ALTER SYSTEM would win over it."""
    names = (node for node in subject.facts.nodes if subject.facts.owned)
    over = [
        f"{setting} of {name}"
        for name in names
        for setting in _STREAMING_SETTINGS
        if _is_overridden(subject, name, setting)
    ]
    if over:
        return refuse(f"{listed(over)} is in postgresql.auto.conf, which wins", "ALTER SYSTEM RESET it, and reload")
    return ok("in the file that a drill may write")


def _is_overridden(subject: Subject, node: str, name: str) -> bool:
    found = (subject.facts_of(node).settings or {}).get(name)
    return found is not None and (found.of_file or "").endswith("/postgresql.auto.conf")
