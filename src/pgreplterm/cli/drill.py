"""``pgreplterm drill``: rehearse failures on a lab.

Owns: arguments, the typed name, and where the report goes. Must not: know the steps of a drill.
"""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.drill.report import FailoverReport
    from pgreplterm.lab.lab import Lab

_DRILLS = {"failover": "SIGKILL the primary, promote the best standby, repoint, rejoin, measure"}


@click.group()
def drill() -> None:
    """Rehearse failures on a lab, with a measured report."""


@drill.command("ls")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_drills(as_json: bool) -> None:
    """The drills there are."""
    if as_json:
        click.echo(json.dumps([{"name": name, "effect": effect} for name, effect in _DRILLS.items()], indent=2))
        return
    for name, effect in _DRILLS.items():
        click.echo(f"{name:<12} {effect}")


@drill.command()
@click.argument("kind", type=click.Choice(sorted(_DRILLS)))
@click.option("--lab", "lab_name", default="lab", show_default=True, help="The lab to run it on.")
def plan(kind: str, lab_name: str) -> None:
    """Print what a drill would do now, with its preflight; do nothing."""
    from pgreplterm.cluster.connecting.connect import named_target
    from pgreplterm.drill.choose import bytes_at_risk, preflight
    from pgreplterm.drill.failover import STEPS
    from pgreplterm.drill.watch import Watch
    from pgreplterm.lab.lab import Lab

    lab = Lab.load(lab_name)
    with Watch([named_target(node.name, lab.dsn(node.name)) for node in lab.nodes], 1.0) as watch:
        snapshot = watch.newest()
    click.echo(f"{kind} on lab {lab.name}: {_DRILLS[kind]}")
    for number, step in enumerate(STEPS, start=1):
        click.echo(f"  {number}. {step}")
    for check in preflight(snapshot):
        click.echo(f"  {'ok     ' if check.allows else 'refusal'} {check.name}: {check.evidence}")
    for primary in snapshot.primaries:
        risk = bytes_at_risk(snapshot, primary.name)
        click.echo(f"  at risk now: {'unknown' if risk is None else f'{risk} bytes'}")


@drill.command()
@click.argument("kind", type=click.Choice(sorted(_DRILLS)))
@click.option("--lab", "lab_name", default="lab", show_default=True, help="The lab to run it on.")
@click.option("--yes", "typed", metavar="NAME", help="The lab's name again, instead of typing it when asked.")
@click.option("--journal", type=click.Path(path_type=Path), help="Where the journal goes.")
@click.option("--report-dir", type=click.Path(path_type=Path), help="Where report.json and report.md go.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON on stdout.")
def run(
    kind: str, lab_name: str, typed: str | None, journal: Path | None, report_dir: Path | None, as_json: bool
) -> None:
    """Run a drill on a lab and report what it measured."""
    from pgreplterm.drill.places import state_folder, writable
    from pgreplterm.drill.report import as_json as report_document
    from pgreplterm.drill.report import as_text, save
    from pgreplterm.lab.lab import Lab

    lab = Lab.load(lab_name)
    _confirm(lab.name, kind, typed)
    folder = writable(report_dir or state_folder() / "reports", "--report-dir")
    stamp = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    report = run_narrated(lab, journal or state_folder() / "drills" / f"{stamp}-{kind}-{lab.name}.jsonl", folder)
    paths = save(report, folder)
    click.echo(json.dumps(report_document(report), indent=2) if as_json else as_text(report))
    click.echo(f"saved {paths[0]} and {paths[1].name}", err=True)


def run_narrated(lab: Lab, journal: Path, reports: Path) -> FailoverReport:
    """Run the failover drill with its steps on stderr; its recording goes where its report will go below reports."""
    from pgreplterm.drill.run import narration, run_failover

    def tell(event: dict[str, object]) -> None:
        line = narration(event)
        if line is not None:
            click.echo(line, err=True)

    return run_failover(lab, journal, tell, reports)


def _confirm(lab: str, kind: str, typed: str | None) -> None:
    """The lab's name, typed: a drill kills servers."""
    if typed is None:
        typed = click.prompt(f"{kind} will kill the primary of lab {lab}. Type the lab's name to run it", err=True)
    if typed != lab:
        raise PgReplTermError(f"expected the lab's name {lab!r} to be typed, found {typed!r}; nothing was done.")
