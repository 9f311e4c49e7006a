"""What a lab is like before a fault, whether it is so again, and when a sampler saw the fault."""

from __future__ import annotations

import gc
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.verdict import verdict
from pgreplterm.drill.watch import Watch
from pgreplterm.lab import process
from pgreplterm.lab.faults import engine, record, registry
from pgreplterm.lab.faults.observe import Sight, targets
from pgreplterm.lab.faults.record import Record
from pgreplterm.lab.lab import Lab

SETTLE_WITHIN = 30.0
OBSERVE_WITHIN = 30.0
WITNESS = "witness"
# What differs from one moment to the next, or when a node has followed another upstream and come back.
_PASSING = ("in_hot_standby", "primary_conninfo", "transaction_read_only", "statement_timeout", "synchronous_commit")
_SLOTS = "SELECT slot_name, slot_type, active, wal_status IN ('reserved', 'extended') FROM pg_replication_slots"
_SETTINGS = "SELECT name, setting FROM pg_settings WHERE context <> 'internal' AND name <> ALL(%s)"
_SESSIONS = (
    "SELECT application_name, left(query, 60) FROM pg_stat_activity WHERE backend_type = 'client backend'"
    " AND pid <> pg_backend_pid() AND usename IS NOT NULL"  # who has not said who it is yet does nothing here
)
_TABLES = "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY 1"


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of one table on one node, and their checksum whatever their order."""

    rows: int
    checksum: str | None


@dataclass(frozen=True, slots=True)
class NodeStanding:
    """What one node is."""

    in_recovery: bool
    upstream: str | None
    settings: Mapping[str, str]
    slots: frozenset[tuple[object, ...]]
    tables: Mapping[str, Table]


@dataclass(frozen=True, slots=True)
class Standing:
    """What a lab is: its nodes that run, by name, its edges, and the programs of ours that serve it."""

    nodes: Mapping[str, NodeStanding]
    edges: frozenset[str]
    helpers: tuple[str, ...]


Site = tuple[Lab, Standing]
"""A lab, and what it was like before."""


def prepare(lab: Lab) -> None:
    """An archiver, and rows that must be there, the same on every node, after whatever happens."""
    name = primary(lab)
    with _connect(lab, name) as link:
        link.execute("ALTER SYSTEM SET archive_mode = 'on'")
        link.execute("ALTER SYSTEM SET archive_command = 'true'")
    lab.stop(name)
    lab.start(name)
    with _connect(lab, name) as link:
        link.execute(f"CREATE TABLE {WITNESS} AS SELECT n AS id, md5(n::text) AS word FROM generate_series(1, 2000) n")
    _await(lambda: all_caught_up(lab), "every standby to replay everything")


def primary(lab: Lab) -> str:
    """The name of the node that runs and nobody feeds."""
    (name,) = (node.name for node in lab.nodes if node.upstream is None and lab.is_running(node.name))
    return name


def standing(lab: Lab) -> Standing:
    """What the lab is now, once every standby has replayed everything; nothing may be writing."""
    _await(lambda: all_caught_up(lab), "every standby to replay everything")
    return Standing(
        {name: _node(lab, name) for name in _running(lab)},
        frozenset(edge.name for edge in lab.edges),
        tuple(sorted(_helpers(lab))),
    )


def assert_equal_to_before(lab: Lab, before: Standing) -> None:
    """Every node as it was, every standby streaming, the same rows everywhere and none lost, and no fault left."""
    left = record.readable(lab.directory)
    assert left == ((), ()), left
    assert not list((lab.directory / record.FOLDER).glob("*.json*")), "a record is left"
    _await(lambda: not _strangers(lab), "only our own sessions", lambda: _strangers(lab))
    after = standing(lab)
    assert after.nodes.keys() == before.nodes.keys()
    assert after.edges == before.edges
    assert after.helpers == before.helpers
    for name, was in before.nodes.items():
        now = after.nodes[name]
        assert (now.in_recovery, now.upstream) == (was.in_recovery, was.upstream), name
        assert {key: now.settings.get(key) for key in was.settings} == was.settings, name
        assert now.slots == was.slots, name
    _assert_rows_kept(before, after)


def _assert_rows_kept(before: Standing, after: Standing) -> None:
    every = {name: node.tables for name, node in after.nodes.items()}
    reference = next(iter(every.values()))
    assert all(tables == reference for tables in every.values()), every
    for table, was in next(iter(before.nodes.values())).tables.items():
        assert reference[table].rows >= was.rows, table
        if table == WITNESS:
            assert reference[table] == was


class Observer:
    """An ordinary sampler at 10 Hz from before the fault on, and from the fault on another with new sessions."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        self._record: Record | None = None
        self._sight: Sight | None = None
        self._error: BaseException | None = None
        self._news = threading.Event()
        self._watch = Watch(targets(lab), 0.1, self._see)

    def __enter__(self) -> Observer:
        self._watch.__enter__()
        self.before = self._watch.newest()
        return self

    def __exit__(self, *error: Any) -> None:
        self._watch.__exit__(*error)

    def await_sight(self, of: Record) -> Sight:
        """The first evidence of that fault; there was none before it."""
        fault = registry.find(of.fault)
        assert fault.observed(self.before, of.order, of.undo) is None, "observed before it was injected"
        self._record = of
        with Watch(targets(self._lab), 0.1, self._see):
            self._news.wait(OBSERVE_WITHIN)
        if self._error is not None:
            raise self._error
        assert self._sight is not None, f"no sampler saw {of.fault}: {verdict(self._watch.newest()).line}"
        return self._sight

    def _see(self, snapshot: ClusterSnapshot) -> None:
        of = self._record
        if of is None or self._news.is_set():
            return
        try:
            evidence = registry.find(of.fault).observed(snapshot, of.order, of.undo)
        except Exception as error:
            self._error = error
            self._news.set()
            return
        if evidence is not None:
            self._sight = Sight(evidence, time.time() - of.injected_at)
            self._news.set()


