"""A real replicating cluster per test: a primary, standbys, cascades, all on Unix sockets with the same port.

Owns: building the tree, and hurting its processes. Must not: know what the cluster room makes of it.
"""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from pgreplterm.lab.account import server_account
from pgreplterm.lab.binaries import environment, prepare
from tests.wal.servers import Server, require_bin, scratch_folder

TREE: Mapping[str, str | None] = {"pg1": None, "s1": "pg1", "s2": "pg1", "leaf": "s1"}
_SETTINGS = {"synchronous_commit": "on", "wal_log_hints": "on", "wal_retrieve_retry_interval": "100ms"}


@dataclass
class Node(Server):
    """One server with the name it replicates under."""

    name: str = ""
    port: int = 5432

    def connect(self, dbname: str = "postgres") -> psycopg.Connection[Any]:
        """An autocommit session as superuser, at the port it listens on."""
        return psycopg.connect(host=str(self.folder), port=self.port, user="postgres", dbname=dbname, autocommit=True)

    @property
    def dsn(self) -> str:
        """Superuser over the socket."""
        return self.dsn_as("postgres")

    def dsn_as(self, role: str) -> str:
        """The same server as another role."""
        return f"host={self.folder} user={role} dbname=postgres"

    @property
    def pid(self) -> int:
        """The postmaster."""
        assert self._process is not None
        return self._process.pid

    def sql(self, *statements: str) -> Any:
        """Run statements as superuser; the first column of the last one's first row, if it returned rows."""
        with self.connect() as session:
            for statement in statements:
                cursor = session.execute(statement.encode())
            row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None

    def follow(self, upstream: Node) -> None:
        """Take upstream as the place to stream from, through the slot of this node's name."""
        self.configure(
            primary_conninfo=f"host={upstream.folder} user=postgres password=hunter2 application_name={self.name}",
            primary_slot_name=self.name,
        )

    def make_standby(self) -> None:
        """Have the next start be as a standby."""
        signal_file = self.data / "standby.signal"
        signal_file.touch()
        self.account.own(signal_file)

    def family(self) -> list[psutil.Process]:
        """The postmaster and every process it started."""
        postmaster = psutil.Process(self.pid)
        return [postmaster, *postmaster.children(recursive=True)]

    def launch(self) -> None:
        """Start without waiting for a session."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self.bin / "postgres", "-D", self.data],
                stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/", env=environment(), start_new_session=True,
                **self.account.spawn_options,
            )  # fmt: skip

    def send(self, what: signal.Signals) -> None:
        """The same signal to the whole family."""
        for process in self.family():
            with suppress(psutil.NoSuchProcess):
                process.send_signal(what)

    def send_to_walreceiver(self, what: signal.Signals) -> None:
        """A signal to the walreceiver alone."""
        for process in self.family():
            with suppress(psutil.NoSuchProcess):  # a zombie is one, too
                if "walreceiver" in " ".join(process.cmdline()):
                    process.send_signal(what)
                    return
        raise AssertionError(f"{self.name} has no walreceiver")


@dataclass
class Cluster:
    """The nodes by name, and where they live."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Node:
        return self.nodes[name]

    def dsns(self, role: str = "postgres") -> list[str]:
        """One DSN per node."""
        return [node.dsn_as(role) for node in self.nodes.values()]

    def write(self, name: str = "pg1", rows: int = 20_000) -> None:
        """About 60 bytes of WAL a row."""
        self[name].sql(f"insert into t select generate_series(1, {rows})")

    def stop(self) -> None:
        """End every server, frozen or not."""
        for node in self.nodes.values():
            if node._process is None:
                continue
            with suppress(psutil.NoSuchProcess):
                node.send(signal.SIGCONT)
            node.stop(signal.SIGQUIT)


@contextmanager
def cluster(major: int, tree: Mapping[str, str | None] = TREE) -> Iterator[Cluster]:
    """A streaming cluster of that major; gone, with its files, at the end."""
    made = Cluster()
    with scratch_folder() as scratch:
        binaries = prepare(require_bin(major), server_account(), scratch / "runtime").directory
        try:
            for name, upstream in tree.items():
                made.nodes[name] = _node(binaries, scratch / name, name, made[upstream] if upstream else None)
            yield made
        finally:
            made.stop()


def _node(binaries: Path, folder: Path, name: str, upstream: Node | None) -> Node:
    folder.mkdir(mode=0o755)
    account = server_account()
    account.own(folder)
    node = Node(binaries, folder, account, {"cluster_name": name}, name=name)
    if upstream is None:
        node.initdb()
        node.configure(**_SETTINGS)
        node.start()
        node.sql(
            "create role watcher login in role pg_monitor", "create role nobody_special login", "create table t (i int)"
        )
        return node
    upstream.sql(f"select pg_create_physical_replication_slot('{name}')")
    copy = ("-D", node.data, "-h", upstream.folder, "-U", "postgres", "-c", "fast", "--no-sync", "-X", "stream")
    node.run("pg_basebackup", *copy)
    node.configure(unix_socket_directories=str(folder), cluster_name=name)
    node.follow(upstream)
    node.make_standby()
    node.start()
    node.wait_for("status = 'streaming' from pg_stat_wal_receiver")
    return node
