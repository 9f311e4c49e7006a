"""``pgreplterm scenario``: rehearsals as data, of which ten are a course.

Owns: arguments, and what is printed around a run. Must not: know what a step does.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.cli import scenario_progress, scenario_run
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.scenario.model import Scenario


@click.group()
def scenario() -> None:
    """Rehearsals on labs of their own, measured and judged: the ten of the course, more, and yours."""


for _command in (scenario_run.run, scenario_run.report, scenario_progress.progress, scenario_progress.note):
    scenario.add_command(_command)


@scenario.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_scenarios(as_json: bool) -> None:
    """The scenarios there are, and how each went last time."""
    from pgreplterm.cli.scenario_text import catalogue_document, catalogue_lines
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.cluster.words import printable
    from pgreplterm.drill.learner import log
    from pgreplterm.drill.scenario import catalogue

    known = catalogue.entries()
    found = catalogue_document(known, log.read().entries)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(catalogue_lines(found, terminal_width())))
    for each in known:
        if each.problem is not None:
            click.echo(f"pgreplterm: {printable(each.problem)}", err=True)


@scenario.command()
@click.argument("name")
@click.option("--mysql", is_flag=True, help="Also what it is in MySQL.")
@click.option("--toml", is_flag=True, help="The file itself, to begin one of your own with.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def show(name: str, mysql: bool, toml: bool, as_json: bool) -> None:
    """What a scenario does and teaches, step by step. NAME is its number, its name, or a path."""
    from pgreplterm.cli.scenario_text import scenario_document, scenario_lines
    from pgreplterm.cli.tables import terminal_width

    found = find(name)
    if toml:
        click.echo(found.path.read_text(encoding="utf-8"), nl=False)
    elif as_json:
        click.echo(json.dumps(scenario_document(found), indent=2))
    else:
        click.echo("\n".join(scenario_lines(found, terminal_width() or 80, mysql)))


@scenario.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
def check(files: Sequence[Path]) -> int | None:
    """Validate scenario files: exit status 2, with FILE:LINE, when one is none."""
    from pgreplterm.cluster.words import printable
    from pgreplterm.drill.scenario.file import read_scenario

    wrong = 0
    for path in files:
        try:
            found = read_scenario(path)
        except PgReplTermError as error:
            wrong += 1
            click.echo(f"pgreplterm: {printable(str(error))}", err=True)
        else:
            steps = f"{len(found.steps)} step{'s' * (len(found.steps) != 1)}"
            click.echo(f"{printable(str(path))}: {found.name}, {steps}, {len(found.expectations)} expectations")
    return ExitCode.USAGE if wrong else None


def find(name: str) -> Scenario:
    """The scenario a user means. Raises PgReplTermError."""
    from pgreplterm.drill.scenario import catalogue

    return catalogue.find(name)
