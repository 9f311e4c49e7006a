"""Reading on every node: how long the same query takes, how fresh its rows are, how many there are, what cancelled it.

Owns: query-time, row-counts and recovery-conflicts. Must not: write.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from statistics import median

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure import tables
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.errors import DrillFailed

_FRESHNESS = (
    "SELECT CASE WHEN pg_is_in_recovery() THEN extract(epoch FROM now() - pg_last_xact_replay_timestamp())::float8"
    " ELSE 0 END"
)
_REPLAYED = (
    "SELECT (coalesce(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END, '0/0')"
    " - '0/0')::int8"
)
_AGGREGATE = "SELECT count(*), sum(n % 97) FROM generate_series(1, 200000) AS n"
_KINDS = ("tablespace", "lock", "snapshot", "bufferpin", "deadlock")

QUERY = Pattern(
    "query_seconds:NODE", "Query on NODE", "s", "the median of its runs, by our own clock, after one unmeasured run"
)
FRESH = Pattern(
    "data_age_seconds:NODE",
    "Age of the data read on NODE",
    "s",
    "now() minus pg_last_xact_replay_timestamp() there; 0 on the primary",
    "a lag: it grows while nothing is written, though nothing is missing; see missing_bytes",
)
MISSING = Pattern(
    "missing_bytes:NODE", "WAL not yet visible on NODE", "bytes", "the primary's position minus what NODE has replayed"
)
ROWS = Pattern("rows:TABLE:NODE", "Rows of TABLE on NODE", "rows", "SELECT count(*)")
EQUAL = Pattern(
    "rows_equal", "Rows equal on all nodes", "", "row counts and order-independent checksums of the tables asked for"
)
CONFLICTS = Pattern(
    "recovery_conflicts:NODE", "Queries cancelled by recovery on NODE", "", "pg_stat_database_conflicts, all kinds"
)
OF_KIND = Pattern(
    "recovery_conflicts:KIND:NODE", "KIND conflicts on NODE", "", "pg_stat_database_conflicts, all databases"
)


def _query_time(context: Context, options: Options) -> tuple[Figure, ...]:
    statement, runs = options.text("query") or _AGGREGATE, options.whole("runs")
    figures: list[Figure] = []
    for name in context.running(options.text("nodes")):
        with context.talk(name) as link:
            link.execute("SET default_transaction_read_only = on")
            link.execute(statement).fetchall()
            took = [_timed(link, statement) for _ in range(runs)]
            age, replayed = link.execute(_FRESHNESS).fetchone()[0], int(link.execute(_REPLAYED).fetchone()[0])
        end = int(context.value(context.primary().name, _REPLAYED))
        figures.append(QUERY.figure(median(took), name, how=f"median of {runs} runs of: {statement}"))
        figures += [FRESH.figure(age, name), MISSING.figure(max(0, end - replayed), name)]
    return tuple(figures)


def _timed(link: tables.Link, statement: str) -> float:
    begun = time.perf_counter()
    link.execute(statement).fetchall()
    return time.perf_counter() - begun


def _row_counts(context: Context, options: Options) -> tuple[Figure, ...]:
    names = context.running("all")
    if len(names) < len(context.nodes("all")):
        away = ", ".join(sorted(set(context.nodes("all")) - set(names)))
        return (EQUAL.figure(None, how=f"{away} does not answer"),)
    wanted, limit = options.names("tables"), options.whole("limit")
    found = {}
    for name in names:
        with context.talk(name) as link:
            found[name] = tables.contents(link, limit, wanted)
    return tuple(_counts(found, wanted))


def _counts(found: dict[str, tables.Contents], wanted: tuple[str, ...]) -> Iterator[Figure]:
    for node, contents in found.items():
        for table, content in contents.items():
            yield ROWS.figure(content.rows, table, node)
    every = list(found.values())
    missing = [table for table in wanted if not any(tables.is_named(each, table) for each in every[0])]
    if missing:
        raise DrillFailed(f"expected tables to count, found no {', '.join(missing)}.")
    differ = tables.differences(found)
    how = f"{len(every[0])} tables on {len(found)} nodes" + (f"; different: {', '.join(differ)}" if differ else "")
    yield EQUAL.figure(not differ, how=how + tables.limit_words(every[0]))


def _conflicts(context: Context, options: Options) -> tuple[Figure, ...]:
    kinds = (*_KINDS, "active_logicalslot") if context.major >= 16 else _KINDS
    columns = ", ".join(f"sum(confl_{kind})::int8" for kind in kinds)
    figures: list[Figure] = []
    for name in context.running(options.text("nodes")):
        counts = context.ask(name, f"SELECT {columns} FROM pg_stat_database_conflicts")[0]
        figures.append(CONFLICTS.figure(sum(counts), name))
        figures += [OF_KIND.figure(count, kind, name) for kind, count in zip(kinds, counts, strict=True)]
    return tuple(figures)


MEASURES = (
    Measure(
        "query-time",
        "the same query on every node several times: the median of each, and how old the data is that it reads",
        (QUERY, FRESH, MISSING),
        _query_time,
        {
            "query": Parameter("a SELECT; an aggregation over generated rows unless said", ""),
            "runs": Parameter("how often on each node", 5, least=1),
            "nodes": Parameter('where: "all", "standbys" or one by name', "all"),
        },
    ),
    Measure(
        "row-counts",
        "rows of each table on each node, and whether they are equal everywhere",
        (ROWS, EQUAL),
        _row_counts,
        {
            "tables": Parameter("which; every user table of the lab's database unless said", ()),
            "limit": Parameter("rows of a table that are compared one by one", tables.MOST_ROWS, "rows", least=1),
        },
    ),
    Measure(
        "recovery-conflicts",
        "queries on standbys that recovery cancelled, by kind",
        (CONFLICTS, OF_KIND),
        _conflicts,
        {"nodes": Parameter('which: "standbys", "all" or one by name', "standbys")},
    ),
)
