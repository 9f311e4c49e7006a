"""Commands in the network of another container, as an administrator of that network alone.

Owns: the containers with ip, iptables and tc in which they run. Must not: change a server's container: it keeps its
image and gets no privilege.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pgreplterm.lab.docker import image
from pgreplterm.lab.docker.labels import Naming

if TYPE_CHECKING:
    from pgreplterm.lab.docker.engine import Engine

PATIENCE = 60
"""Seconds one command may take; it takes two tenths."""


def run(engine: Engine, naming: Naming, container: str, node: str, argv: Sequence[str]) -> tuple[int, str]:
    """Run one command in that container's network; its exit status and what it printed. Raises LabError.

    A command that does not end by itself is ended with its container.
    """
    tag = image.sidecar(engine, lambda _: None)
    purpose = f"running {argv[0]} in the network of {node}"
    api = engine.client.api
    with engine.translated(purpose):
        host: dict[str, Any] = api.create_host_config(network_mode=f"container:{container}", cap_add=["NET_ADMIN"])
        made = api.create_container(
            tag, command=list(argv), entrypoint=[], host_config=host, labels=naming.labels(node), user="0:0"
        )["Id"]
        try:
            api.start(made)
            status = int(api.wait(made, timeout=PATIENCE)["StatusCode"])
            output = api.logs(made, stdout=True, stderr=True).decode("utf-8", "replace").strip()
        finally:
            api.remove_container(made, force=True, v=True)
    return status, output
