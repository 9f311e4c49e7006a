"""``load`` and ``clients``: who writes while the rest happens.

Owns: these two verbs, and their tables, which stand at the head of a file as well. Must not: write anything itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgreplterm.drill import undo as undos
from pgreplterm.drill.procedure import Undo
from pgreplterm.drill.scenario.context import Context
from pgreplterm.drill.scenario.errors import SchemaError
from pgreplterm.drill.scenario.keys import TABLE, TINY, Key, Kind, either, number, one_of, read_table
from pgreplterm.drill.scenario.model import ClientsPlan
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab.conninfo import Way
from pgreplterm.lab.load.plan import DEFAULT_RATE, EVERY_NODE, MOST_CLIENTS, Plan
from pgreplterm.lab.load.plan import Kind as LoadKind
from pgreplterm.toml_text import Keys
from pgreplterm.unknown_name import unknown

STOP = "stop"


def _readers(value: Any) -> dict[str, int]:
    if isinstance(value, dict):
        table = value
    elif isinstance(value, int) and not isinstance(value, bool):
        table = {EVERY_NODE: value}
    else:
        raise ValueError
    if any(isinstance(count, bool) or not isinstance(count, int) for count in table.values()):
        raise ValueError
    return table


LOAD_KEYS: Mapping[str, Key] = {
    "kind": Key(one_of(*LoadKind), "one row a transaction, many, or pgbench's own script", default="single"),
    "rate": Key(number(TINY), "rows a second, with pgbench transactions; 200, 20000 or 100 unless said"),
    "clients": Key(number(1, MOST_CLIENTS, whole=True), "connections that write", default=1),
    "batch": Key(number(1, whole=True), 'rows a transaction, with kind = "batch"', default=10_000),
    "readers": Key(
        Kind("a number, or a table NODE = number", _readers), "connections that read, on every node or on some",
        default={},
    ),
    "read_rate": Key(number(TINY), "reads a second of each of them", default=10.0),
    "read_seconds": Key(number(), "how long each read keeps its snapshot", default=0.0),
}  # fmt: skip
CLIENTS_KEYS: Mapping[str, Key] = {
    "count": Key(number(1, 20, whole=True), "how many", default=1),
    "interval": Key(number(0.001, 60), "seconds between the writes of one", default=0.004),
    "way": Key(one_of(*Way), "how each finds the primary: each node in turn, or libpq's multi-host", default="quick"),
}


def read_load(table: Mapping[str, Any], place: Keys, nodes: list[str]) -> Plan:
    """The load of that table. Raises SchemaError."""
    found = read_table(table, LOAD_KEYS, place, " of a load")
    for node in found["readers"]:
        if node not in (*nodes, EVERY_NODE):
            raise SchemaError(unknown("node", node, nodes), *place, "readers", node)
    kind = LoadKind(found["kind"])
    rate = DEFAULT_RATE[kind] if found["rate"] is None else found["rate"]
    plan = Plan(**{**found, "kind": kind, "rate": rate})
    try:
        plan.check(tuple(nodes))
    except PgReplTermError as error:
        raise SchemaError(str(error), *place) from None
    return plan


def read_clients(table: Mapping[str, Any], place: Keys) -> ClientsPlan:
    """The clients of that table. Raises SchemaError."""
    return ClientsPlan(**read_table(table, CLIENTS_KEYS, place, " of clients"))


def load_in_words(plan: Plan) -> str:
    """In one line."""
    what = "transactions of pgbench" if plan.kind is LoadKind.PGBENCH else "rows"
    batches = f" in batches of {plan.batch}" if plan.kind is LoadKind.BATCH else ""
    return f"{plan.rate:g} {what} a second{batches}, {plan.clients} client{'s' * (plan.clients > 1)}"


@dataclass(frozen=True, slots=True)
class ChangeLoad(Verb):
    """Another background load, or none."""

    word: ClassVar[str] = "load"
    meaning: ClassVar[str] = "have a background load from here on (docs/load.md), instead of any there is, or end it"
    own: ClassVar[Key] = Key(either(one_of(STOP), TABLE), "the load: the keys of [load]", required=True)

    plan: Plan | None

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> ChangeLoad:
        given = values["load"]
        return cls(None if given == STOP else read_load(given, (*context.place, "load"), context.nodes))

    @property
    def will(self) -> str:
        return "end the load" if self.plan is None else f"write {load_in_words(self.plan)}"

    def act(self, session: Session) -> str:
        session.lab.stop_load()
        if self.plan is None:
            return "no load"
        session.lab.start_load(plan=self.plan)
        return load_in_words(self.plan)

    def undo(self, session: Session) -> Undo | None:  # noqa: ARG002
        return undos.stop_load() if self.plan is not None else None


@dataclass(frozen=True, slots=True)
class ChangeClients(Verb):
    """Clients that measure, or none."""

    word: ClassVar[str] = "clients"
    meaning: ClassVar[str] = "have clients that write ids and journal what became of each, or end them"
    own: ClassVar[Key] = Key(either(one_of(STOP), TABLE), "the clients: the keys of [clients]", required=True)

    plan: ClientsPlan | None

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> ChangeClients:
        given = values["clients"]
        context.had_clients = context.had_clients or given != STOP
        return cls(None if given == STOP else read_clients(given, (*context.place, "clients")))

    @property
    def will(self) -> str:
        if self.plan is None:
            return "end the clients"
        return f"have {self.plan.count} client{'s' * (self.plan.count > 1)} write an id every {self.plan.interval:g} s"

    def act(self, session: Session) -> str:
        session.stop_clients()
        if self.plan is None:
            return "no clients"
        session.start_clients(self.plan)
        return f"{self.plan.count} write"

    def undo(self, session: Session) -> Undo | None:  # noqa: ARG002
        return undos.stop_probers() if self.plan is not None else None


VERBS: tuple[type[Verb], ...] = (ChangeLoad, ChangeClients)
