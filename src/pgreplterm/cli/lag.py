"""``pgreplterm lag``: how far behind each downstream is, in bytes by stage, in time, and when it will have caught up.

Owns: its arguments, how long it measures, and the table. Must not: sample, join or judge itself.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click
from click.core import ParameterSource

from pgreplterm.cli.configured import limits
from pgreplterm.cli.replayed import Recorded, recorded, replay_options
from pgreplterm.cli.replayed import lacks_privilege as lacked_privilege
from pgreplterm.cli.tables import aligned
from pgreplterm.cli.watching import discovers, exit_code, server_options, view_options, watched

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.history import LagHistory
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.cluster.percentiles import Spread

# Seconds. A rate takes two ticks, so even a single look lasts this long.
GLANCE = 1.0
GLANCE_INTERVAL = 0.25
_FIGURES = ("UNSENT", "WRITE", "FLUSH", "REPLAY", "TIME", "ETA", "AGE", "WAL/S", "REPLAY/S")
_HEADINGS = ("NODE", "OF", "STATE", *_FIGURES)
_SPREAD_HEADINGS = ("NODE", "FIGURE", "P50", "P95", "P99", "MAX", "KNOWN", "UNKNOWN")
_RIGHT = frozenset({*_FIGURES, *_SPREAD_HEADINGS[2:]})


@dataclass(frozen=True, slots=True)
class _Plan:
    """What was asked for: seconds is None to go on for ever."""

    targets: Sequence[Target]
    as_json: bool
    interval: float
    each: bool
    seconds: float | None
    percentiles: bool


@click.command()
@server_options
@view_options
@replay_options
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(min=0),
    metavar="S",
    help="Measure for S seconds and end with percentiles (every 0.25 s, unless --interval or --watch is given).",
)
@click.pass_context
def lag(
    ctx: click.Context,
    dsns: tuple[str, ...],
    lab_name: str | None,
    as_json: bool,
    watch: bool,
    interval: float,
    seconds: float | None,
) -> int:
    """How far behind each standby is: bytes by stage, time, and when it will have caught up.

    A DSN is whatever psql takes; one that names several hosts stands for all of them. Without any, it is the
    profile's servers, or else those of PG* variables and libpq's defaults. Rates take two looks, so one answer takes a
    second.

    Exits as status does: 0 when all is well, 1 on a finding, 3 when no server answers, 4 when privileges hide the
    answer.
    """
    chosen = watch or ctx.get_parameter_source("interval") is ParameterSource.COMMANDLINE
    plan = _Plan(
        targets=watched(dsns, lab_name),
        as_json=as_json,
        interval=interval if chosen else GLANCE_INTERVAL,
        each=watch,
        seconds=seconds if seconds is not None else None if watch else GLANCE,
        percentiles=seconds is not None,
    )
    if (replayed := recorded()) is not None:
        return _measure_again(plan, replayed)
    return asyncio.run(_measure(plan))


def _measure_again(plan: _Plan, replayed: Recorded) -> int:
    """The same from a recording: the seconds up to the moment that was asked for, or with --watch all from there on."""
    from pgreplterm.cluster.history import LagHistory

    history, last = LagHistory(), replayed.snapshot
    seen = replayed.following() if plan.each else replayed.leading(plan.seconds or 0.0)
    since: float | None = None
    for last in seen:
        history.add(last)
        since = last.taken_at if since is None else since
        if plan.each:
            _show(plan, last)
    if not plan.each or plan.percentiles:
        _show(plan, last, history if plan.percentiles else None, since or last.taken_at)
    return replayed.told(exit_code(last, lacked_privilege(last)))


async def _measure(plan: _Plan) -> int:
    from pgreplterm.cluster.history import LagHistory
    from pgreplterm.cluster.sampling.sampler import Sampler

    history, loop = LagHistory(), asyncio.get_running_loop()
    end = None if plan.seconds is None else loop.time() + plan.seconds
    async with Sampler(plan.targets, plan.interval, discover=discovers()) as sampler:
        snapshot = await sampler.sample_once()
        history.add(snapshot)
        since = snapshot.taken_at
        reached = any(node.sample is not None for node in snapshot.nodes)
        if plan.each or plan.percentiles or reached:
            async for snapshot in sampler.snapshots():
                history.add(snapshot)
                if end is not None and loop.time() >= end:
                    break
                if plan.each:
                    _show(plan, snapshot)
        _show(plan, snapshot, history if plan.percentiles else None, since)
        return exit_code(snapshot, sampler.lacks_privilege)


def _show(plan: _Plan, snapshot: ClusterSnapshot, history: LagHistory | None = None, since: float = 0.0) -> None:
    from pgreplterm.cluster.lag import lag_document
    from pgreplterm.cluster.verdict import verdict
    from pgreplterm.cluster.words import instant

    if plan.as_json:
        document = lag_document(snapshot, history, since, verdict(snapshot, limits()))
        click.echo(json.dumps(document, separators=(",", ":")) if plan.each else json.dumps(document, indent=2))
        return
    lines = table_lines(snapshot)
    if history is not None:
        lines += ["", *_spread_lines(snapshot, history, since)]
    click.echo("\n".join([instant(snapshot.taken_at), *lines, ""] if plan.each else lines))


def table_lines(snapshot: ClusterSnapshot) -> list[str]:
    """One line a downstream, and the verdict."""
    from pgreplterm.cluster.lag import lag_rows
    from pgreplterm.cluster.verdict import verdict
    from pgreplterm.cluster.words import UNKNOWN, printable

    rows = [
        (printable(row.name), printable(row.upstream or UNKNOWN), printable(row.state), *row.cells)
        for row in lag_rows(snapshot)
    ]
    return [*aligned(_HEADINGS, rows, _RIGHT, gap=1), "", printable(verdict(snapshot, limits()).line)]


def _spread_lines(snapshot: ClusterSnapshot, history: LagHistory, since: float) -> list[str]:
    from pgreplterm.cluster.lag import lag_rows
    from pgreplterm.cluster.words import duration, printable, size

    rows: list[Sequence[str]] = []
    for row in lag_rows(snapshot):
        seen = history.statistics(row.name, since)
        if seen is None:
            continue
        name = printable(row.name)
        rows.append((name, "flush gap", *_figures(seen.flush, lambda value: size(round(value)))))
        if row.replays:
            rows.append((name, "replay gap", *_figures(seen.replay, lambda value: size(round(value)))))
            rows.append((name, "time", *_figures(seen.time, duration)))
    return aligned(_SPREAD_HEADINGS, rows, _RIGHT)


def _figures(spread: Spread, shown: Callable[[float], str]) -> tuple[str, ...]:
    ranks = (spread.p50, spread.p95, spread.p99, spread.max)
    return (*("?" if rank is None else shown(rank) for rank in ranks), str(spread.known), str(spread.unknown))
