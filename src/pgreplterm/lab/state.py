"""What a lab is made of, as one JSON file beside its data.

Owns: the format of ``state.json``, atomic writes, and the lock that makes a change of it a transaction between
processes. Must not: look at servers; what runs right now is for ``status`` to say.

A change is written before the step it describes where that is possible, so that a killed program leaves a file
from which ``lab down`` removes everything.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from itertools import takewhile
from pathlib import Path
from typing import Any

from pgreplterm.lab.errors import LabError, StateDamaged
from pgreplterm.lab.process import ProcessId

FORMAT = 2
FILE_NAME = "state.json"


class Part(StrEnum):
    """What a node was built as; the same words as ``cluster.model.Role``, which is what it is now."""

    PRIMARY = "primary"
    STANDBY = "standby"
    CASCADE = "cascade"


class Phase(StrEnum):
    """Whether ``lab up`` has finished."""

    BUILDING = "building"
    READY = "ready"


@dataclass(frozen=True, slots=True)
class NodeRecord:
    """One server; its port never changes, role is the one it was built with.

    process is that of a local postmaster, None when we stopped it; container is the id of its Docker container, which
    stays when the server stops. address is where the relay and PostgreSQL's programs reach it; clients use 127.0.0.1.
    """

    name: str
    port: int
    upstream: str | None
    data_directory: str
    role: Part
    process: ProcessId | None = None
    container: str | None = None
    address: str = "127.0.0.1"
    settings: Mapping[str, str] = field(default_factory=dict)  # they win over those of the lab
    delay: str | None = None  # recovery_min_apply_delay, with its unit


@dataclass(frozen=True, slots=True)
class HelperRecord:
    """The load or the prober while it runs, with the file it writes and its argument (rows/s, seconds)."""

    process: ProcessId
    journal: str
    pace: float


@dataclass(frozen=True, slots=True)
class DockerRecord:
    """Where a lab's containers are. run is the random label of everything that was made there for this lab.

    gateway is this machine's address on the replication network (subnet, in CIDR form), where the relay listens.
    """

    endpoint: str
    run: str
    image: str
    subnet: str
    gateway: str


@dataclass(frozen=True, slots=True)
class LabState:
    """Everything that is known about a lab without asking a server. created_at is in epoch seconds."""

    name: str
    created_at: float
    owner_uid: int
    creator: ProcessId
    phase: Phase
    bindir: str
    server_version: str
    segment_size: int
    nodes: tuple[NodeRecord, ...] = ()
    relay: ProcessId | None = None
    load: HelperRecord | None = None
    prober: HelperRecord | None = None
    docker: DockerRecord | None = None  # None: local processes
    settings: Mapping[str, str] = field(default_factory=dict)
    synchronous: str = ""  # synchronous_standby_names of every node
    archive: bool = False  # whether there is one, in the folder of that name
    fsync: bool = True
    probes: int = 0  # how many probers have run: the next one's client number is one more
    recovered: tuple[NodeRecord, ...] = ()  # recovered to a point in time; they are no part of the replication tree

    @property
    def major(self) -> int:
        """The major version of its servers."""
        return int("".join(takewhile(str.isdigit, self.server_version)))

    def node(self, name: str) -> NodeRecord:
        """The node of that name. Raises LabError naming the ones there are."""
        for node in self.nodes:
            if node.name == name:
                return node
        names = ", ".join(node.name for node in self.nodes)
        raise LabError(f"lab {self.name!r} has no node {name!r}: it has {names}")

    def reachable(self, name: str) -> NodeRecord:
        """The node of that name, also one that was recovered to a point in time. Raises LabError as node() does."""
        return next((node for node in self.recovered if node.name == name), None) or self.node(name)

    def with_node(self, changed: NodeRecord) -> LabState:
        """The same lab with the node of that name replaced."""
        return replace(self, nodes=tuple(changed if node.name == changed.name else node for node in self.nodes))


def read(directory: Path) -> LabState:
    """The state of the lab in that folder. Raises StateDamaged."""
    path = directory / FILE_NAME
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["format"] != FORMAT:
            raise StateDamaged(
                f"{path} has format {document['format']}, this program reads {FORMAT}: "
                f"remove the lab with 'pgreplterm lab down {directory.name}'"
            )
        return _lab(document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StateDamaged(
            f"{path} cannot be read ({type(error).__name__}): remove the lab with "
            f"'pgreplterm lab down {directory.name}'"
        ) from None


def write(directory: Path, state: LabState) -> None:
    """Replace the file in one step. Raises LabError when there is no room."""
    document = {"format": FORMAT, **asdict(state)}
    for kind in ("nodes", "recovered"):
        document[kind] = [_flat(node) for node in document[kind]]
    replace_file(directory / FILE_NAME, json.dumps(document, indent=1) + "\n")


@contextmanager
def transaction(directory: Path) -> Iterator[None]:
    """Hold the lab's lock: nobody else changes state.json or links.json meanwhile."""
    try:
        handle = os.open(directory / ".lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LabError(f"the lab folder {directory} cannot be changed: {error.strerror}") from None
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def replace_file(path: Path, text: str, mode: int = 0o644) -> None:
    """Write a file so that a reader sees the old text or the new, never a part. Raises LabError."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        temporary.chmod(mode)
        temporary.rename(path)
    except OSError as error:
        raise LabError(f"{path} cannot be written: {error.strerror}") from None


def _flat(node: dict[str, Any]) -> dict[str, Any]:
    process = node.pop("process") or {"pid": None, "start_time": None}
    return {**node, "pid": process["pid"], "pid_start_time": process["start_time"]}


def _lab(document: dict[str, Any]) -> LabState:
    return LabState(
        name=str(document["name"]),
        created_at=float(document["created_at"]),
        owner_uid=int(document["owner_uid"]),
        creator=_certain(document["creator"]),
        phase=Phase(document["phase"]),
        bindir=str(document["bindir"]),
        server_version=str(document["server_version"]),
        segment_size=int(document["segment_size"]),
        nodes=tuple(_node(node) for node in document["nodes"]),
        relay=_process(document["relay"]),
        load=_helper(document["load"]),
        prober=_helper(document["prober"]),
        docker=None if document["docker"] is None else DockerRecord(**document["docker"]),
        settings=dict(document["settings"]),
        synchronous=str(document["synchronous"]),
        archive=bool(document["archive"]),
        fsync=bool(document["fsync"]),
        probes=int(document["probes"]),
        recovered=tuple(_node(node) for node in document.get("recovered", ())),
    )


def _node(document: dict[str, Any]) -> NodeRecord:
    started = {"pid": document["pid"], "start_time": document["pid_start_time"]}
    return NodeRecord(
        name=str(document["name"]),
        port=int(document["port"]),
        upstream=document["upstream"],
        data_directory=str(document["data_directory"]),
        role=Part(document["role"]),
        process=_certain(started) if started["pid"] is not None else None,
        container=document["container"],
        address=str(document["address"]),
        settings=dict(document["settings"]),
        delay=document["delay"],
    )


def _helper(document: dict[str, Any] | None) -> HelperRecord | None:
    if document is None:
        return None
    return HelperRecord(_certain(document["process"]), str(document["journal"]), float(document["pace"]))


def _process(document: dict[str, Any] | None) -> ProcessId | None:
    return None if document is None else _certain(document)


def _certain(document: dict[str, Any]) -> ProcessId:
    return ProcessId(int(document["pid"]), float(document["start_time"]))
