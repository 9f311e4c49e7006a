"""A replicating cluster of any major: a primary, two standbys and a cascade, made by copying the stopped primary.

Owns: building and ending the tree. Must not: know what the cluster room makes of it. pg_basebackup is not needed: some
installations are a server and nothing else.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.replicas import TREE, Cluster, Node

from .majors import Installation, MatrixServer


class MatrixNode(MatrixServer, Node):
    """A node of an installation whose initdb may be too old for an option."""


@contextmanager
def tree(installation: Installation, shape: Mapping[str, str | None] = TREE) -> Iterator[Cluster]:
    """A streaming cluster of that major, with a role of pg_monitor and one of nothing."""
    made = Cluster()
    with installation.scratch() as scratch:
        try:
            _build(installation, scratch, made, shape)
            yield made
        finally:
            made.stop()


def _build(installation: Installation, scratch: Path, made: Cluster, shape: Mapping[str, str | None]) -> None:
    programs = installation.runnable(scratch)
    for name, upstream in shape.items():
        folder = scratch / name
        folder.mkdir(mode=0o755)
        installation.account.own(folder)
        node = MatrixNode(programs, folder, installation.account, {"cluster_name": name}, name=name)
        made.nodes[name] = node
        if upstream is None:
            _make_primary(node)
        else:
            _copy(made["pg1"], node, made[upstream])
    made["pg1"].start()
    for name, upstream in shape.items():
        if upstream is not None:
            made[upstream].sql(f"select pg_create_physical_replication_slot('{name}')")
            made[name].start()
    for name, upstream in shape.items():
        if upstream is not None:
            made[name].wait_for("exists (select from pg_stat_wal_receiver where status = 'streaming')")


def _make_primary(node: Node) -> None:
    node.initdb()
    node.configure(synchronous_commit="on", wal_log_hints="on")
    node.start()
    node.sql(
        "create role watcher login in role pg_monitor", "create role nobody_special login", "create table t (i int)"
    )
    node.stop()


def _copy(source: Node, node: Node, upstream: Node) -> None:
    shutil.copytree(source.data, node.data, ignore=shutil.ignore_patterns("postmaster.*"))
    node.data.chmod(0o700)
    for path in (node.data, *node.data.rglob("*")):
        node.account.own(path)
    node.configure(unix_socket_directories=str(node.folder), cluster_name=node.name)
    node.follow(upstream)
    node.make_standby()
