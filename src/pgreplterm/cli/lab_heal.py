"""``pgreplterm lab heal``: everything that ought to run runs again.

Owns: the arguments and the output of that command. Must not: know how a lab is mended.
"""

from __future__ import annotations

import click


@click.command()
@click.argument("name", default="lab")
def heal(name: str) -> int | None:
    """Heal every fault, then start, thaw and connect whatever else is not as it ought to be."""
    from pgreplterm.cli.fault import narrate, report
    from pgreplterm.lab.faults import engine
    from pgreplterm.lab.lab import Lab

    return report(engine.heal_lab(Lab.load(name), narrate))
