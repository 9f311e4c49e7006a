"""``pgreplterm lab show, add, remove, reclone``: what a lab is, and one node more or less.

Owns: the arguments and the output of these. Must not: know how a node is made.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

_of_lab = click.option("--name", default="lab", show_default=True, help="The lab the node belongs to.")


@click.command()
@click.argument("name", default="lab")
@click.option("--toml", "as_toml", is_flag=True, help="The lab file that builds this lab again.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of text.")
def show(name: str, as_toml: bool, as_json: bool) -> None:
    """The plan of a lab as it is now: its tree, and what holds for all nodes."""
    from pgreplterm.cluster.words import printable
    from pgreplterm.lab.shape.toml import plan_to_toml
    from pgreplterm.lab.shape.tree import shape_of

    plan = _load(name).plan()
    if as_toml:
        click.echo(plan_to_toml(plan), nl=False)
    elif as_json:
        click.echo(json.dumps(asdict(plan), indent=2, default=str))
    else:
        lines = {
            "shape": shape_of(plan.nodes),
            "backend": plan.backend,
            "postgresql": plan.postgresql,
            "segment size": f"{plan.segment_size} MiB",
            "fsync": _switch(plan.fsync),
            "archive": _switch(plan.archive),
            "synchronous": plan.synchronous or "-",
            "settings": ", ".join(f"{name}={value}" for name, value in plan.settings.items()) or "-",
        }
        for title, value in lines.items():
            click.echo(f"{title:12}  {printable(str(value))}")
        for node in plan.nodes:
            for setting, value in node.settings.items():
                click.echo(f"{node.name:12}  {setting}={printable(value)}")


@click.command()
@click.argument("node")
@click.option("--follows", required=True, metavar="NODE", help="The running node that it streams from.")
@click.option("--delay", metavar="TIME", help="Replay everything that much later, such as 30s or 5min.")
@click.option("--set", "settings", multiple=True, metavar="NAME=VALUE", help="A setting of the node; may be repeated.")
@_of_lab
def add(node: str, follows: str, delay: str | None, settings: Sequence[str], name: str) -> None:
    """Add a standby to a running lab, from a base backup."""
    seconds = _load(name).add_node(node, follows, delay, dict(_pair(text) for text in settings))
    _narrate(f"{node} streams from {follows} after {seconds:.1f} s")


@click.command()
@click.argument("node")
@_of_lab
def remove(node: str, name: str) -> None:
    """Take a node that nobody follows, or one that was recovered to a point in time, out of a running lab."""
    lab = _load(name)
    recovered = any(each.name == node for each in lab.recovered)
    aside = lab.remove_recovered(node) if recovered else lab.remove_node(node)
    _narrate(f"{node} is out of the lab; its files are in {aside}")


@click.command()
@click.argument("node")
@click.option("--from", "source", metavar="NODE", help="The running node to copy; otherwise the one it follows.")
@_of_lab
def reclone(node: str, source: str | None, name: str) -> None:
    """Stop a node and make it a new copy of another."""
    seconds = _load(name).reclone_node(node, source)
    _narrate(f"{node} streams as a new copy after {seconds:.1f} s")


def _pair(text: str) -> tuple[str, str]:
    name, mark, value = text.partition("=")
    if not mark:
        raise PgReplTermError(f"--set is NAME=VALUE, such as work_mem=8MB: found {text!r}")
    return name, value


def _switch(value: bool) -> str:
    return "on" if value else "off"


def _load(name: str) -> Lab:
    from pgreplterm.lab.lab import Lab

    return Lab.load(name)


def _narrate(sentence: str) -> None:
    click.echo(f"lab: {sentence}", err=True)
