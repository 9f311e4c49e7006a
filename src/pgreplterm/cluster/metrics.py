"""A snapshot as metrics: names, units, labels, values.

Owns: which metrics there are and what each means. Must not: know how they are written down or served.

What is unknown has no sample, never a zero. Names are OpenMetrics' convention: the unit last, counters without the
_total that their notation adds. A node that does not answer keeps only what says so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pgreplterm.cluster.findings import Finding, findings
from pgreplterm.cluster.findings.slots import is_lost
from pgreplterm.cluster.model import ClusterSnapshot, Gaps, Link, Node, NodeSample
from pgreplterm.cluster.verdict import verdict

Labels = tuple[tuple[str, str], ...]
Sample = tuple[Labels, float | None]


class Kind(StrEnum):
    """OpenMetrics' types, as far as they are used."""

    GAUGE = "gauge"
    COUNTER = "counter"
    INFO = "info"


@dataclass(frozen=True, slots=True)
class Metric:
    """One family: every sample has the same label names."""

    name: str
    kind: Kind
    help: str
    samples: tuple[tuple[Labels, float], ...]


def metrics(snapshot: ClusterSnapshot) -> tuple[Metric, ...]:
    """Every metric the snapshot has a value for."""
    found = findings(snapshot)
    families = (*_of_cluster(snapshot, found), *_of_nodes(snapshot), *_of_links(snapshot), *_of_slots(snapshot))
    return tuple(family for family in families if family.samples)


def _metric(name: str, kind: Kind, text: str, samples: Iterator[Sample]) -> Metric:
    known = tuple((labels, float(value)) for labels, value in samples if value is not None)
    return Metric(f"pgreplterm_{name}", kind, text, known)


def _of_cluster(snapshot: ClusterSnapshot, found: tuple[Finding, ...]) -> Iterator[Metric]:
    yield _metric(
        "snapshot_timestamp_seconds", Kind.GAUGE, "When the figures were joined.", iter([((), snapshot.taken_at)])
    )
    severity = verdict(snapshot).severity.name.lower()
    severities = ("ok", "info", "unknown", "warning", "critical")
    states = (((("severity", each),), float(each == severity)) for each in severities)
    yield _metric("verdict", Kind.GAUGE, "1 for the severity of the worst finding, 0 for the others.", states)
    counts = Counter((each.rule, each.severity.name.lower()) for each in found)
    rules = (((("rule", rule), ("severity", how)), float(count)) for (rule, how), count in sorted(counts.items()))
    yield _metric("findings", Kind.GAUGE, "How often each rule is broken now.", rules)


def _of_nodes(snapshot: ClusterSnapshot) -> Iterator[Metric]:
    nodes = snapshot.nodes
    up = ((_node(node), float(node.sample is not None and node.failure is None)) for node in nodes)
    yield _metric("up", Kind.GAUGE, "1 if the newest attempt to sample the node gave an answer.", up)
    yield _metric("node", Kind.INFO, "What the node is, and does.", ((_info(node), 1.0) for node in nodes))
    ages = ((_node(node), node.sample_age) for node in nodes)
    yield _metric("sample_age_seconds", Kind.GAUGE, "Age of the node's newest sample.", ages)
    for name, kind, text, path in _NODE_FIGURES:
        values = [(_node(node), _figure(sample, path)) for node, sample in _answering(snapshot)]
        yield _metric(name, kind, text, iter(values))
    waiters = ((_node(node), sample.activity.waiters) for node, sample in _answering(snapshot))
    counts = ((labels, None if each is None else float(len(each))) for labels, each in waiters)
    yield _metric("synchronous_waiters", Kind.GAUGE, "Commits that wait for a synchronous standby.", counts)


