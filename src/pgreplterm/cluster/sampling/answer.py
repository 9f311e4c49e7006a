"""From the json a server answered to a NodeSample.

Owns: the reading of the one row that ``queries/`` ask for, field by field. Must not: connect or judge.
"""

from __future__ import annotations

from functools import lru_cache

from pgreplterm.cluster.model import NodeSample, Receiver, Sender, Slot
from pgreplterm.cluster.sampling.answer_activity import read_activity
from pgreplterm.cluster.sampling.kept import Answer, Kept
from pgreplterm.cluster.sampling.privileges import missing_privileges
from pgreplterm.cluster.sampling.statements import Capabilities
from pgreplterm.wal.lsn import LSN

_SENDER_LSNS = ("sent_lsn", "write_lsn", "flush_lsn", "replay_lsn")
_RECEIVER_LSNS = ("written_lsn", "flushed_lsn", "latest_end_lsn")


def read_answer(
    answer: Answer, kept: Kept, capabilities: Capabilities, sent_at: float, round_trip: float
) -> NodeSample:
    """The sample in one answer, with what the session keeps (``kept.after(answer)``).

    sent_at is an instant of this machine's clock, round_trip in seconds. Raises KeyError or ValueError when the answer
    is not what the statement asks for.
    """
    node, settings = answer["node"], kept.settings
    values = settings.by_name
    taken_at = sent_at + round_trip / 2
    in_recovery, version = bool(node["in_recovery"]), int(node["server_version_num"])
    position = max(filter(None, map(_lsn, (node["write_lsn"], node["flush_lsn"], node["replay_lsn"]))), default=None)
    return NodeSample(
        taken_at=taken_at,
        round_trip=round_trip,
        server_version_num=version,
        system_identifier=int(node["system_identifier"]),
        cluster_name=values["cluster_name"],
        port=int(values["port"]),
        in_recovery=in_recovery,
        postmaster_started_at=float(node["postmaster_started_at"]),
        timeline=node["timeline"],
        wal_segment_size=int(values["wal_segment_size"]),
        write_lsn=_lsn(node["write_lsn"]),
        flush_lsn=_lsn(node["flush_lsn"]),
        replay_lsn=_lsn(node["replay_lsn"]),
        replay_paused=node["replay_paused"],
        last_replayed_commit_age=node["last_replayed_commit_age"],
        primary_conninfo_host=settings.upstream_host,
        primary_conninfo_port=settings.upstream_port,
        synchronous_standby_names=values.get("synchronous_standby_names"),
        senders=tuple(_sender(row) for row in answer["senders"]),
        receiver=_receiver(answer["receiver"]),
        slots=tuple(_slot(row, position) for row in answer["slots"]),
        history=kept.history,
        clock_offset=float(node["clock"]) - taken_at,
        primary_conninfo_application_name=settings.application_name,
        primary_slot_name=values.get("primary_slot_name") or None,
        wal_receiver_status_interval=settings.seconds("wal_receiver_status_interval"),
        wal_receiver_timeout=settings.seconds("wal_receiver_timeout", 1000),
        activity=read_activity(answer, kept, in_recovery),
        server_addr=node["server_addr"],
        missing_privileges=missing_privileges(
            version // 10000,
            capabilities,
            in_recovery=in_recovery,
            reads_stats=node["reads_stats"],
            reads_settings=node["reads_settings"],
        ),
    )


def _sender(row: Answer) -> Sender:
    lsns = {name: _lsn(row[name]) for name in _SENDER_LSNS}
    return Sender(**{**row, **lsns, "application_name": row["application_name"] or ""})


def _receiver(row: Answer | None) -> Receiver | None:
    if row is None:
        return None
    lsns = {name: _lsn(row[name]) for name in _RECEIVER_LSNS}
    return Receiver(**{**row, **lsns, "slot_name": row["slot_name"] or None})


def _slot(row: Answer, position: LSN | None) -> Slot:
    """A slot that was never used has no restart_lsn: what it retains is unknown, not 0 bytes.

    A lost one may have it for a while yet, and retains nothing any more.
    """
    restart = _lsn(row["restart_lsn"])
    is_lost = row["wal_status"] == "lost"
    retained = None if restart is None or position is None or is_lost else max(0, position - restart)
    return Slot(**{**row, "restart_lsn": restart, "retained": retained})


@lru_cache(4096)
def _lsn(text: str | None) -> LSN | None:
    """Remembered: most positions of an answer are the same one, or were in the last."""
    return None if text is None else LSN.parse(text)
