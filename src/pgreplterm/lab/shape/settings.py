"""Which settings a plan may give a server, and which are the lab's own.

Owns: that list with a reason for each, and the form of names and values. Must not: know what a value means, which
is for the server to say; the few that decide whether standbys can start are ``check``'s.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from pgreplterm.lab.shape.errors import PlanError

_NAME = re.compile(r"[a-z_][a-z0-9_$]*(\.[a-z_][a-z0-9_$]*)?\Z")
_CONTROL = re.compile("[\x00-\x1f\x7f]")
LONGEST_VALUE = 1000

_OF_THE_NODE = "every node of a lab has its own"
_BY_FOLLOWS = "the lab sets it from 'follows'"
_BY_ARCHIVE = "it runs a command on this machine; write 'archive = true' for a lab with an archive"
_ENDLESS = "a standby of a lab replays without end"
_LOG = "the lab reads the servers' logs where it put them"
_TRACELESS = "a killed server would leave shared memory behind"

OWNED: Mapping[str, str] = {
    **dict.fromkeys(("port", "listen_addresses", "cluster_name"), _OF_THE_NODE),
    **dict.fromkeys(("data_directory", "config_file", "hba_file", "ident_file", "external_pid_file"), _OF_THE_NODE),
    "unix_socket_directories": "the servers of a lab have no Unix sockets",
    **dict.fromkeys(("primary_conninfo", "primary_slot_name"), _BY_FOLLOWS),
    "recovery_min_apply_delay": "write 'delay' in the node's table",
    "synchronous_standby_names": "write 'synchronous' for the whole lab",
    "fsync": "write 'fsync' for the whole lab",
    "wal_segment_size": "write 'segment_size' for the whole lab",
    **dict.fromkeys(("archive_mode", "archive_command", "archive_library", "restore_command"), _BY_ARCHIVE),
    **dict.fromkeys(("archive_cleanup_command", "recovery_end_command", "ssl_passphrase_command"), _BY_ARCHIVE),
    **dict.fromkeys(
        [
            f"recovery_target{rest}"
            for rest in ("", "_action", "_inclusive", "_lsn", "_name", "_time", "_timeline", "_xid")
        ],
        _ENDLESS,
    ),
    "promote_trigger_file": "a lab promotes by pg_promote()",
    "hot_standby": "the lab asks its standbys by SQL",
    **dict.fromkeys(("logging_collector", "log_destination", "lc_messages"), _LOG),
    **dict.fromkeys(("dynamic_shared_memory_type", "shared_memory_type"), _TRACELESS),
    **dict.fromkeys(("include", "include_dir", "include_if_exists"), "it reads a file and is no setting"),
}

_ALLOWED: Mapping[str, tuple[str, ...]] = {"wal_level": ("replica", "logical")}


def checked(settings: Mapping[str, str], *keys: str) -> dict[str, str]:
    """The same with names in small letters; keys is where they are in the plan. Raises PlanError."""
    found: dict[str, str] = {}
    for written, value in settings.items():
        name = written.lower()
        place = (*keys, written)
        if not _NAME.match(name):
            raise PlanError(
                f"{written!r} is no name of a setting: it is letters, digits and _, such as work_mem", *place
            )
        if name in OWNED:
            raise PlanError(f"{name} cannot be set: {OWNED[name]}", *place)
        if name in found:
            raise PlanError(f"{name} is set twice", *place)
        if _CONTROL.search(value) or len(value) > LONGEST_VALUE:
            raise PlanError(f"the value of {name} is no single line of at most {LONGEST_VALUE} characters", *place)
        allowed = _ALLOWED.get(name)
        if allowed is not None and value not in allowed:
            raise PlanError(f"{name} is {' or '.join(allowed)} where standbys stream: found {value!r}", *place)
        found[name] = value
    return found
