"""A real cluster over TCP, each node at a loopback address of its own: for what sockets cannot show.

Owns: which node listens where. pg1 listens on every loopback address at one port, s1 at 127.0.0.2 and s2 at 127.0.0.1,
both at one other port, so that s2 is found by the port of s1.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

from .replicas import Cluster, cluster


@dataclass
class Tcp:
    """The nodes and where they are."""

    cluster: Cluster
    sites: dict[str, tuple[str, int]] = field(default_factory=dict)

    def dsn(self, name: str) -> str:
        """As somebody who may see everything, over TCP."""
        host, port = self.sites[name]
        return f"host={host} port={port} user=watcher dbname=postgres"

    def conninfo(self, name: str, port: int | None = None) -> str:
        """The primary_conninfo of that standby, or of one that is sent to another port."""
        host, usual = self.sites["pg1"]
        return f"host={host} port={port or usual} user=postgres application_name={name} connect_timeout=2"

    def send(self, name: str, port: int) -> None:
        """Have a standby connect to another port."""
        self.cluster[name].configure(primary_conninfo=self.conninfo(name, port))
        self.cluster[name].sql("select pg_reload_conf()")

    def misdirect(self, name: str, port: int) -> None:
        """The same, where nothing to stream from is."""
        self.send(name, port)
        self.cluster[name].wait_for("not exists (select from pg_stat_wal_receiver where status = 'streaming')")

    def heal(self, name: str) -> None:
        """Have it stream from the primary again."""
        port = self.sites["pg1"][1]
        self.send(name, port)
        self.cluster[name].wait_for(f"status = 'streaming' and sender_port = {port} from pg_stat_wal_receiver")


@contextmanager
def tcp_cluster(major: int) -> Iterator[Tcp]:
    """A primary and two standbys that are reached over TCP."""
    with ExitStack() as stack:
        ports = [free_port(), free_port()]
        made = stack.enter_context(cluster(major, {"pg1": None, "s1": "pg1", "s2": "pg1"}))
        tcp = Tcp(made, {"pg1": ("127.0.0.1", ports[0]), "s1": ("127.0.0.2", ports[1]), "s2": ("127.0.0.1", ports[1])})
        for name, (host, port) in tcp.sites.items():
            node = made[name]
            node.stop()
            node.port = port
            node.configure(listen_addresses="127.0.0.1,127.0.0.3" if name == "pg1" else host, port=port)
            if name != "pg1":
                node.configure(primary_conninfo=tcp.conninfo(name))
        for name in tcp.sites:
            made[name].start()
        for name in ("s1", "s2"):
            made[name].wait_for("status = 'streaming' from pg_stat_wal_receiver")
        yield tcp


def free_port() -> int:
    """A port nobody listens on just now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
