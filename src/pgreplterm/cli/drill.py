"""``pgreplterm drill``: rehearse failures on a lab.

Owns: arguments, the typed name, and what is printed before a drill runs. Must not: know the steps of a drill.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.cli import drill_control, drill_runs
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.procedure import Procedure

_of_lab = click.option("--lab", "lab_name", default="lab", show_default=True, help="The lab to run it on.")
_dsns = click.argument("dsns", metavar="[DSN ...]", nargs=-1)
_settings = click.option("--set", "settings", metavar="NAME=VALUE", multiple=True, help="An option of the drill.")


@click.group()
def drill() -> None:
    """Rehearse failures on a lab, with a measured report."""


for _command in (
    *(drill_control.attach, drill_control.pause, drill_control.resume, drill_control.step, drill_control.answer),
    *(drill_control.abort, drill_control.heal, drill_runs.list_runs, drill_runs.report),
):
    drill.add_command(_command)


@drill.command("ls")
@click.argument("kinds", metavar="[KIND ...]", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_drills(kinds: Sequence[str], as_json: bool) -> None:
    """The drills there are: what each does, who notices, the way back, and its options."""
    from pgreplterm.cli.drill_text import kind_document, kind_lines
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.drill.procedures import ALL, find

    found = [kind_document(each) for each in (map(find, kinds) if kinds else ALL)]
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    click.echo("\n\n".join("\n".join(kind_lines(each, terminal_width())) for each in found))


@drill.command()
@click.argument("kind")
@_dsns
@_of_lab
@_settings
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def plan(kind: str, dsns: Sequence[str], lab_name: str, settings: Sequence[str], as_json: bool) -> int | None:
    """Print what a drill would do now, with its preflight; do nothing. Exit status 1 when it is refused.

    With DSNs: on a cluster that is no lab, with the commands that are for you to run.
    """
    if dsns:
        from pgreplterm.cli.drill_foreign import plan_foreign

        return plan_foreign(kind, dsns, settings, as_json)
    from pgreplterm.cli.drill_text import plan_document, plan_lines
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.drill.look import look
    from pgreplterm.drill.procedure import Scene
    from pgreplterm.drill.procedures import find
    from pgreplterm.lab.lab import Lab

    wanted = find(kind)
    arguments = arguments_of(wanted, settings)
    lab = Lab.load(lab_name)
    snapshot = look(lab)
    procedure = wanted(Scene(lab, snapshot, arguments))
    found = plan_document(procedure, lab.name, procedure.preflight(), snapshot)
    click.echo(json.dumps(found, indent=2) if as_json else "\n".join(plan_lines(found, terminal_width())))
    return None if found["allowed"] else ExitCode.FINDING


@drill.command()
@click.argument("kind")
@_dsns
@_of_lab
@_settings
@click.option("--yes", "typed", metavar="NAME", help="The lab's name again, instead of typing it when asked.")
@click.option("--drills", is_flag=True, help="Allow it on a cluster that is no lab, which the DSNs name.")
@click.option("--step", "stepwise", is_flag=True, help="Explain each step and wait for Enter before it.")
@click.option("--detach", is_flag=True, help="Do not wait for its end; print the name of the run.")
@click.option("--report-dir", type=click.Path(path_type=Path), help="Where the run's folder goes, with its report.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
def run(
    kind: str,
    dsns: Sequence[str],
    lab_name: str,
    settings: Sequence[str],
    typed: str | None,
    drills: bool,
    stepwise: bool,
    detach: bool,
    report_dir: Path | None,
    as_json: bool,
) -> int | None:
    """Run a drill on a lab and report what it measured.

    It runs in a process of its own. The first Ctrl-C has it take back what it did, a second one detaches; a terminal
    that is lost only detaches. With DSNs it runs here, and waits for what it prints for you to do.
    """
    if dsns:
        from pgreplterm.cli.drill_foreign import run_foreign

        run_foreign(kind, dsns, settings, drills, typed)
        return None
    from pgreplterm.cli.drill_follow import Attachment, show_ending
    from pgreplterm.drill.engine.start import start
    from pgreplterm.drill.procedures import find
    from pgreplterm.drill.request import Kind, Request
    from pgreplterm.lab.lab import Lab

    wanted = find(kind)
    arguments = arguments_of(wanted, settings)
    lab = Lab.load(lab_name)
    confirm(lab.name, wanted, typed)
    begun = start(Request(Kind.DRILL, wanted.kind, lab.name, arguments, stepwise), report_dir)
    if detach:
        click.echo(json.dumps({"run": begun.name, "folder": str(begun.folder)}) if as_json else begun.name)
        return None
    return show_ending(begun, Attachment(begun, aborts=True).follow(), as_json)


def arguments_of(kind: type[Procedure], settings: Sequence[str]) -> dict[str, str]:
    """The options given. Raises PgReplTermError, naming the nearest, for one the drill does not have."""
    found: dict[str, str] = {}
    for word in settings:
        name, sign, value = word.partition("=")
        if not sign:
            raise PgReplTermError(f"expected --set NAME=VALUE, found {word!r}.")
        if name not in kind.options:
            meant = get_close_matches(name, kind.options, n=1)
            known = f"did you mean {meant[0]!r}?" if meant else f"it has {', '.join(kind.options) or 'none'}."
            raise PgReplTermError(f"expected an option of {kind.kind}, found {name!r}; {known}")
        found[name] = value
    if missing := [name for name, each in kind.options.items() if each.required and not found.get(name)]:
        raise PgReplTermError(f"expected --set {missing[0]}=...: {kind.options[missing[0]].meaning}; found none.")
    return found


def confirm(lab: str, kind: type[Procedure], typed: str | None) -> None:
    """The lab's name, typed: a drill changes servers."""
    if typed is None:
        click.echo(f"{kind.kind} on lab {lab}: {kind.effect}; {kind.radius}.", err=True)
        typed = click.prompt("Type the lab's name to run it", err=True)
    if typed != lab:
        raise PgReplTermError(f"expected the lab's name {lab!r} to be typed, found {typed!r}; nothing was done.")
