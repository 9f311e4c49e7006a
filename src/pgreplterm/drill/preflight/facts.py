"""What a preflight knows beyond a snapshot, as frozen values.

Owns: the facts of one server and of the ground it stands on. Must not: ask for them (``reading``, ``look``) or judge.

None is unknown: not asked, refused, or too late; never zero and never no. No value here holds a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of pg_settings, in base units. of_file is where it comes from, None for no file."""

    value: str
    source: str
    of_file: str | None = None
    pending_restart: bool = False


@dataclass(frozen=True, slots=True)
class HbaRule:
    """One line of pg_hba.conf as the server reads it. address and netmask are None for a local line."""

    kind: str
    databases: tuple[str, ...]
    users: tuple[str, ...]
    address: str | None
    netmask: str | None
    method: str


@dataclass(frozen=True, slots=True)
class Traces:
    """Names that tools leave behind: who is connected, who may, and what was created."""

    applications: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    schemas: tuple[str, ...] = ()
    extensions: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """One server. transactions are the ages in seconds of the open ones of clients, prepared those of prepared ones.

    settings_errors are lines that would keep the server from starting. backups counts running base backups.
    replication_user is the one its walreceiver connects as. major is that of the server.
    """

    settings: Mapping[str, Setting] | None = None
    settings_errors: tuple[str, ...] | None = None
    walsenders: int | None = None
    slots: int | None = None
    transactions: tuple[float, ...] | None = None
    prepared: tuple[float, ...] | None = None
    backups: int | None = None
    archive_ready: int | None = None
    hba: tuple[HbaRule, ...] | None = None
    replication_roles: frozenset[str] | None = None
    replication_user: str | None = None
    size: int | None = None
    tablespaces: int | None = None
    is_superuser: bool | None = None
    traces: Traces | None = None
    reason: str | None = None  # why nothing is known

    def setting(self, name: str) -> str | None:
        """Its value; None if unknown."""
        found = self.settings.get(name) if self.settings is not None else None
        return None if found is None else found.value

    def number(self, name: str) -> int | None:
        """The same as a number."""
        found = self.setting(name)
        return None if found is None else int(found)


NOTHING_KNOWN = NodeFacts()


@dataclass(frozen=True, slots=True)
class Place:
    """Where a node of a lab is: its recorded data directory, the bytes free there, and whom its upstream sees come.

    network is the one the nodes of the lab share, in CIDR form, which is what samenet means there.
    """

    data_directory: str
    free: int | None
    seen_as: str
    running: bool
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything beyond the snapshot. faults are those of the lab, drill the pid of another drill on it, 0 for none.

    tools are PostgreSQL's programs that are missing. places is empty on a cluster we do not own, which has no faults.
    """

    nodes: Mapping[str, NodeFacts] = field(default_factory=dict)
    places: Mapping[str, Place] = field(default_factory=dict)
    faults: tuple[str, ...] | None = None
    drill: int | None = None
    left_half_done: str = ""  # the run that was cut off on this lab
    missing_tools: tuple[str, ...] | None = None
    archive: bool | None = None
    archived: int | None = None  # segments in the lab's archive
    owned: bool = True

    def of(self, node: str | None) -> NodeFacts:
        """What is known of a node, which may be nothing."""
        return self.nodes.get(node, NOTHING_KNOWN) if node is not None else NOTHING_KNOWN
