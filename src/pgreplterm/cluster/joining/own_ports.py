"""The local port of a walreceiver that is a process of this machine: its walsender shows that as client_port.

Owns: reading it from /proc, once for each walreceiver. Must not: fail, or believe a process number alone: in a
container the same number is another process.
"""

from __future__ import annotations

import time
from functools import lru_cache

from pgreplterm.cluster.joining.addresses import THIS_MACHINE, machine_of
from pgreplterm.cluster.model import NodeSample

# Seconds between what a server says its postmaster's start was and what /proc says.
_SAME_START = 1.5
# How long a walreceiver without a port to be found is not asked again.
_AGAIN_AFTER = 60.0


def receiver_port(address: str, sample: NodeSample) -> int | None:
    """The port, or None where it cannot be known; only for walreceivers without a slot, which need no such evidence."""
    receiver = sample.receiver
    if receiver is None or receiver.slot_name is not None or receiver.sender_port is None:
        return None
    if machine_of(address, sample) != THIS_MACHINE or receiver.sender_host is None or receiver.sender_host[:1] in "/@":
        return None
    started_at = sample.postmaster_started_at - (sample.clock_offset or 0.0)
    return _port(receiver.pid, receiver.sender_port, round(started_at), int(time.monotonic() / _AGAIN_AFTER))


@lru_cache(maxsize=256)
def _port(pid: int, sender_port: int, started_at: int, _: int) -> int | None:
    import psutil

    try:
        process = psutil.Process(pid)
        parent = process.parent()
        if "walreceiver" not in " ".join(process.cmdline()) or parent is None:
            return None
        if abs(parent.create_time() - started_at) > _SAME_START:
            return None
        ports = {
            one.laddr.port
            for one in process.net_connections("tcp")
            if one.status == psutil.CONN_ESTABLISHED and one.raddr and one.raddr.port == sender_port
        }
    except (psutil.Error, OSError):
        return None
    return ports.pop() if len(ports) == 1 else None
