"""What a lab in Docker is built on: an engine, an image, two networks, and a container for each node.

Owns: finding and making them, in an order in which a killed program leaves nothing that cannot be found.
Must not: start a server.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pgreplterm.lab.account import Account
from pgreplterm.lab.binaries import Binaries
from pgreplterm.lab.docker import containers, endpoint, engine, image, machine
from pgreplterm.lab.docker.backend import DockerBackend
from pgreplterm.lab.docker.containers import Maker
from pgreplterm.lab.docker.labels import Naming
from pgreplterm.lab.state import DockerRecord, LabState

if TYPE_CHECKING:
    from pgreplterm.lab.build import LabSpec


@dataclass(slots=True)
class DockerGround:
    """See ``ground.Ground``."""

    engine: engine.Engine
    image: image.Image
    account: Account
    run: str
    _backend: DockerBackend | None = None

    @classmethod
    def find(cls, spec: LabSpec, account: Account, narrate: Callable[[str], None]) -> DockerGround:
        """The engine the docker command would use, and an image for the PostgreSQL asked for. Raises LabError."""
        connected = engine.connect(endpoint.find(spec.docker_host))
        narrate(str(connected))
        machine.require_this(connected)
        chosen = image.ensure(connected, spec.planned().postgresql, spec.image, narrate)
        return cls(connected, chosen, account, secrets.token_hex(6))

    def programs(self, directory: Path) -> Binaries:  # noqa: ARG002
        """See Ground; those of the image."""
        return Binaries(Path(self.image.bindir), self.image.version, self.image.major)

    def backend(self, name: str, directory: Path) -> DockerBackend:
        """See Ground."""
        naming = Naming(name, self.run, directory)
        self._backend = DockerBackend(self.engine, Maker(self.engine, naming, self.image.id, self.account, directory))
        return self._backend

    def prepare(self, lab: LabState) -> Iterator[LabState]:
        """See Ground."""
        assert self._backend is not None  # the contract's order
        record = DockerRecord(self.engine.endpoint.url, self.run, self.image.id, subnet="", gateway="")
        containers.refuse_foreign(self.engine, self._backend.naming, [node.name for node in lab.nodes])
        lab = replace(lab, docker=record)
        yield lab
        self._backend.write_passwd()
        subnet = self._backend.create_networks()
        nodes = [replace(node, address=subnet.node(number)) for number, node in enumerate(lab.nodes)]
        record = replace(record, subnet=str(subnet.network), gateway=subnet.gateway)
        lab = replace(lab, docker=record, nodes=tuple(nodes))
        yield lab
        yield replace(lab, nodes=tuple(self._backend.create_nodes(lab.nodes)))
