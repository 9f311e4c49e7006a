"""``pgreplterm fault``: break a lab on purpose, and mend it.

Owns: the arguments and both forms of output of the fault commands. Must not: know what a fault does.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from pgreplterm.cluster.words import printable
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.lab.faults.engine import Healing
    from pgreplterm.lab.faults.record import Record
    from pgreplterm.lab.lab import Lab

_of_lab = click.option("--lab", "lab_name", default="lab", show_default=True, help="The lab it is about.")
_LOOK = 0.2
"""Seconds between two looks whether somebody else has healed a fault that is held."""

OBSERVE_WITHIN = 60.0


@click.group()
def fault() -> None:
    """Break a lab on purpose, and mend it: only labs that this program made."""


@fault.command("ls")
@click.argument("names", metavar="[NAME ...]", nargs=-1)
@click.option("--lab", "lab_name", help="The lab to say it of.  [default: lab, when there is one]")
@click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")
def list_faults(names: Sequence[str], lab_name: str | None, as_json: bool) -> None:
    """The faults there are and those that are active; of each NAME, its options, where it can be, and why not."""
    from pgreplterm.cli.fault_text import active_lines, catalogue_lines, detail_lines, document
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.lab.faults import registry

    lab = _load(lab_name or "lab", optional=lab_name is None)
    found = document(lab, [registry.find(name) for name in names] or registry.ALL, time.time())
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    width = terminal_width()
    if names:
        lines = [line for entry in found["faults"] for line in detail_lines(entry, width)]
    else:
        lines = [*catalogue_lines(found, width), "", *active_lines(found)]
    click.echo("\n".join(lines))


@fault.command()
@click.argument("name")
@click.argument("target")
@_of_lab
@click.option("-o", "options", metavar="KEY=VALUE", multiple=True, help="An option of the fault; 'fault ls' has them.")
@click.option("--for", "duration", type=float, metavar="SECONDS", help="Stay, and heal it after so long.")
@click.option("--wait", is_flag=True, help="Stay until a sampler sees its effect, and print that.")
def inject(
    name: str, target: str, lab_name: str, options: Sequence[str], duration: float | None, wait: bool
) -> int | None:
    """Inject the fault NAME at TARGET, a node or a link (named by its downstream, or as "pg2<-pg1")."""
    from pgreplterm.lab.faults import engine

    lab = _load(lab_name)
    assert lab is not None
    record = engine.inject(lab, name, target, _options(options), duration, narrate)
    seen = True
    try:
        click.echo(printable(f"{record.number}: {record.done}"))
        if wait:
            seen = _show_evidence(lab, record)
        if record.until is not None:
            _hold(lab, record, record.until)
    finally:
        healed = _end_held(lab, record) if duration is not None else True
    if duration is None:
        narrate(f"undo it with: pgreplterm fault heal {record.number} --lab {lab.name}")
    return None if seen and healed else ExitCode.FINDING


@fault.command()
@click.argument("numbers", metavar="[NUMBER ...]", type=int, nargs=-1)
@_of_lab
@click.option("--all", "everything", is_flag=True, help="Heal every fault of the lab, newest first.")
def heal(numbers: Sequence[int], lab_name: str, everything: bool) -> int | None:
    """Undo the faults of those numbers, which 'fault ls' shows."""
    from pgreplterm.lab.faults import engine

    if bool(numbers) is everything:
        raise PgReplTermError("expected the numbers of the faults to heal, or --all; 'pgreplterm fault ls' shows them.")
    lab = _load(lab_name)
    assert lab is not None
    return report(engine.heal(lab, None if everything else numbers, narrate))


def report(healing: Healing) -> int | None:
    """Say what was healed on stdout, and what was not on stderr; the exit code."""
    for healed in healing.faults:
        if healed.said is not None:
            said = f"fault {healed.record.number} ({healed.record.fault}) is healed: {healed.said}"
            click.echo(printable(said))
    for step in healing.steps:
        click.echo(printable(step))
    if not healing.faults and not healing.steps and not healing.errors:
        click.echo("there was nothing to heal")
    for sentence in healing.errors:
        narrate(sentence)
    return ExitCode.FINDING if healing.errors else None


def _load(name: str, optional: bool = False) -> Lab | None:
    from pgreplterm.lab.errors import NoSuchLab
    from pgreplterm.lab.lab import Lab

    try:
        return Lab.load(name)
    except NoSuchLab:
        if optional:
            return None
        raise


def narrate(sentence: str) -> None:
    """Say on stderr what is being done."""
    with suppress(OSError):  # a terminal that is gone must not keep a fault from being healed
        click.echo(f"fault: {printable(sentence)}", err=True)


def _options(words: Sequence[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for word in words:
        key, _, value = word.partition("=")
        try:
            found[key] = float(value)
        except ValueError:
            raise PgReplTermError(f"expected -o KEY=NUMBER, as in -o latency=0.2; found {word!r}.") from None
    return found


def _show_evidence(lab: Lab, record: Record) -> bool:
    from pgreplterm.lab.faults.observe import observe

    left = OBSERVE_WITHIN if record.until is None else min(OBSERVE_WITHIN, record.until - time.time())
    sight = observe(lab, record, max(0.0, left))
    if sight is None:
        narrate(f"a sampler saw no effect of {record.fault} at {record.order.target} within {max(0.0, left):.0f} s")
        return False
    click.echo(printable(f"{record.number}: seen after {sight.seconds:.1f} s: {sight.evidence}"))
    return True


def _hold(lab: Lab, record: Record, until: float) -> None:
    """Wait until the fault is over, or somebody else has healed it."""
    from pgreplterm.lab.faults.engine import still_there

    narrate(f"healing it in {max(0.0, until - time.time()):.0f} s; Ctrl-C heals it now")
    while time.time() < until and still_there(lab, record):
        time.sleep(min(_LOOK, max(0.0, until - time.time())))


def _end_held(lab: Lab, record: Record) -> bool:
    """Heal what was held, unless that has been done; whether all is well."""
    from pgreplterm.lab.faults import engine

    if not lab.directory.exists():
        narrate(f"the lab {lab.name} is gone, and its faults with it")
        return True
    if not engine.still_there(lab, record):
        narrate(f"fault {record.number} was healed by somebody else")
        return True
    return report(engine.heal(lab, [record.number], narrate)) is None
