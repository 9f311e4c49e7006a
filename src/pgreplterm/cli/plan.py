"""``pgreplterm plan``: the calculators of the course, with their formulas.

Owns: their arguments. Must not: calculate, or lay out what was found.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import click
from click.core import ParameterSource

from pgreplterm.cli.configured import profile_option
from pgreplterm.cli.watching import watched
from pgreplterm.drill import units

_json = click.option("--json", "as_json", is_flag=True, help="One JSON document on stdout.")


class _Unit(click.ParamType):  # type: ignore[type-arg,unused-ignore]
    """A value with a unit of PostgreSQL's: read knows them, base is that of a number alone, least what it has to be."""

    def __init__(self, name: str, read: Callable[[str, str], float], base: str, least: float = 0.0) -> None:
        self.name = name
        self._read = read
        self._base = base
        self._least = least

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """In bytes, bytes a second or seconds."""
        if not isinstance(value, str):
            return value
        try:
            found = self._read(value, self._base)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if found < self._least:
            self.fail(f"expected no less than {self._least:g}, found {value!r}", param, ctx)
        return found


class _KeepSize(_Unit):
    """max_slot_wal_keep_size: -1 is no limit."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """In bytes, or -1."""
        return -1 if str(value).strip() == "-1" else super().convert(value, param, ctx)


_BYTES = _Unit("size", units.size, "B", 0)
_MEGABYTES = _Unit("size", units.size, "MB", 1)
_RATE = _Unit("rate", units.rate, "B", 0)
_SECONDS = _Unit("time", units.seconds, "s", 0.5)
_HOURS = _Unit("time", units.seconds, "h", 1)
_POSITIVE = click.FloatRange(min=0, min_open=True)


@click.group()
def plan() -> None:
    """Calculators: how large max_wal_size, what an absent standby costs, how much WAL a day.

    Sizes and times are written as in postgresql.conf: 10kB, 16MB, 1.5GB, 30s, 15min, 4h. What is not known is shown
    as ?, and so is what depends on it.
    """


@plan.command("wal-size")
@click.option("--tps", type=_POSITIVE, required=True, metavar="N", help="Transactions a second, at the peak.")
@click.option(
    "--wal-per-transaction",
    type=_Unit("size", units.size, "B", 1),
    required=True,
    help="Measured: WAL written over transactions.",
)
@click.option("--checkpoint-timeout", type=_SECONDS, default="5min", show_default=True, help="As it is set.")
@click.option("--margin", type=_POSITIVE, default=4.0, show_default=True, help="For more than the peak.")
@click.option(
    "--completion-target", type=click.FloatRange(0, 1), default=0.9, show_default=True,
    help="checkpoint_completion_target.",
)  # fmt: skip
@click.option(
    "--replay-rate", type=_Unit("rate", units.rate, "B", 1), help="WAL that recovery replays in a second, for its time."
)
@click.option("--max-wal-size", "now", type=_MEGABYTES, help="As it is set now, to compare with.")
@_json
def wal_size(as_json: bool, **given: Any) -> None:
    """How large max_wal_size should be for a peak load, and what that means.

    tps x WAL per transaction x checkpoint_timeout x margin, for example --tps 5000 --wal-per-transaction 10kB
    --checkpoint-timeout 15min.
    """
    from pgreplterm.cli.plan_text import wal_size_document, wal_size_lines
    from pgreplterm.drill.sizing import WalSize

    found = WalSize(**given)
    _show(as_json, wal_size_document(found), wal_size_lines(found))


@plan.command()
@click.argument("dsns", metavar="[DSN]...", nargs=-1)
@click.option("--lab", "lab_name", metavar="NAME", help="The nodes of that lab instead of DSNs.")
@profile_option
@click.option("--rate", type=_RATE, help="WAL a second; measured on the primary when servers are named.")
@click.option("--for", "seconds", type=_SECONDS, default="5s", show_default=True, help="How long it is measured.")
@click.option("--free", type=_BYTES, help="Bytes free on the disk of pg_wal; read from a local lab.")
@click.option(
    "--max-slot-wal-keep-size",
    "limit",
    type=_KeepSize("size", units.size, "MB"),
    help="-1 is no limit; read from the servers.",
)
@click.option("--away", type=_HOURS, multiple=True, help="How long the standby is away.  [default: 1h, 4h, 24h]")
@_json
@click.pass_context
def retention(
    ctx: click.Context,
    dsns: tuple[str, ...],
    lab_name: str | None,
    rate: float | None,
    seconds: float,
    free: int | None,
    limit: int | None,
    away: Sequence[float],
    as_json: bool,
) -> None:
    """WAL that a slot keeps while its standby is away, and whether the slot or the disk gives way first.

    With a DSN or --lab the rate and max_slot_wal_keep_size are those of the primary there, unless given; of a local
    lab the free disk is, too.
    """
    from pgreplterm.cli.plan_text import retention_document, retention_lines
    from pgreplterm.drill.sizing import AWAY, Retention

    source = "as given" if rate is not None else "give --rate, a DSN or --lab"
    if dsns or lab_name is not None or ctx.get_parameter_source("profile") is ParameterSource.COMMANDLINE:
        from pgreplterm.cli.plan_source import free_of_lab, observe
        from pgreplterm.cluster.words import duration_in_words, printable

        seen = observe(watched(dsns, lab_name), seconds)
        if rate is None:
            rate = seen.rate
            source = f"measured on {printable(seen.node)} for {duration_in_words(seen.seconds)}"
        limit = seen.limit if limit is None else limit
        free = free_of_lab(lab_name, seen.node) if free is None and lab_name is not None else free
    found = Retention(rate, free, limit)
    _show(as_json, retention_document(found, away or AWAY, source), retention_lines(found, away or AWAY, source))


@plan.command()
@click.option(
    "--report", "run", metavar="RUN", help="A run that measured WAL of a row: its name, folder or report.json."
)
@click.option("--bytes-per-row", type=_POSITIVE, metavar="N", help="WAL of a row, instead of a run's.")
@click.option("--rows-per-day", "rows", type=_POSITIVE, multiple=True, metavar="N", help="[default: 1000000, 10000000]")
@click.option("--away", type=_HOURS, multiple=True, help="How long a standby is away.  [default: 1h, 4h, 24h]")
@_json
def capacity(
    run: str | None, bytes_per_row: float | None, rows: Sequence[float], away: Sequence[float], as_json: bool
) -> None:
    """WAL of so many rows a day, and what a slot keeps of it, from a measured run."""
    from pgreplterm.cli.plan_text import capacity_document, capacity_lines
    from pgreplterm.drill.sizing import AWAY
    from pgreplterm.drill.sizing import capacity as days_of

    source = "as given" if bytes_per_row is not None else "give --report RUN or --bytes-per-row"
    if run is not None and bytes_per_row is None:
        from pgreplterm.cli.plan_source import reported

        seen = reported(run)
        bytes_per_row, source = seen.bytes_per_row, f"measured by {seen.name}"
        if bytes_per_row is None:
            source = f"{seen.name} did not measure it; {_PER_ROW_FROM}"
    absences = away or AWAY
    days = days_of(bytes_per_row, rows or (1e6, 1e7), absences)
    _show(
        as_json,
        capacity_document(bytes_per_row, days, absences, source),
        capacity_lines(bytes_per_row, days, absences, source),
    )


_PER_ROW_FROM = "scenario 06 does"


def _show(as_json: bool, document: dict[str, Any], lines: Sequence[str]) -> None:
    click.echo(json.dumps(document, indent=2) if as_json else "\n".join(lines))
