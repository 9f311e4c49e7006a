"""``pgreplterm load``: writers and readers on a lab, at a held rate.

Owns: the arguments and the two forms of output of its commands. Must not: know how a load is made.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

_of_lab = click.option("--lab", "lab_name", default="lab", show_default=True, metavar="NAME", help="Which lab.")
_as_json = click.option("--json", "as_json", is_flag=True, help="One JSON document; a line each with --watch.")


@click.group()
def load() -> None:
    """Writers and readers on a lab, at a held rate: target and achieved side by side."""


@load.command()
@_of_lab
@click.option("--kind", type=click.Choice(["single", "batch", "pgbench"]), default="single", show_default=True,
              help="One row a transaction, many, or PostgreSQL's own pgbench.")  # fmt: skip
@click.option("--rate", type=float, help="Rows a second, with pgbench transactions.  [default: 200, 20000, 100]")
@click.option("--clients", default=1, show_default=True, help="Connections that write.")
@click.option("--batch", default=10_000, show_default=True, help="Rows a transaction, with --kind batch.")
@click.option("--readers", metavar="N|NODE=N,...", default="", help="Connections that read, on every node or on some.")
@click.option("--read-rate", default=10.0, show_default=True, help="Reads a second of each of them.")
@click.option("--read-seconds", default=0.0, show_default=True, help="How long each read keeps its snapshot.")
@click.option("--seconds", type=float, help="End by itself after so long.")
def start(lab_name: str, kind: str, rate: float | None, readers: str, **options: Any) -> None:
    """Start a load in the background, and return when its first row is acknowledged."""
    from pgreplterm.lab.load.plan import DEFAULT_RATE, Kind, Plan

    chosen = Kind(kind)
    plan = Plan(kind=chosen, rate=DEFAULT_RATE[chosen] if rate is None else rate, readers=_per_node(readers), **options)
    _find(lab_name).start_load(plan=plan)
    unit = "transactions" if chosen is Kind.PGBENCH else "rows"
    _narrate(f"{kind} of {plan.rate:g} {unit} a second on lab {lab_name}; 'pgreplterm load status' shows it")


@load.command()
@_of_lab
def stop(lab_name: str) -> None:
    """End the load of a lab; what it reported last stays."""
    _find(lab_name).stop_load()
    _narrate(f"lab {lab_name} has no load")


@load.command()
@_of_lab
@_as_json
@click.option("--watch", is_flag=True, help="Again every interval, until Ctrl-C.")
@click.option("--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds.")
def status(lab_name: str, as_json: bool, watch: bool, interval: float) -> int:
    """Target and achieved rates, commit latencies, and how stale every node is for those who read there.

    Exits 1 when the load does not hold its rate, is silent, or is not there.
    """
    lab = _find(lab_name)
    while True:
        code = _show(lab, as_json, watch)
        if not watch:
            return code
        time.sleep(interval)


def _show(lab: Lab, as_json: bool, watch: bool) -> int:
    from pgreplterm.cli.load_text import lines

    found = lab.load_status()
    names = {node.port: node.name for node in lab.nodes}
    if as_json:
        known = {"lab": lab.name, "application_dsn": lab.application_dsn, "running": False, "age_seconds": None}
        if found is not None:
            node = names.get(found.report["port"])
            known = {**known, "running": found.running, "age_seconds": found.age, **found.report, "node": node}
        click.echo(json.dumps(known, separators=(",", ":")) if watch else json.dumps(known, indent=2))
    else:
        click.echo("\n".join([*lines(lab.name, found, names), *([""] if watch else [])]))
    held = found is not None and found.is_current and found.report["holds_rate"] is True
    return ExitCode.OK if held else ExitCode.FINDING


def _per_node(text: str) -> Mapping[str, int]:
    """``2``, or ``pg2=2,pg3=1``."""
    from pgreplterm.lab.load.plan import EVERY_NODE

    counts: dict[str, int] = {}
    for word in filter(None, text.split(",")):
        node, _, count = word.rpartition("=")
        if not count.strip().isascii() or not count.strip().isdigit():
            raise PgReplTermError(f"--readers expects a number, or NODE=NUMBER,...: found {word!r}")
        counts[node.strip() or EVERY_NODE] = int(count)
    return counts


def _find(name: str) -> Lab:
    from pgreplterm.lab.lab import Lab

    return Lab.load(name)


def _narrate(sentence: str) -> None:
    click.echo(f"load: {sentence}", err=True)
