"""Whether an HA manager is in charge of a cluster, from what SQL shows, and its own command for what was asked.

Owns: the signs of each manager, and those commands. Must not: ask a server; the reading is the preflight's.

A manager undoes what somebody else does, or promotes meanwhile. A name alone can be chance: one plain sign, or two
weak ones, make a detection.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from pgreplterm.cluster.words import printable

if TYPE_CHECKING:
    from pgreplterm.drill.preflight.facts import Facts, NodeFacts


_PROMOTIONS = ("switchover", "failover", "takeover")


class Sign(NamedTuple):
    """A trace on one node, in a clause. A plain one is enough by itself."""

    text: str
    plain: bool


@dataclass(frozen=True, slots=True)
class Manager:
    """One that was found. cluster is its name for the cluster, where that is known; folder a data directory of it."""

    name: str
    evidence: tuple[str, ...]
    cluster: str = "CLUSTER"
    folder: str = "DATA_DIRECTORY"
    commands: Callable[[Manager, str, str], dict[str, str]] = field(repr=False, default=lambda *_: {})

    def command(self, drill: str, candidate: str | None, primary: str | None) -> str:
        """What to type instead of the drill."""
        known = self.commands(self, candidate or "CANDIDATE", primary or "PRIMARY")
        if drill in _PROMOTIONS:
            return known.get(drill, known["switchover"])
        return known.get(drill, f"{self.name} does that in its own way: see its manual")


class _Kind(NamedTuple):
    name: str
    signs: Callable[[NodeFacts], Iterable[Sign]]
    commands: Callable[[Manager, str, str], dict[str, str]]


def detect(facts: Facts) -> tuple[Manager, ...]:
    """Those in charge of any of these nodes, the surest first."""
    found = [each for kind in _KINDS if (each := _detect(kind, facts)) is not None]
    return tuple(sorted(found, key=lambda manager: -len(manager.evidence)))


def _detect(kind: _Kind, facts: Facts) -> Manager | None:
    signs: dict[Sign, list[str]] = {}
    for name, node in facts.nodes.items():
        for sign in kind.signs(node):
            signs.setdefault(sign, []).append(name)
    if not any(sign.plain for sign in signs) and len(signs) < 2:
        return None
    evidence = tuple(printable(f"{sign.text} on {', '.join(where)}") for sign, where in signs.items())
    clusters = {value for node in facts.nodes.values() if (value := node.setting("cluster_name"))}
    folders = [value for node in facts.nodes.values() if (value := node.setting("data_directory"))]
    return Manager(
        kind.name,
        evidence,
        printable(clusters.pop()) if len(clusters) == 1 else "CLUSTER",
        printable(folders[0]) if folders else "DATA_DIRECTORY",
        kind.commands,
    )


_BY_PATRONI = ("cluster_name", "max_prepared_transactions", "max_worker_processes", "wal_level", "hot_standby")


def _patroni(node: NodeFacts) -> Iterator[Sign]:
    traces = node.traces
    for name in traces.applications if traces is not None else ():
        if name == "Patroni" or name.startswith("Patroni "):
            yield Sign(f"a session of '{name}'", True)
    settings = node.settings or {}
    if all(name in settings and settings[name].source == "command line" for name in _BY_PATRONI):
        yield Sign("settings of the cluster given on the command line, as Patroni does", True)
    if any((each.of_file or "").endswith("/postgresql.base.conf") for each in settings.values()):
        yield Sign("settings from postgresql.base.conf", True)
    for name in ("hba_file", "config_file", "archive_command", "restore_command"):
        if "patroni" in (node.setting(name) or "").lower():
            yield Sign(f"{name} names patroni", False)
    if traces is not None and "patroni" in traces.roles:
        yield Sign("a role patroni", False)


def _repmgr(node: NodeFacts) -> Iterator[Sign]:
    traces = node.traces
    if traces is not None:
        for name in traces.applications:
            if name in ("repmgrd", "repmgr"):
                yield Sign(f"a session of '{name}'", name == "repmgrd")
        if "repmgr" in traces.schemas:
            yield Sign("a table repmgr.nodes", True)
        elif "repmgr" in traces.extensions:
            yield Sign("the extension repmgr", True)
        if "repmgr" in traces.roles:
            yield Sign("a role repmgr", False)
        if any(name.startswith("repmgr_slot_") for name in traces.slots):
            yield Sign("slots named repmgr_slot_N", False)
    if "repmgr" in _words(node.setting("shared_preload_libraries")):
        yield Sign("repmgr in shared_preload_libraries", True)
    if node.replication_user == "repmgr":
        yield Sign("primary_conninfo connects as repmgr", False)


def _pg_auto_failover(node: NodeFacts) -> Iterator[Sign]:
    traces = node.traces
    if traces is not None:
        if "pgautofailover" in traces.extensions or "pgautofailover" in traces.schemas:
            yield Sign("the extension pgautofailover", True)
        for name in ("pgautofailover_replicator", "pgautofailover_monitor"):
            if name in traces.roles:
                yield Sign(f"a role {name}", True)
        if any(name.startswith("pgautofailover_standby_") for name in (*traces.applications, *traces.slots)):
            yield Sign("walsenders or slots named pgautofailover_standby_N", True)
    if "pgautofailover_standby_" in (node.setting("synchronous_standby_names") or ""):
        yield Sign("synchronous_standby_names lists pgautofailover_standby_N", True)
    if any("postgresql-auto-failover" in (each.of_file or "") for each in (node.settings or {}).values()):
        yield Sign("settings from postgresql-auto-failover.conf", True)


def _cloud_native_pg(node: NodeFacts) -> Iterator[Sign]:
    for name in ("archive_command", "restore_command"):
        if "/controller/manager" in (node.setting(name) or ""):
            yield Sign(f"{name} runs /controller/manager", True)
    for name in ("unix_socket_directories", "ssl_cert_file"):
        if (node.setting(name) or "").startswith("/controller/"):
            yield Sign(f"{name} is below /controller", True)
    traces = node.traces
    if traces is not None:
        if "streaming_replica" in traces.roles:
            yield Sign("a role streaming_replica", False)
        if any(name.startswith("_cnpg_") for name in traces.slots):
            yield Sign("slots named _cnpg_...", True)
    if node.setting("data_directory") == "/var/lib/postgresql/data/pgdata":
        yield Sign("the data directory is /var/lib/postgresql/data/pgdata", False)


def _stolon(node: NodeFacts) -> Iterator[Sign]:
    traces = node.traces
    if traces is not None and any(name.startswith("stolon_") for name in (*traces.applications, *traces.slots)):
        yield Sign("walsenders or slots named stolon_...", True)
    if any("/stolon-" in (each.of_file or "") for each in (node.settings or {}).values()):
        yield Sign("settings from a file of stolon", True)


def _pgpool(node: NodeFacts) -> Iterator[Sign]:
    traces = node.traces
    if traces is not None:
        if "pgpool_recovery" in traces.extensions:
            yield Sign("the extension pgpool_recovery", True)
        if "pgpool" in traces.roles:
            yield Sign("a role pgpool", False)
        if any(name.lower() in ("pgpool", "pgpool-ii") for name in traces.applications):
            yield Sign("a session of pgpool", False)


def _words(text: str | None) -> list[str]:
    return [each.strip().strip('"') for each in (text or "").split(",")]


_KINDS = (
    _Kind("Patroni", _patroni, lambda its, candidate, primary: {
        "switchover": f"patronictl switchover {its.cluster} --leader {primary} --candidate {candidate}",
        "failover": f"patronictl failover {its.cluster} --candidate {candidate}",
        "takeover": f"patronictl failover {its.cluster} --candidate {candidate}",
        "rejoin": f"patronictl reinit {its.cluster} NODE",
        "new-standby": "start patroni on the new machine",
        "sync-mode": f"patronictl edit-config {its.cluster} -s synchronous_mode=on",
    }),
    _Kind("repmgr", _repmgr, lambda _its, candidate, _primary: {
        "switchover": f"repmgr standby switchover --siblings-follow (on {candidate})",
        "failover": f"repmgr standby promote --siblings-follow (on {candidate})",
        "takeover": f"repmgr standby promote --siblings-follow (on {candidate})",
        "rejoin": "repmgr node rejoin --force-rewind -d 'CONNINFO OF THE PRIMARY' (on the node)",
        "repoint": "repmgr standby follow --upstream-node-id=ID (on the node)",
        "new-standby": "repmgr standby clone, then repmgr standby register (on the new machine)",
    }),
    _Kind("pg_auto_failover", _pg_auto_failover, lambda its, candidate, _primary: {
        "switchover": f"pg_autoctl perform switchover --pgdata {its.folder}",
        "failover": f"pg_autoctl perform promotion --name {candidate} --pgdata {its.folder}",
        "takeover": f"pg_autoctl perform failover --pgdata {its.folder}",
        "new-standby": "pg_autoctl create postgres (on the new machine)",
        "sync-mode": "pg_autoctl set formation number-sync-standbys N",
    }),
    _Kind("CloudNativePG", _cloud_native_pg, lambda its, candidate, _primary: {
        "switchover": f"kubectl cnpg promote {its.cluster} {candidate}",
        "rejoin": f"kubectl cnpg destroy {its.cluster} INSTANCE, and the operator makes it anew",
        "new-standby": f"kubectl scale cluster {its.cluster} --replicas=N",
        "sync-mode": f"kubectl edit cluster {its.cluster}, .spec.postgresql.synchronous",
    }),
    _Kind("Stolon", _stolon, lambda _its, _candidate, primary: {
        "switchover": f"stolonctl failkeeper KEEPER (the keeper of {primary})",
        "sync-mode": "stolonctl update --patch '{\"synchronousReplication\": true}'",
    }),
    _Kind("Pgpool-II", _pgpool, lambda _its, candidate, _primary: {
        "switchover": f"pcp_promote_node --switchover -n ID (the node ID of {candidate})",
        "failover": f"pcp_promote_node -n ID (the node ID of {candidate})",
        "rejoin": "pcp_recovery_node -n ID",
    }),
)  # fmt: skip
"""Each with its signs and its commands by the word of the drill; a promotion that lacks is its switchover."""
