"""From the json a server answered to a NodeSample.

Owns: the reading of the one row that ``queries/`` ask for, field by field.
Must not: connect, judge, or keep the connection strings it sees longer than it takes to read a host from them.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from pgreplterm.cluster.model import NodeSample, Receiver, Sender, Slot
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, parse_history

Answer = Mapping[str, Any]


def read_answer(answer: Answer, sent_at: float, round_trip: float) -> NodeSample:
    """The sample in one answer; sent_at is an instant of this machine's clock, round_trip in seconds.

    Raises KeyError or ValueError when the answer is not what the statement asks for.
    """
    node, settings = answer["node"], answer["settings"]
    upstream = _conninfo(settings.get("primary_conninfo"))
    port = upstream.get("port", "")
    taken_at = sent_at + round_trip / 2
    in_recovery = bool(node["in_recovery"])
    position = max(filter(None, map(_lsn, (node["write_lsn"], node["flush_lsn"], node["replay_lsn"]))), default=None)
    return NodeSample(
        taken_at=taken_at,
        round_trip=round_trip,
        server_version_num=int(node["server_version_num"]),
        system_identifier=int(node["system_identifier"]),
        cluster_name=settings["cluster_name"],
        port=int(settings["port"]),
        in_recovery=in_recovery,
        postmaster_started_at=float(node["postmaster_started_at"]),
        timeline=node["timeline"],
        wal_segment_size=int(settings["wal_segment_size"]),
        write_lsn=_lsn(node["write_lsn"]),
        flush_lsn=_lsn(node["flush_lsn"]),
        replay_lsn=_lsn(node["replay_lsn"]),
        replay_paused=node["replay_paused"],
        last_replayed_commit_age=node["last_replayed_commit_age"],
        primary_conninfo_host=upstream.get("host") or upstream.get("hostaddr"),
        primary_conninfo_port=int(port) if port.isdigit() else None,
        synchronous_standby_names=settings.get("synchronous_standby_names"),
        missing_privilege=node["missing_privilege"],
        senders=tuple(_sender(row) for row in answer["senders"]),
        receiver=_receiver(answer["receiver"]),
        slots=tuple(_slot(row, position) for row in answer["slots"]),
        history=_history(node["timeline"], answer["history"]),
        clock_offset=float(node["clock"]) - taken_at,
        primary_conninfo_application_name=upstream.get("application_name"),
        primary_slot_name=settings.get("primary_slot_name") or None,
        wal_receiver_status_interval=_seconds(settings.get("wal_receiver_status_interval"), 1),
        wal_receiver_timeout=_seconds(settings.get("wal_receiver_timeout"), 1000),
    )


def _sender(row: Answer) -> Sender:
    lsns = {name: _lsn(row[name]) for name in ("sent_lsn", "write_lsn", "flush_lsn", "replay_lsn")}
    return Sender(**{**row, **lsns, "application_name": row["application_name"] or ""})


def _receiver(row: Answer | None) -> Receiver | None:
    if row is None:
        return None
    lsns = {name: _lsn(row[name]) for name in ("written_lsn", "flushed_lsn", "latest_end_lsn")}
    return Receiver(**{**row, **lsns, "slot_name": row["slot_name"] or None})


def _slot(row: Answer, position: LSN | None) -> Slot:
    """A slot that was never used, or is lost, has no restart_lsn: what it retains is unknown, not 0 bytes."""
    restart = _lsn(row["restart_lsn"])
    retained = None if restart is None or position is None else max(0, position - restart)
    return Slot(**{**row, "restart_lsn": restart, "retained": retained})


def _history(timeline: int | None, text: str | None) -> TimelineHistory | None:
    """None for a file that is missing, unreadable or malformed: then nothing is known of the lineage."""
    if timeline is None or text is None:
        return None
    try:
        return parse_history(timeline, base64.b64decode(text).decode("utf-8", "replace"))
    except (ValueError, binascii.Error):
        return None


def _conninfo(text: str | None) -> dict[str, str]:
    """The parts of primary_conninfo, {} when hidden or malformed; its error text could quote a password."""
    try:
        return {key: str(value) for key, value in conninfo_to_dict(text or "").items()}
    except ProgrammingError:
        return {}


def _lsn(text: str | None) -> LSN | None:
    return None if text is None else LSN.parse(text)


def _seconds(setting: str | None, units_per_second: int) -> float | None:
    return None if setting is None else int(setting) / units_per_second
