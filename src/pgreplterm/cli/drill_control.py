"""The drill commands for a run that is under way, or was cut off: attach, pause, resume, step, answer, abort, heal.

Owns: their arguments and words. Must not: decide what is taken back (``drill.mend``).
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import click

from pgreplterm.cli.drill_follow import Attachment, show_ending
from pgreplterm.cli.drill_runs import find_run, kept_in
from pgreplterm.errors import ExitCode

Command = Callable[..., Any]


def _of_run(command: Command) -> Command:
    """The arguments by which a run is meant."""
    command = kept_in(command)
    command = click.option("--lab", help="The run on this lab.")(command)
    return click.argument("name", metavar="[RUN]", required=False)(command)


@click.command()
@_of_run
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
def attach(name: str | None, lab: str | None, base: Path | None, as_json: bool) -> int:
    """Follow a run, from any login: all it said, what it says, and its report. Ctrl-C detaches."""
    run = find_run(name, lab, base)
    return show_ending(run, Attachment(run, aborts=False).follow(), as_json)


@click.command()
@_of_run
def pause(name: str | None, lab: str | None, base: Path | None) -> None:
    """Have a run wait before its next step."""
    _send("pause", name, lab, base, "it waits before its next step")


@click.command()
@_of_run
def resume(name: str | None, lab: str | None, base: Path | None) -> None:
    """Have a run that waits go on without stopping."""
    _send("resume", name, lab, base, "it goes on")


@click.command()
@_of_run
def step(name: str | None, lab: str | None, base: Path | None) -> None:
    """Have a run do its next step, and wait before the one after it."""
    _send("step", name, lab, base, "it does one step")


@click.command()
@click.argument("text")
@_of_run
def answer(text: str, name: str | None, lab: str | None, base: Path | None) -> None:
    """Answer the question a run waits with."""
    _send("answer", name, lab, base, "answered", text)


@click.command()
@_of_run
def abort(name: str | None, lab: str | None, base: Path | None) -> None:
    """Have a run take back what it did, and end; 'drill attach' follows it doing so."""
    from pgreplterm.drill.engine import tell

    run = find_run(name, lab, base, alive=True)
    tell.abort(run)
    click.echo(f"{run.name}: it takes back what it did", err=True)


@click.command()
@click.option("--lab", "lab_name", default="lab", show_default=True, help="The lab to heal.")
def heal(lab_name: str) -> int | None:
    """Make a lab whole after a drill that was killed: undo what is due, one primary, everyone streaming from it."""
    from pgreplterm.drill.engine.lock import latest, only_healer
    from pgreplterm.drill.engine.standing import Standing, standing_of
    from pgreplterm.drill.mend import heal_interrupted
    from pgreplterm.lab.lab import Lab

    lab = Lab.load(lab_name)
    run = latest(lab)
    if run is None:
        click.echo(f"nothing to heal on lab {lab.name}: there was no drill yet")
        return None
    if (standing := standing_of(run)) is Standing.RUNNING:
        narrate(f"{run.name} still runs; 'pgreplterm drill abort --lab {lab.name}' has it take back what it did")
        return ExitCode.FINDING
    with only_healer(lab):
        if not (standing := standing_of(run)).wants_healing:  # or somebody else healed it just now
            click.echo(f"nothing to heal on lab {lab.name}: the last run, {run.name}, is {standing}")
            return None
        narrate(f"healing after {run.name}, which is {standing}")
        heal_interrupted(lab, run, narrate)
    click.echo(f"lab {lab.name} is whole again after {run.name}")
    return None


def narrate(sentence: str) -> None:
    """Say on stderr what is being done."""
    from pgreplterm.cluster.words import printable

    with suppress(OSError):  # a terminal that is gone must not keep a lab from being healed
        click.echo(f"drill: {printable(sentence)}", err=True)


def _send(word: str, name: str | None, lab: str | None, base: Path | None, done: str, text: str = "") -> None:
    from pgreplterm.drill.engine.tell import Command, send

    run = find_run(name, lab, base, alive=True)
    send(run, Command(word), text)
    click.echo(f"{run.name}: {done}", err=True)
