"""A snapshot as plain data, for ``--json``, reports and recordings.

Owns: the keys, which are a contract. LSNs and system identifiers are strings (they pass 2**53), instants ISO 8601
in UTC, gaps bytes, ages seconds; null is unknown or not applicable. Must not: write anything anywhere.
"""

from __future__ import annotations

from dataclasses import asdict, is_dataclass
from typing import Any

from pgreplterm.cluster.activity import Activity
from pgreplterm.cluster.findings import Finding, rule_of
from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, NodeFailure, Receiver, Sender, Slot
from pgreplterm.cluster.verdict import Verdict, verdict
from pgreplterm.cluster.words import instant
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory

Document = dict[str, Any]


def snapshot_document(snapshot: ClusterSnapshot, judged: Verdict | None = None) -> Document:
    """The whole snapshot with its verdict (judged now unless given)."""
    judged = judged or verdict(snapshot)
    system = snapshot.system_identifier
    return {
        "taken_at": instant(snapshot.taken_at),
        "verdict": {
            "severity": judged.severity.name.lower(),
            "text": judged.sentence,
            "evidence_age": judged.evidence_age,
            "findings": [_finding(one) for one in judged.findings],
        },
        "system_identifier": None if system is None else str(system),
        "nodes": [_node(node) for node in snapshot.nodes],
        "links": [_link(link) for link in snapshot.links],
        "slots": [
            {"node": node.name, **slot_document(slot)}
            for node in snapshot.nodes
            if node.sample is not None and node.failure is None
            for slot in node.sample.slots
        ],
    }


def _finding(finding: Finding) -> Document:
    rule = rule_of(finding)
    return {
        "rule": finding.rule,
        "severity": finding.severity.name.lower(),
        "node": finding.node,
        "text": finding.sentence,
        "evidence": finding.evidence,
        "meaning": rule.meaning,
        "action": rule.action,
        "mysql": rule.mysql,
    }


def _node(node: Node) -> Document:
    sample = node.sample
    return {
        "name": node.name,
        "address": node.address,
        "role": str(node.role),
        "state": str(node.state),
        "timeline": node.timeline,
        "upstream": node.upstream,
        "position": _lsn(sample.position if sample else None),
        "write_lsn": _lsn(sample.write_lsn if sample else None),
        "flush_lsn": _lsn(sample.flush_lsn if sample else None),
        "replay_lsn": _lsn(sample.replay_lsn if sample else None),
        "replay_paused": sample.replay_paused if sample else None,
        "in_recovery": sample.in_recovery if sample else None,
        "server_version_num": sample.server_version_num if sample else None,
        "postmaster_started_at": instant(sample.postmaster_started_at) if sample else None,
        "synchronous_standby_names": sample.synchronous_standby_names if sample else None,
        "missing_privilege": sample.missing_privilege if sample else None,
        "missing_privileges": [asdict(missing) for missing in sample.missing_privileges] if sample else None,
        "activity": _activity(sample.activity) if sample else None,
        "history": _history(sample.history) if sample and sample.history else None,
        "sample_age": _seconds(node.sample_age),
        "failure": _failure(node.failure),
        "discovered": node.discovered,
        "feeds_itself": node.feeds_itself,
        "orphaned": node.orphaned,
    }


def _activity(activity: Activity) -> Document:
    """Part by part, with settings as an object by name; the folder's instant in ISO 8601."""
    document: Document = {name: _deep(getattr(activity, name)) for name in activity.__dataclass_fields__}
    if activity.folder is not None:
        document["folder"]["taken_at"] = instant(activity.folder.taken_at)
    if activity.archiver is not None:
        document["archiver"]["is_failing"] = activity.archiver.is_failing
    document["settings"] = dict(activity.settings)
    return document


def _link(link: Link) -> Document:
    return {
        "upstream": link.upstream,
        "downstream": link.downstream,
        "kind": str(link.kind),
        "gaps": asdict(link.gaps),
        "time_lag": _seconds(link.time_lag),
        "evidence_age": _seconds(link.evidence_age),
        "catch_up": None if link.catch_up is None else _plain(asdict(link.catch_up)),
        "rates": None if link.rates is None else _plain(asdict(link.rates)),
        "sender": _sender(link.sender),
        "receiver": _receiver(link.receiver),
    }


def _sender(sender: Sender | None) -> Document | None:
    return None if sender is None else _plain(asdict(sender))


def _receiver(receiver: Receiver | None) -> Document | None:
    return None if receiver is None else _plain(asdict(receiver))


def slot_document(slot: Slot) -> Document:
    """A slot's figures; its node is not among them."""
    return _plain(asdict(slot))


def _history(history: TimelineHistory) -> list[Document]:
    return [_plain(asdict(step)) for step in history.ancestors]


def _failure(failure: NodeFailure | None) -> Document | None:
    if failure is None:
        return None
    return {"state": str(failure.state), "reason": failure.reason, "since": instant(failure.since)}


def _plain(fields: Document) -> Document:
    """asdict's values with LSNs as text and seconds rounded to the microsecond."""
    return {key: _value(value) for key, value in fields.items()}


def _deep(value: Any) -> Any:
    """As _plain, for a dataclass or a tuple of them; asdict would copy every value first."""
    if is_dataclass(value):
        return {name: _deep(getattr(value, name)) for name in value.__dataclass_fields__}
    return [_deep(inner) for inner in value] if isinstance(value, tuple) else _value(value)


def _value(value: object) -> object:
    if isinstance(value, LSN):
        return str(value)
    return round(value, 6) if isinstance(value, float) else value


def _lsn(lsn: LSN | None) -> str | None:
    return None if lsn is None else str(lsn)


def _seconds(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)