# Where the figure stands in a sample; a part that is None on the way there means that it is unknown.
_NODE_FIGURES: tuple[tuple[str, Kind, str, str], ...] = (
    ("timeline", Kind.GAUGE, "Timeline of the node's WAL position.", "timeline"),
    ("wal_position_bytes", Kind.GAUGE, "End of the WAL the node holds, an LSN as a number.", "position"),
    ("replay_paused", Kind.GAUGE, "1 if replay is paused.", "replay_paused"),
    ("wal_written_bytes", Kind.COUNTER, "WAL written since statistics began (14 and later).", "activity.volume.bytes"),
    ("full_page_images", Kind.COUNTER, "Full-page images in it (14 and later).", "activity.volume.images"),
    ("checkpoints_timed", Kind.COUNTER, "Checkpoints begun by time.", "activity.checkpoints.timed"),
    ("checkpoints_requested", Kind.COUNTER, "Checkpoints begun otherwise.", "activity.checkpoints.requested"),
    ("checkpoint_age_seconds", Kind.GAUGE, "Age of the last checkpoint.", "activity.control.checkpoint_age"),
    ("archived_segments", Kind.COUNTER, "Segments archived.", "activity.archiver.archived"),
    ("archive_failures", Kind.COUNTER, "Failed attempts to archive.", "activity.archiver.failed"),
    ("archive_ready_segments", Kind.GAUGE, "Segments that wait for the archiver.", "activity.folder.ready"),
    ("wal_folder_bytes", Kind.GAUGE, "Size of the segments in pg_wal.", "activity.folder.bytes"),
    ("recovery_conflicts", Kind.COUNTER, "Queries cancelled by recovery.", "activity.recovery.conflicts.total"),
)


def _figure(sample: NodeSample, path: str) -> float | None:
    value: Any = sample
    for name in path.split("."):
        value = getattr(value, name)
        if value is None:
            return None
    return float(value)


def _of_links(snapshot: ClusterSnapshot) -> Iterator[Metric]:
    links = list(_labelled(snapshot.links))
    for stage, text in _STAGES.items():
        values = ((labels, _gap(link.gaps, stage)) for labels, link in links)
        yield _metric(f"{stage}_gap_bytes", Kind.GAUGE, f"From the end of the upstream's WAL to {text}.", values)
    lags = ((labels, 0.0 if link.gaps.replay == 0 else link.time_lag) for labels, link in links)
    yield _metric("replay_lag_seconds", Kind.GAUGE, "How long ago the upstream stood where replay is.", lags)
    ages = ((labels, link.evidence_age) for labels, link in links)
    yield _metric("evidence_age_seconds", Kind.GAUGE, "Age of the downstream's own last word on its position.", ages)


_STAGES = {
    "unsent": "what was sent",
    "write": "what the downstream has written",
    "flush": "what the downstream has flushed",
    "replay": "what the downstream has replayed",
}


def _of_slots(snapshot: ClusterSnapshot) -> Iterator[Metric]:
    slots = [(node, slot) for node, sample in _answering(snapshot) for slot in sample.slots]
    labelled = [((*_node(node), ("slot", slot.name), ("kind", slot.kind)), slot) for node, slot in slots]
    active = ((labels, float(slot.active)) for labels, slot in labelled)
    yield _metric("slot_active", Kind.GAUGE, "1 if the slot is used now.", active)
    lost = ((labels, float(is_lost(slot))) for labels, slot in labelled)
    yield _metric("slot_lost", Kind.GAUGE, "1 if the slot's WAL is gone or the slot was invalidated.", lost)
    retained = ((labels, slot.retained) for labels, slot in labelled)
    yield _metric("slot_retained_bytes", Kind.GAUGE, "WAL that the slot holds back.", retained)
    safe = ((labels, slot.safe_wal_size) for labels, slot in labelled)
    yield _metric("slot_safe_bytes", Kind.GAUGE, "What may be written until the slot's limit.", safe)


def _answering(snapshot: ClusterSnapshot) -> Iterator[tuple[Node, NodeSample]]:
    return ((node, node.sample) for node in snapshot.nodes if node.sample is not None and node.failure is None)


def _node(node: Node) -> Labels:
    return (("node", node.name),)


def _info(node: Node) -> Labels:
    version = "" if node.sample is None else str(node.sample.server_version_num)
    told = (("address", node.address), ("role", str(node.role)), ("state", str(node.state)), ("version_num", version))
    return (*_node(node), *told, ("upstream", node.upstream or ""))


def _labelled(links: tuple[Link, ...]) -> Iterator[tuple[Labels, Link]]:
    """Two downstreams nobody watches may have one name; a sample needs its own."""
    ends = Counter((link.upstream, link.downstream) for link in links)
    for link in links:
        name = link.downstream
        if ends[link.upstream, name] > 1 and link.sender is not None:
            name = f"{name} (pid {link.sender.pid})"
        yield (("upstream", link.upstream), ("downstream", name), ("kind", str(link.kind))), link


def _gap(gaps: Gaps, stage: str) -> int | None:
    value: int | None = getattr(gaps, stage)
    return value
