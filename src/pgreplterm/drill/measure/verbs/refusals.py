"""What may be done on which node: a matrix of operations and nodes, each tried, each rolled back.

Owns: refusal-matrix and its operations. Must not: leave anything of them: what cannot be rolled back changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pgreplterm.cluster.words import printable
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern

_TABLE = "pgreplterm_refusals"
ALLOWED = "allowed"

OPERATIONS = {
    "select": f"SELECT count(*) FROM {_TABLE}",
    "function": "SELECT pg_size_pretty(pg_database_size(current_database()))",
    "explain": f"EXPLAIN SELECT * FROM {_TABLE}",
    "explain analyze": f"EXPLAIN ANALYZE SELECT * FROM {_TABLE}",
    "insert": f"INSERT INTO {_TABLE} VALUES (2)",
    "update": f"UPDATE {_TABLE} SET id = id + 10",
    "delete": f"DELETE FROM {_TABLE}",
    "truncate": f"TRUNCATE {_TABLE}",
    "create table": "CREATE TABLE pgreplterm_refused (id int)",
    "alter table": f"ALTER TABLE {_TABLE} ADD COLUMN more int",
    "drop table": f"DROP TABLE {_TABLE}",
    "create index": f"CREATE INDEX ON {_TABLE} (id)",
    "temp table": "CREATE TEMP TABLE pgreplterm_temporary (id int)",
    "select for update": f"SELECT * FROM {_TABLE} FOR UPDATE",
    "nextval": "SELECT nextval('pgreplterm_refusals_seq')",
    "vacuum": f"VACUUM {_TABLE}",
    "analyze": f"ANALYZE {_TABLE}",
    "reindex": f"REINDEX TABLE {_TABLE}",
    "begin read write": "SET TRANSACTION READ WRITE",
    "serializable": "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
    "checkpoint": "CHECKPOINT",
}
_ALONE = ("vacuum",)  # cannot run in a transaction

CELL = Pattern(
    "refused:OPERATION:NODE",
    "OPERATION on NODE",
    "",
    f'the SQLSTATE it was refused with, "{ALLOWED}" when it was not; tried as superuser and rolled back',
)
REFUSED = Pattern("refused_count:NODE", "Operations refused on NODE", "", "of those tried there")
ALLOWED_COUNT = Pattern("allowed_count:NODE", "Operations allowed on NODE", "", "of those tried there")


def _matrix(context: Context, options: Options) -> tuple[Figure, ...]:
    wanted = options.names("operations") or tuple(OPERATIONS)
    primary, nodes = context.primary().name, context.running(options.text("nodes"))
    with context.talk(primary) as link:
        link.execute(f"CREATE TABLE IF NOT EXISTS {_TABLE} (id int)")
        link.execute(f"CREATE SEQUENCE IF NOT EXISTS {_TABLE}_seq")
        try:
            end = link.execute("SELECT pg_current_wal_lsn()::text").fetchone()[0]
            return tuple(figure for node in nodes for figure in _of_node(context, node, wanted, end))
        finally:
            link.execute(f"DROP TABLE {_TABLE}")
            link.execute(f"DROP SEQUENCE {_TABLE}_seq")


def _of_node(context: Context, node: str, wanted: tuple[str, ...], end: str) -> Iterator[Figure]:
    _await_replay(context, node, end)
    states: list[str] = []
    with context.talk(node) as link:
        tried = [(operation, *_tried(link, operation)) for operation in wanted]
    for operation, state, message in tried:
        states.append(state)
        statement = f"{OPERATIONS[operation]}: {message or 'done, and rolled back'}"
        yield CELL.figure(state, operation, node, how=printable(statement))
    refused = sum(state != ALLOWED for state in states)
    yield REFUSED.figure(refused, node, how=f"of {len(states)} operations tried as superuser")
    yield ALLOWED_COUNT.figure(len(states) - refused, node, how=f"of {len(states)} operations tried as superuser")


def _await_replay(context: Context, node: str, end: str) -> None:
    """The table must be there, or everything is refused for the wrong reason. Raises DrillFailed."""
    asked = "SELECT NOT pg_is_in_recovery() OR pg_last_wal_replay_lsn() >= %s::pg_lsn"
    context.stage.until(lambda _: bool(context.value(node, asked, end)), f"{node} to replay the table", 10.0)


def _tried(link: Any, operation: str) -> tuple[str, str]:
    statement = OPERATIONS[operation]
    alone = operation in _ALONE
    try:
        if not alone:
            link.execute("BEGIN")
        link.execute(statement)
    except Exception as error:  # psycopg's, which this room does not import
        state = getattr(error, "sqlstate", None)
        if state is None:
            raise
        return str(state), str(error).strip().partition("\n")[0]
    finally:
        if not alone:
            link.execute("ROLLBACK")
    return ALLOWED, ""


MEASURES = (
    Measure(
        "refusal-matrix",
        "which operations each node refuses, with SQLSTATE and message; each is tried and rolled back",
        (CELL, REFUSED, ALLOWED_COUNT),
        _matrix,
        {
            "nodes": Parameter('where: "all", "standbys" or one by name', "all"),
            "operations": Parameter("which; all unless said", (), choices=tuple(OPERATIONS)),
        },
    ),
)
