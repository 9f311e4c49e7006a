"""Samples and observations as a server would give them, for tests of the pure functions.

Each builder gives a healthy node; a test names only what it is about.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import NodeFailure, NodeSample, NodeState, Receiver, Sender, Slot
from pgreplterm.wal.lsn import LSN

NOW = 1_700_000_000.0
SYSTEM = 7_400_000_000_000_000_001
END = LSN.parse("0/5000000")


def primary(name: str = "pg1", **changes: Any) -> NodeSample:
    """A primary on timeline 1 whose WAL ends at END, seen just now."""
    return replace(
        NodeSample(
            taken_at=NOW,
            round_trip=0.001,
            server_version_num=180006,
            system_identifier=SYSTEM,
            cluster_name=name,
            port=5432,
            in_recovery=False,
            postmaster_started_at=NOW - 3600 - sum(name.encode()) / 1000,
            timeline=1,
            wal_segment_size=16 * 1024 * 1024,
            write_lsn=END,
            flush_lsn=END,
            replay_lsn=None,
            replay_paused=None,
            last_replayed_commit_age=None,
            primary_conninfo_host=None,
            primary_conninfo_port=None,
            synchronous_standby_names="",
            senders=(),
            receiver=None,
            slots=(),
            history=None,
            clock_offset=0.0,
            wal_receiver_status_interval=10.0,
            wal_receiver_timeout=60.0,
        ),
        **changes,
    )


def standby(name: str, **changes: Any) -> NodeSample:
    """A standby that streams through its own slot and has replayed everything up to END."""
    return replace(
        primary(name),
        **{
            "in_recovery": True,
            "write_lsn": None,
            "flush_lsn": END,
            "replay_lsn": END,
            "replay_paused": False,
            "receiver": receiver(name),
            "primary_slot_name": name,
            "primary_conninfo_application_name": name,
            **changes,
        },
    )


def receiver(slot: str | None, **changes: Any) -> Receiver:
    """A streaming walreceiver whose upstream sits behind a relay on port 9999."""
    return replace(Receiver(41, "streaming", "127.0.0.1", 9999, slot, 1, END, END, END, 0.5), **changes)


def sender(name: str, **changes: Any) -> Sender:
    """A streaming walsender whose standby confirmed everything up to END 0.3 s ago, through the slot of its name."""
    return replace(
        Sender(
            pid=sum(name.encode()),
            application_name=name,
            client_addr="127.0.0.1",
            client_port=50000,
            state="streaming",
            sent_lsn=END,
            write_lsn=END,
            flush_lsn=END,
            replay_lsn=END,
            write_lag=None,
            flush_lag=None,
            replay_lag=None,
            sync_state="async",
            sync_priority=0,
            reply_age=0.3,
            slot_name=name,
        ),
        **changes,
    )


def slot(name: str, **changes: Any) -> Slot:
    """An active physical slot that retains nothing."""
    return replace(Slot(name, "physical", True, 7, END, 0, "reserved", None), **changes)


def seen(sample: NodeSample, **changes: Any) -> Observation:
    """The observation of a node that answers."""
    return replace(Observation(f"host:{sample.cluster_name}", f"host:{sample.cluster_name}", sample), **changes)


def failed(
    sample: NodeSample | None, state: NodeState = NodeState.DOWN, reason: str = "Connection refused", name: str = "?"
) -> Observation:
    """The observation of a node that does not answer (any more)."""
    address = f"host:{sample.cluster_name if sample is not None else name}"
    return Observation(address, address, sample, NodeFailure(state, reason, NOW - 3, NOW + 1))
