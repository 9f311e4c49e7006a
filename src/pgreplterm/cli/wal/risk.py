"""``pgreplterm wal risk``: what promoting a standby now would lose.

Owns: its options and its layout. Must not: sample, read WAL or judge itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from pgreplterm.cli.wal.options import json_option
from pgreplterm.cli.wal.render import print_json
from pgreplterm.cli.watching import discovers, server_options, watched
from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.decoded.risk import Risk, RiskReport
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.wal.changes import Transaction

transactions_option = click.option(
    "--transactions", is_flag=True, help="Each transaction with its xid, LSNs, time and number of rows."
)


@click.command()
@server_options
@click.option("--candidate", metavar="NODE", help="Only this standby.")
@click.option(
    "--wal", "wal_path", metavar="PATH", help="The primary's data directory, pg_wal or archive, when it is down."
)
@transactions_option
@json_option
def risk(
    dsns: tuple[str, ...],
    lab_name: str | None,
    candidate: str | None,
    wal_path: str | None,
    transactions: bool,
    as_json: bool,
) -> int:
    """What promoting each standby now would lose: commits, rows by table, bytes.

    Reads the WAL between what the standby has flushed and where the primary's ends, and nothing else. That needs a
    superuser, or EXECUTE on pg_read_binary_file(text, bigint, bigint, boolean); without, bytes only.

    Exits 0 when some candidate would lose no commit, 1 when all would, 3 when that is unknown, 4 when a privilege hides
    it.
    """
    from pgreplterm.cluster.decoded.risk import assess
    from pgreplterm.cluster.decoded.risk_words import risk_document

    targets = watched(dsns, lab_name)
    snapshot, targets = sampled_once(targets, discovers())
    report = assess(snapshot, targets, wal_path, candidate)
    if as_json:
        print_json(risk_document(report, transactions))
    else:
        click.echo("\n".join(_lines(report, transactions)))
    return _exit_code(report)


def sampled_once(targets: Sequence[Target], discover: bool) -> tuple[ClusterSnapshot, Sequence[Target]]:
    """One look at the servers, and how each of them is reached, those included that were discovered."""
    from pgreplterm.cluster.sampling.sampler import Sampler

    async def sample() -> tuple[ClusterSnapshot, Sequence[Target]]:
        async with Sampler(targets, discover=discover) as sampler:
            return await sampler.sample_once(), sampler.targets

    return asyncio.run(sample())


def _exit_code(report: RiskReport) -> ExitCode:
    able = [risk for risk in report.risks if risk.standing.is_sound]
    if any(risk.lost is not None and risk.lost.is_nothing for risk in able):
        return ExitCode.OK
    if report.denied:
        return ExitCode.NO_PRIVILEGE
    if any(risk.lost is not None and risk.lost.commits for risk in able):
        return ExitCode.FINDING
    return ExitCode.CANNOT_CONNECT


def _lines(report: RiskReport, transactions: bool) -> list[str]:
    from pgreplterm.cluster.words import duration_in_words, printable

    primary = report.primary
    who = printable(primary.node or primary.where)
    timeline = "" if primary.timeline is None else f" (timeline {primary.timeline})"
    if primary.end is None:
        lines = [f"{who}{timeline}: the end of its WAL is unknown"]
    elif primary.node is not None:
        lines = [f"{who}{timeline} wrote up to {primary.end}, asked {duration_in_words(primary.age)} ago"]
    else:
        lines = [f"{who}: WAL ends at {primary.end}"]
    if not report.risks:
        lines += ["", "no standby is known: nothing could take over"]
    for each in report.risks:
        lines += ["", *_risk_lines(each, report, transactions)]
    return [*lines, *_reasons(report), *_least(report)]


def _risk_lines(risk: Risk, report: RiskReport, transactions: bool) -> list[str]:
    from pgreplterm.cluster.decoded.risk_words import evidence_phrase, lost_lines, risk_sentence
    from pgreplterm.cluster.words import printable

    standing = risk.standing
    lines = [f"{printable(standing.name)} {risk_sentence(risk)}", f"  {evidence_phrase(standing)}"]
    if standing.remark is not None:
        lines.append(f"  {printable(standing.remark)}")
    if risk.lost is not None and risk.lost.bytes:
        offset = report.primary.clock_offset
        lines += [f"  {line}" for line in lost_lines(risk.lost, risk.tables, report.taken_at, offset)]
        if transactions:
            lines += [f"  {line}" for line in transaction_lines(risk.lost.transactions, risk.lost.omitted)]
    return lines


def transaction_lines(transactions: Sequence[Transaction], omitted: int) -> list[str]:
    """A line a transaction, in the order of commits."""
    from pgreplterm.cluster.words import instant

    lines = [f"{'XID':>10}  {'COMMIT RECORD':>17}  {'ENDS':>17}  {'COMMITTED':<29} {'ROWS':>8}"]
    for each in transactions:
        when = "?" if each.committed_at is None else instant(each.committed_at)
        lines.append(f"{each.xid:>10}  {each.commit_lsn!s:>17}  {each.commit_end!s:>17}  {when:<29} {each.rows:>8}")
    return [*lines, f"and {omitted} more"] if omitted else lines


def _reasons(report: RiskReport) -> list[str]:
    """Why commits are unknown, each reason once."""
    from pgreplterm.cluster.words import printable

    unknown: dict[str, list[str]] = {}
    for each in report.risks:
        if each.lost is None and each.unknown is not None and each.standing.problem is None:
            unknown.setdefault(each.unknown, []).append(printable(each.standing.name))
    return [f"\n{', '.join(names)}: {printable(reason).rstrip('.')}." for reason, names in unknown.items()]


def _least(report: RiskReport) -> list[str]:
    from pgreplterm.cluster.words import printable

    if len(report.risks) < 2:
        return []
    names = [printable(risk.standing.name) for risk in report.least]
    if not names:
        return ["", "Which of them would lose least is unknown."]
    if len(names) == 1:
        return ["", f"{names[0]} would lose least."]
    return ["", f"{', '.join(names[:-1])} and {names[-1]} would lose equally little."]
