"""The containers of a lab: one a node, which stays when its server stops, and one a program.

Owns: how each is made. Must not: start, stop or signal servers.

They run as the account that owns the files on this machine, so nothing has to change hands; that account gets a line in
a ``passwd`` file of the lab's, because initdb wants its name. They have no privileges at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pgreplterm.lab import server
from pgreplterm.lab.account import Account
from pgreplterm.lab.backend import PASSWD
from pgreplterm.lab.docker.labels import Naming
from pgreplterm.lab.errors import LabError

if TYPE_CHECKING:
    from pgreplterm.lab.docker.engine import Engine
    from pgreplterm.lab.state import NodeRecord

SERVER = 'exec flock --no-fork --nonblock --conflict-exit-code 75 "$1" postgres "${@:3}" >>"$2" 2>&1'
"""Arguments: the lock, the log, then postgres' own. The lock goes to the postmaster and all its children."""

LOCKED = 75
"""What the container exits with when another server holds the lock."""


@dataclass(frozen=True, slots=True)
class Maker:
    """What every container of a lab has in common."""

    engine: Engine
    naming: Naming
    image: str
    account: Account
    directory: Path

    def write_passwd(self) -> None:
        """The file that names the servers' account inside the containers."""
        path = self.directory / PASSWD
        path.write_text(
            f"root:x:0:0:root:/:/bin/sh\npostgres:x:{self.account.uid}:{self.account.gid}::/tmp:/bin/sh\n",
            encoding="utf-8",
        )
        path.chmod(0o644)

    def volume(self, node: NodeRecord) -> None:
        """The named volume that is the node's folder on this machine. Raises LabError."""
        with self.engine.translated(f"making the volume of {node.name}"):
            self.engine.client.volumes.create(
                name=self.naming.of(node.name),
                driver="local",
                driver_opts={"type": "none", "o": "rbind", "device": str(server.folder(node))},
                labels=self.naming.labels(node.name),
            )

    def server(self, node: NodeRecord) -> str:
        """Make the container of a node's server, on both networks; its id. It is not started. Raises LabError."""
        from docker.types import EndpointConfig, HostConfig

        version = self.engine.api
        host = self._host(version, [self._node_mount(node), self._file("pgpass"), *self._shared()])
        host["PortBindings"] = {f"{node.port}/tcp": [{"HostIp": "127.0.0.1", "HostPort": str(node.port)}]}
        assert isinstance(host, HostConfig)
        arguments = [str(server.lock_path(node)), str(server.log_file(node)), *server.arguments(node)]
        for path in (server.lock_path(node), server.log_file(node)):
            path.touch(mode=0o600)
            self.account.own(path)
        with self.engine.translated(f"making the container of {node.name}"):
            made = self.engine.client.api.create_container(
                self.image,
                command=["bash", "-c", SERVER, "postgres", *arguments],
                name=self.naming.of(node.name),
                hostname=node.name,
                ports=[(node.port, "tcp")],
                stop_signal="SIGINT",
                host_config=host,
                networking_config={"EndpointsConfig": {self.naming.management: EndpointConfig(version)}},
                labels=self.naming.labels(node.name),
                **self._identity(),
            )
        return str(made["Id"])

    def tool(self, argv: Sequence[str], network: str | None) -> str:
        """Make a container that runs one program with the whole lab's folder in reach; its id. Raises LabError."""
        from docker.types import Mount

        version = self.engine.api
        folder = Mount(str(self.directory), str(self.directory), type="bind")
        host = self._host(version, [folder])
        host["NetworkMode"] = network or "none"
        with self.engine.translated(f"making a container for {Path(argv[0]).name}"):
            made = self.engine.client.api.create_container(
                self.image,
                command=list(argv),
                host_config=host,
                labels=self.naming.labels(),
                **self._identity(),
            )
        return str(made["Id"])

    def _identity(self) -> dict[str, Any]:
        return {
            "entrypoint": [],
            "user": f"{self.account.uid}:{self.account.gid}",
            "environment": {"LC_ALL": "C", "TZ": "UTC"},
            "working_dir": "/",
        }

    def _host(self, version: str, mounts: Sequence[Any]) -> Any:
        from docker.types import HostConfig, Mount

        passwd = Mount("/etc/passwd", str(self.directory / PASSWD), type="bind", read_only=True)
        return HostConfig(
            version,
            mounts=[*mounts, passwd],
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            restart_policy={"Name": "no"},
        )

    def _node_mount(self, node: NodeRecord) -> Any:
        from docker.types import Mount

        return Mount(str(server.folder(node)), self.naming.of(node.name), type="volume", no_copy=True)

    def _file(self, name: str) -> Any:
        from docker.types import Mount

        return Mount(str(self.directory / name), str(self.directory / name), type="bind", read_only=True)

    def _shared(self) -> list[Any]:
        """The archive of the lab, where it has one; every node writes to and restores from it."""
        from docker.types import Mount

        archive = self.directory / "archive"
        return [Mount(str(archive), str(archive), type="bind")] if archive.is_dir() else []


def refuse_foreign(engine: Engine, naming: Naming, nodes: Sequence[str]) -> None:
    """Raises LabError when something that is not this lab's has one of its names."""
    names = {naming.of(node) for node in nodes}
    with engine.translated("looking for containers of that name"):
        found = engine.client.api.containers(all=True)
        networks = engine.client.api.networks()
        volumes = engine.client.api.volumes()["Volumes"] or []
    for container in found:
        for name in container["Names"]:
            if name.lstrip("/") in names:
                raise _taken("container", name.lstrip("/"))
    for network in networks:
        if network["Name"] in (naming.management, naming.replication):
            raise _taken("network", network["Name"])
    for volume in volumes:
        if volume["Name"] in names:
            raise _taken("volume", volume["Name"])


def _taken(kind: str, name: str) -> LabError:
    return LabError(
        f"there is a {kind} {name} already, which is not this lab's and is left alone: "
        "choose another name with --name, or remove it with docker"
    )
