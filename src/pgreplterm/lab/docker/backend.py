"""The Docker backend: servers in containers of an engine on this machine.

Owns: what ``backend.Backend`` asks, through the engine; making and removing everything of a lab there.
Must not: touch anything that does not bear the lab's labels.

The postmaster is process 1 of its container, so the engine's signals reach it even where a process of its own
namespace could not (SIGSTOP), and when it ends, the kernel ends its children.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Network
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from pgreplterm.lab.account import server_account
from pgreplterm.lab.backend import require_running
from pgreplterm.lab.docker import networks, packets, sweep
from pgreplterm.lab.docker.containers import Maker
from pgreplterm.lab.docker.endpoint import Endpoint
from pgreplterm.lab.docker.engine import Engine, connect
from pgreplterm.lab.docker.errors import InTheWay, NothingThere
from pgreplterm.lab.docker.labels import Naming
from pgreplterm.lab.docker.networks import Subnet
from pgreplterm.lab.docker.tool import ContainerTool
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.state import LabState, NodeRecord

STOP_TIMEOUT = 60
KILL_TIMEOUT = 20
POSTMASTER = 1
"""The pid of a postmaster in its container."""


class DockerBackend:
    """See ``backend.Backend``."""

    def __init__(self, engine: Engine, maker: Maker) -> None:
        """The engine, and how containers of this lab are made there."""
        self._engine = engine
        self._maker = maker

    @classmethod
    def of(cls, lab: LabState, directory: Path) -> DockerBackend:
        """The backend of an existing lab. Raises LabError when the engine does not answer."""
        assert lab.docker is not None  # the caller looked
        connected = connect(Endpoint(lab.docker.endpoint, f"where lab {lab.name!r} was made"))
        naming = Naming(lab.name, lab.docker.run, directory)
        return cls(connected, Maker(connected, naming, lab.docker.image, server_account(), directory))

    @property
    def naming(self) -> Naming:
        """The names and labels of this lab."""
        return self._maker.naming

    @property
    def engine(self) -> Engine:
        """Where it runs."""
        return self._engine

    def write_passwd(self) -> None:
        """The file that every container needs."""
        self._maker.write_passwd()

    def create_networks(self) -> Subnet:
        """Make the lab's networks; the replication network's addresses. Raises LabError."""
        return networks.create(self._engine, self.naming)

    def create_nodes(self, nodes: Sequence[NodeRecord]) -> list[NodeRecord]:
        """Make the volumes and containers of some nodes, side by side; their records. Raises LabError."""
        with ThreadPoolExecutor(max_workers=4) as threads:
            return list(threads.map(self._create, nodes))

    def is_running(self, node: NodeRecord) -> bool:
        """See Backend."""
        return bool(self._state(node).get("Running"))

    def is_frozen(self, node: NodeRecord) -> bool:
        """See Backend. A postmaster under SIGSTOP shows only where its process can be seen from here."""
        state = self._state(node)
        if state.get("Paused"):
            return True
        try:
            return bool(state.get("Pid")) and psutil.Process(state["Pid"]).status() == psutil.STATUS_STOPPED
        except psutil.Error:
            return False

    def postmaster_pid(self, node: NodeRecord) -> int | None:
        """See Backend."""
        return POSTMASTER if self.is_running(node) else None

    def pids(self, node: NodeRecord) -> tuple[int, ...]:
        """See Backend."""
        state = self._state(node)
        if not state.get("Running"):
            return ()
        with self._engine.translated(f"listing the processes of {node.name}"):
            table = self._engine.client.api.top(_container(node), ps_args="-eo pid,ppid")
        column = table["Titles"].index("PID")
        found = [int(row[column]) for row in table["Processes"]]
        return (state["Pid"], *(pid for pid in found if pid != state["Pid"]))

    def launch(self, nodes: Sequence[NodeRecord]) -> Iterator[NodeRecord]:
        """See Backend."""
        with ThreadPoolExecutor(max_workers=len(nodes)) as threads:
            return iter(list(threads.map(self._start, nodes)))

    def stop(self, node: NodeRecord) -> None:
        """See Backend."""
        self._end(node, "SIGINT")

    def crash(self, node: NodeRecord) -> None:
        """See Backend."""
        self._end(node, "SIGQUIT")

    def kill(self, node: NodeRecord) -> None:
        """See Backend."""
        if self.is_running(node):
            self._signal(node, "SIGKILL")
            self._await_end(node, KILL_TIMEOUT)

    def reload(self, node: NodeRecord) -> None:
        """See Backend."""
        if self.is_running(node):
            self._signal(node, "SIGHUP")

    def freeze(self, node: NodeRecord) -> None:
        """See Backend."""
        if not self._state(node).get("Paused"):
            with self._engine.translated(f"freezing {node.name}"):
                self._engine.client.api.pause(_container(node))

    def freeze_postmaster(self, node: NodeRecord) -> None:
        """See Backend."""
        require_running(self, node)
        self._signal(node, "SIGSTOP")

    def freeze_backend(self, node: NodeRecord, pid: int) -> None:
        """See Backend."""
        if self._execute(node, f"kill -STOP {int(pid)}") != 0:
            raise LabError(f"{node.name} has no process {pid} now")

    def thaw(self, node: NodeRecord) -> None:
        """See Backend. A server that ends meanwhile, as one does whose postmaster was killed, has nothing to thaw."""
        require_running(self, node)
        try:
            if self._state(node).get("Paused"):
                with self._engine.translated(f"thawing {node.name}"):
                    self._engine.client.api.unpause(_container(node))
            self._execute(node, "kill -CONT -1")  # all but the postmaster, which is process 1
            self._signal(node, "SIGCONT")
        except (InTheWay, NothingThere):
            if self.is_running(node):
                raise

    def make_node(self, lab: LabState, node: NodeRecord) -> NodeRecord:
        """See Backend."""
        assert lab.docker is not None  # or this would be another backend
        subnet = Subnet(IPv4Network(lab.docker.subnet))
        taken = {other.address for other in (*lab.nodes, *lab.recovered) if other.name != node.name}
        address = next(subnet.node(number) for number in count() if subnet.node(number) not in taken)
        self.remove_node(node)
        return self._create(replace(node, address=address))

    def remove_node(self, node: NodeRecord) -> None:
        """See Backend. By the node's label: a program that was killed may not have recorded the container."""
        sweep.remove_node(self._engine, self.naming, node.name)

    def start_tool(self, argv: Sequence[str], purpose: str) -> ContainerTool:
        """See Backend."""
        network = self.naming.replication if any("host=" in word for word in argv) else None
        container = self._maker.tool(argv, network)
        tool = ContainerTool(self._engine, container, Path(argv[0]).name, purpose)
        try:
            with self._engine.translated(f"starting {tool.name}"):
                self._engine.client.api.start(container)
        except BaseException:
            tool.abandon()
            raise
        return tool

    def remove(self) -> None:
        """See Backend."""
        sweep.remove_lab(self._engine, self.naming)

    def _start(self, node: NodeRecord) -> NodeRecord:
        with self._engine.translated(f"starting {node.name}"):
            self._engine.client.api.start(_container(node))
        if not networks.has_joined(self._engine, self.naming, _container(node)):
            packets.isolate(self._engine, self.naming, _container(node), node.name)
        return node

    def _create(self, node: NodeRecord) -> NodeRecord:
        self._maker.volume(node)
        container = self._maker.server(node)
        networks.join(self._engine, self.naming, container, node.name, node.address)
        return replace(node, container=container)

    def _state(self, node: NodeRecord) -> dict[str, Any]:
        """What the engine says of the node's container; empty when it is gone."""
        if node.container is None:
            return {}
        try:
            with self._engine.translated(f"looking at {node.name}"):
                found: dict[str, Any] = self._engine.client.api.inspect_container(node.container)["State"]
        except NothingThere:
            return {}
        return found

    def _signal(self, node: NodeRecord, number: str) -> None:
        with self._engine.translated(f"sending {number} to {node.name}"):
            self._engine.client.api.kill(_container(node), signal=number)

    def _execute(self, node: NodeRecord, script: str) -> int:
        """Run a few words of shell in a node's container; their exit status."""
        api = self._engine.client.api
        with self._engine.translated(f"running {script!r} in {node.name}"):
            made = api.exec_create(_container(node), ["bash", "-c", script])
            api.exec_start(made["Id"])
            return int(api.exec_inspect(made["Id"])["ExitCode"])

    def _end(self, node: NodeRecord, number: str) -> None:
        if self.is_frozen(node):
            raise LabError(f"{node.name} is frozen and cannot stop: thaw it first, or kill it")
        if self.is_running(node):
            self._signal(node, number)
            self._await_end(node, STOP_TIMEOUT)

    def _await_end(self, node: NodeRecord, timeout: int) -> None:
        with self._engine.translated(f"waiting until {node.name} has stopped"):
            self._engine.client.api.wait(_container(node), timeout=timeout)


def _container(node: NodeRecord) -> str:
    if node.container is None:
        raise LabError(f"{node.name} has no container yet: take the lab down and up again")
    return node.container
