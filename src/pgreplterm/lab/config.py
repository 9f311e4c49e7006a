"""The settings of a lab's servers.

Owns: the text of each node's ``postgresql.conf`` and of its ``pg_hba.conf``. Must not: write files.

These files stay beside the data directory, never in it: pg_rewind and pg_basebackup replace what is inside with
the source's copy, port and primary_conninfo included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

MIB = 1 << 20
LOOPBACK = "127.0.0.1"
ARCHIVE = "archive"
"""The folder of archived segments, in the lab's."""

_FIXED = {
    "unix_socket_directories": "",
    # In the data directory, so that a killed server leaves nothing in /dev/shm.
    "dynamic_shared_memory_type": "mmap",
    "hot_standby": "on",
    "recovery_target_timeline": "latest",
    "lc_messages": "C",  # the reason of a failed start is read from the log
}

DEFAULTS = {  # a plan's settings replace them
    # Not below what a fresh initdb wrote into pg_control, or a copy of it refuses to start as a standby.
    "max_connections": "100",
    "max_worker_processes": "8",
    "max_prepared_transactions": "10",
    "max_wal_senders": "20",
    "max_replication_slots": "20",
    "shared_buffers": "16MB",
    "wal_level": "replica",
    "wal_log_hints": "on",  # lets pg_rewind work whatever initdb decided about checksums
    "hot_standby_feedback": "off",
    "wal_retrieve_retry_interval": "200ms",
    "wal_receiver_status_interval": "1s",
    "wal_sender_timeout": "5s",
    "wal_receiver_timeout": "5s",
    "max_slot_wal_keep_size": "1GB",  # a dead standby must not fill the memory of the machine
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_line_prefix": "%m [%p] %q%a ",
    "log_replication_commands": "on",
}


@dataclass(frozen=True, slots=True)
class Upstream:
    """What a standby follows: the walreceiver's connection string and its slot there."""

    primary_conninfo: str
    primary_slot_name: str


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the lab's plan asks of one node; its settings win over this program's defaults, never over what a lab needs.

    The folder of the archive, where there is one, is ``archive`` beside the node's own folder.
    """

    settings: Mapping[str, str] = field(default_factory=dict)
    delay: str | None = None
    synchronous: str = ""
    fsync: bool = True
    archive: bool = False


def postgresql_conf(
    node: str,
    port: int,
    folder: Path,
    segment_size: int,
    upstream: Upstream | None,
    listen: str = LOOPBACK,
    wishes: Wishes | None = None,
) -> str:
    """The whole configuration of one node; segment_size is in bytes, folder holds ``data`` and the hba file."""
    wishes = wishes or Wishes()
    settings = {
        **DEFAULTS,
        **_wal_sizes(segment_size),
        **wishes.settings,
        **_FIXED,
        **_wished(node, wishes),
        "cluster_name": node,
        "listen_addresses": listen,
        "port": str(port),
        "data_directory": str(folder / "data"),
        "hba_file": str(folder / "pg_hba.conf"),
        "ident_file": str(folder / "pg_ident.conf"),
    }
    if upstream is not None:
        settings["primary_conninfo"] = upstream.primary_conninfo
        settings["primary_slot_name"] = upstream.primary_slot_name
    lines = [f"{name} = {_literal(value)}" for name, value in settings.items()]
    return "# Written by pgreplterm; changed again when the node follows another upstream.\n" + "\n".join(lines) + "\n"


def pg_hba_conf(networks: Sequence[str] = ()) -> str:
    """Loopback and the given networks (CIDR, or samenet); the superuser needs the password of the lab's pgpass file."""
    doors = [f"{LOOPBACK}/32", *networks]
    lines = ["# TYPE DATABASE     USER      ADDRESS       METHOD"]
    for door in doors:
        lines += [f"host   {database:12} postgres  {door}  scram-sha-256" for database in ("all", "replication")]
    lines += ["# Roles made during an exercise have no superuser rights to protect."]
    lines += [f"host   {'all':12} all       {door}  trust" for door in doors]
    return "\n".join(lines) + "\n"


def archive_command(node: str) -> str:
    """Copy a finished segment into the lab's archive and never replace one; done before counts as done.

    A server runs it in its data directory, so the path is relative: nothing a user chose is in the shell's string.
    The copy gets its name by ln, which is atomic and fails where mv would overwrite; cmp allows the repetition
    of one that was killed after the copy.
    """
    target, partial = f"../../{ARCHIVE}/%f", f"../../{ARCHIVE}/.{node}.%f"
    # A copy that was linked and not removed is the archived file itself: cp would write into that.
    return f"cmp -s %p {target} || {{ rm -f {partial} && cp %p {partial} && ln {partial} {target} && rm {partial}; }}"


def restore_command() -> str:
    """Take a segment or a history from the lab's archive; silent about one that is not there, as most are."""
    return f"test -f ../../{ARCHIVE}/%f && cp ../../{ARCHIVE}/%f %p"


def _wished(node: str, wishes: Wishes) -> dict[str, str]:
    """Written for every role, since a promotion or a rewind changes the role and not this."""
    found = {"fsync": "on" if wishes.fsync else "off", "synchronous_standby_names": wishes.synchronous}
    if wishes.delay is not None:
        found["recovery_min_apply_delay"] = wishes.delay
    if wishes.archive:
        found["archive_mode"] = "on"
        found["archive_command"] = archive_command(node)
        found["restore_command"] = restore_command()
    return found


def _wal_sizes(segment_size: int) -> dict[str, str]:
    """Small sizes, because WAL lies in memory; the server wants at least two segments for each."""
    wanted = {"min_wal_size": 32 * MIB, "wal_keep_size": 64 * MIB, "max_wal_size": 128 * MIB}
    return {name: f"{max(size, 2 * segment_size) // MIB}MB" for name, size in wanted.items()}


def _literal(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"
