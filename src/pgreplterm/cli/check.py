"""``pgreplterm check``: a cluster judged once, as a monitoring plugin.

Owns: its options, how long it looks, and which of the four exit codes follows. Must not: judge itself, or end without
one of them. docs/check.md specifies what it prints.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.configured import limits as configured_limits
from pgreplterm.cli.plugin import PluginCommand, Status, figures_of, first_line, more_lines, status_of
from pgreplterm.cli.replayed import recorded, replay_options
from pgreplterm.cli.watching import discovers, server_options, watched
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.cluster.sampling.sampler import Sampler
    from pgreplterm.cluster.thresholds import Thresholds
    from pgreplterm.cluster.verdict import Verdict

_PAUSE = 0.5  # seconds between two looks
_LEAST_LOOKS = 2
_CLOSING = 0.5  # seconds kept back for hanging up


@dataclass(frozen=True, slots=True)
class Looking:
    """What to look at and how: timeout in seconds for all of it; discover: the servers' neighbours, too."""

    servers: Sequence[Target]
    discover: bool
    limits: Thresholds
    timeout: float


class NothingSeen(PgReplTermError):
    """Time ran out before the first look was over."""

    exit_code = ExitCode.CANNOT_CONNECT


def _explain(ctx: click.Context, _: click.Parameter, name: str | None) -> None:
    """--explain: the texts of one rule, or of all."""
    if name is None:
        return
    from pgreplterm.cluster.findings import RULES
    from pgreplterm.cluster.findings.document import explained

    found = [rule for rule in RULES if name in (rule.id, "all")]
    if not found:
        raise click.UsageError(f"there is no rule {name!r}; `--explain all` lists them")
    click.echo("\n".join(explained(rule) for rule in found), nl=False)
    ctx.exit()


@click.command(cls=PluginCommand)
@server_options
@replay_options
@click.option("--warning", "-w", metavar="LIMITS", help="Replay gap, time lag or both: 10MB,30s.")
@click.option("--critical", "-c", metavar="LIMITS", help="The same for critical: 1GB,5min.")
@click.option("--timeout", "-t", type=click.FloatRange(min=5), default=10.0, show_default=True, help="Seconds in all.")
@click.option("--json", "as_json", is_flag=True, help="One JSON document instead of lines.")
@click.option(
    "--explain", metavar="RULE", callback=_explain, expose_value=False, is_eager=True, help="What a rule means."
)
def check(
    dsns: tuple[str, ...],
    lab_name: str | None,
    warning: str | None,
    critical: str | None,
    timeout: float,
    as_json: bool,
) -> int:
    """Judge a cluster once, for a monitoring system.

    The first line is the verdict with its figures; the others say what was found and what to do.

    Exits 0 ok, 1 warning, 2 critical, 3 unknown: also when nothing could be judged.
    """
    limits = _limits(warning, critical)
    looking = Looking(watched(dsns, lab_name), discovers(), limits, timeout)
    replayed = recorded()
    if replayed is None:
        snapshot, judged = asyncio.run(_look(looking))
    else:
        snapshot, judged = _look_again(list(replayed.leading(timeout)), limits)
        replayed.told(0)
    status = status_of(judged.severity)
    if as_json:
        click.echo(json.dumps(_document(snapshot, judged, limits, status), indent=2))
    else:
        click.echo(first_line(status, _text(judged), figures_of(snapshot, limits)))
        for line in more_lines(judged.findings):
            click.echo(line)
    return status


def _limits(warning: str | None, critical: str | None) -> Thresholds:
    from pgreplterm.cluster.thresholds import with_limits

    configured = configured_limits()
    try:
        return with_limits(configured, warning, critical)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _look_again(seen: Sequence[ClusterSnapshot], limits: Thresholds) -> tuple[ClusterSnapshot, Verdict]:
    """The last of some recorded snapshots, judged by all of them."""
    from pgreplterm.cluster.verdict import verdict

    return seen[-1], verdict(seen[-1], limits, seen[:-1])


async def _look(looking: Looking) -> tuple[ClusterSnapshot, Verdict]:
    """Look until nothing more would come of it, or time is up; judge what was seen last by all of it."""
    from pgreplterm.cluster.sampling.sampler import Sampler
    from pgreplterm.cluster.verdict import verdict

    loop = asyncio.get_running_loop()
    started = loop.time()
    ends = started + looking.timeout - _CLOSING
    seen: list[ClusterSnapshot] = []
    interval = min(1.0, looking.timeout / 10)
    async with Sampler(looking.servers, interval, discover=looking.discover) as sampler:
        while True:
            asked = loop.time()
            snapshot = await _sample(sampler, ends)
            judged = verdict(snapshot, looking.limits, seen)
            seen.append(snapshot)
            now = loop.time()
            if now + _PAUSE + (now - asked) > ends or _is_settled(seen, judged, looking.limits, now - started):
                return snapshot, judged
            await asyncio.sleep(_PAUSE)


async def _sample(sampler: Sampler, ends: float) -> ClusterSnapshot:
    """Every node once; what is known by then when time runs out first. Raises NothingSeen."""
    try:
        async with asyncio.timeout_at(ends):
            return await sampler.sample_once()
    except TimeoutError:
        if sampler.latest is None:
            raise NothingSeen("no server has answered in time; give more with --timeout") from None
        return sampler.latest


def _is_settled(seen: Sequence[ClusterSnapshot], judged: Verdict, limits: Thresholds, looked: float) -> bool:
    """Every fault found has been there for as long as it takes to count, and nothing is about to become one."""
    from pgreplterm.cluster.findings import Severity, rule_of
    from pgreplterm.cluster.findings.replay import is_undecided
    from pgreplterm.cluster.findings.rule import View

    if len(seen) < _LEAST_LOOKS or is_undecided(View(seen[-1], limits, tuple(seen[:-1]))):
        return False
    return all(rule_of(one).settles <= looked for one in judged.findings if one.severity > Severity.INFO)


def _text(judged: Verdict) -> str:
    from pgreplterm.cluster.words import duration_in_words

    age = judged.evidence_age
    return judged.sentence if age is None else f"{judged.sentence}, evidence {duration_in_words(age)} old"


def _document(snapshot: ClusterSnapshot, judged: Verdict, limits: Thresholds, status: Status) -> dict[str, Any]:
    from pgreplterm.cluster.serialize import snapshot_document

    return {
        "status": status.name,
        "exit_code": int(status),
        "text": _text(judged),
        "limits": asdict(limits),
        "figures": [asdict(figure) for figure in figures_of(snapshot, limits)],
        **snapshot_document(snapshot, judged),
    }
