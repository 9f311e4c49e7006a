"""The settings of a lab's servers.

Owns: the text of each node's ``postgresql.conf`` and of its ``pg_hba.conf``. Must not: write files.

These files stay beside the data directory, never in it: pg_rewind and pg_basebackup replace what is inside with
the source's copy, port and primary_conninfo included.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

MIB = 1 << 20

_COMMON = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    # Not below what a fresh initdb wrote into pg_control, or a copy of it refuses to start as a standby.
    "max_connections": "100",
    "max_worker_processes": "8",
    "max_prepared_transactions": "10",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "shared_buffers": "16MB",
    # In the data directory, so that a killed server leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "wal_level": "replica",
    "wal_log_hints": "on",  # lets pg_rewind work whatever initdb decided about checksums
    "hot_standby": "on",
    "hot_standby_feedback": "off",
    "recovery_target_timeline": "latest",
    "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_status_interval": "1s",
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "max_slot_wal_keep_size": "1GB",  # a dead standby must not fill the memory of the machine
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_replication_commands": "on",
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a standby follows: the walreceiver's connection string and its slot there."""

    primary_conninfo: str
    primary_slot_name: str


def postgresql_conf(node: str, port: int, folder: Path, segment_size: int, upstream: Upstream | None) -> str:
    """The whole configuration of one node; segment_size is in bytes, folder holds ``data`` and the hba file."""
    settings = {
        "cluster_name": node,
        "port": str(port),
        "data_directory": str(folder / "data"),
        "hba_file": str(folder / "pg_hba.conf"),
        "ident_file": str(folder / "pg_ident.conf"),
        **_COMMON,
        **_wal_sizes(segment_size),
    }
    if upstream is not None:
        settings["primary_conninfo"] = upstream.primary_conninfo
        settings["primary_slot_name"] = upstream.primary_slot_name
    lines = [f"{name} = {_literal(value)}" for name, value in settings.items()]
    return "# Written by pgreplterm; changed again when the node follows another upstream.\n" + "\n".join(lines) + "\n"


def pg_hba_conf() -> str:
    """Loopback only; the superuser needs the password of the lab's pgpass file."""
    return (
        "# TYPE DATABASE     USER      ADDRESS       METHOD\n"
        "host   all          postgres  127.0.0.1/32  scram-sha-256\n"
        "host   replication  postgres  127.0.0.1/32  scram-sha-256\n"
        "# Roles made during an exercise have no superuser rights to protect.\n"
        "host   all          all       127.0.0.1/32  trust\n"
    )


def _wal_sizes(segment_size: int) -> dict[str, str]:
    """Small sizes, because WAL lies in memory; the server wants at least two segments for each."""
    wanted = {"min_wal_size": 32 * MIB, "wal_keep_size": 64 * MIB, "max_wal_size": 128 * MIB}
    return {name: f"{max(size, 2 * segment_size) // MIB}MB" for name, size in wanted.items()}


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