def heal_all(lab: Lab) -> float:
    """Heal every fault; the seconds it took."""
    begun = time.monotonic()
    assert engine.heal(lab, None, lambda _: None).errors == ()
    return time.monotonic() - begun


def _node(lab: Lab, name: str) -> NodeStanding:
    with _connect(lab, name) as link:
        in_recovery = bool(_value(link, "SELECT pg_is_in_recovery()"))
        settings = {str(key): str(value) for key, value in link.execute(_SETTINGS, [list(_PASSING)]).fetchall()}
        slots = frozenset(link.execute(_SLOTS).fetchall())
        names = [str(row[0]) for row in link.execute(_TABLES).fetchall()]
        tables = {each: _table(link, each) for each in names}
    return NodeStanding(in_recovery, lab.state.node(name).upstream, settings, slots, tables)


def _table(link: psycopg.Connection[Any], name: str) -> Table:
    row = link.execute(
        f"SELECT count(*), sum(('x' || substr(md5(t::text), 1, 15))::bit(60)::bigint)::text FROM public.{name} t"
    ).fetchone()
    assert row is not None
    return Table(row[0], row[1])


def all_caught_up(lab: Lab) -> bool:
    """Whether every standby that runs streams, and has replayed what its primary had written just before."""
    try:
        with _connect(lab, primary(lab)) as link:
            end = _value(link, "SELECT pg_current_wal_lsn()::text")
        for name in set(_running(lab)) - {primary(lab)}:
            with _connect(lab, name) as link:
                replayed = "SELECT pg_last_wal_replay_lsn() >= %s::pg_lsn AND EXISTS"
                receiving = " (SELECT FROM pg_stat_wal_receiver WHERE status = 'streaming')"
                if not _value(link, replayed + receiving, end):
                    return False
    except psycopg.Error:
        return False
    return True


def _strangers(lab: Lab) -> list[object]:
    found: list[object] = []
    for name in _running(lab):
        with _connect(lab, name) as link:
            found += [(name, *row) for row in link.execute(_SESSIONS).fetchall()]
    if found:
        gc.collect()  # a sampler that was left in the midst of connecting closes that socket only now
    return found


def _running(lab: Lab) -> list[str]:
    return [node.name for node in lab.nodes if lab.is_running(node.name)]


def _helpers(lab: Lab) -> list[str]:
    """The modules of ours that run for this lab."""
    words = (word for member in process.working_inside(lab.directory) for word in member.info["cmdline"] or ())
    return [word for word in words if word.startswith("pgreplterm.lab.")]


def _connect(lab: Lab, name: str) -> psycopg.Connection[Any]:
    return psycopg.connect(lab.dsn(name), autocommit=True)


def _value(link: psycopg.Connection[Any], statement: str, *parameters: object) -> object:
    row = link.execute(statement, parameters).fetchone()
    return row[0] if row is not None else None


def _await(condition: Callable[[], bool], what: str, instead: Callable[[], object] = lambda: "") -> None:
    assert process.wait_until(condition, SETTLE_WITHIN, pause=0.05), f"expected {what}; {instead()}"
