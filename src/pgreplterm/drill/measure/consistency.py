"""Whether all nodes of a lab agree, looked at after every run.

Owns: the list of checks and the verdict on them. Must not: repair, or wait longer than it is told.

What could not be looked at is a warning, and makes the verdict unknown: nobody knows is no success.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pgreplterm.drill.check import Check
from pgreplterm.drill.check import Verdict as Answer
from pgreplterm.drill.measure import tables
from pgreplterm.drill.measure.probes import probe_checks
from pgreplterm.drill.measure.standing import NodeStanding, standings
from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import process
from pgreplterm.lab.fates import Verdict
from pgreplterm.lab.faults import record
from pgreplterm.lab.lab import Lab

_Judge = Callable[[NodeStanding], bool]
_Words = Callable[[NodeStanding], str]

WITHIN = 30.0
"""Seconds for the standbys to catch up."""


@dataclass(frozen=True, slots=True)
class Extent:
    """What is compared. lost are ids by client that were measured as lost: they must be missing on every node alike.

    slots are the names of slots that a run was meant to leave, stopped the nodes, faults the numbers of faults that
    others have injected.
    """

    journals: tuple[Path, ...] = ()
    lost: Mapping[int, Collection[int]] = field(default_factory=dict)
    most_rows: int = tables.MOST_ROWS
    within: float = WITHIN
    slots: frozenset[str] = frozenset()
    stopped: frozenset[str] = frozenset()
    faults: frozenset[int] = frozenset()


def verdict_of(checks: Iterable[Check]) -> Verdict:
    """A single refusal fails; a pass needs every check to be ok."""
    answers = {check.verdict for check in checks}
    if Answer.REFUSAL in answers:
        return Verdict.FAIL
    return Verdict.PASS if answers == {Answer.OK} else Verdict.UNKNOWN


def check(lab: Lab, extent: Extent | None = None) -> tuple[Check, ...]:
    """Look at everything; nothing of ours may write meanwhile. Does not raise for what a server says."""
    extent = extent or Extent()
    found = standings(lab, extent.stopped, extent.within)
    return tuple(_checks(lab, extent, found))


def _checks(lab: Lab, extent: Extent, found: tuple[NodeStanding, ...]) -> Iterator[Check]:
    yield _running(found, extent.stopped)
    yield _one_primary(found)
    answering = [each for each in found if each.answers]
    standbys = [each for each in answering if each.in_recovery]
    yield _all("every standby streams", standbys, lambda each: each.streams, lambda each: each.upstream_words)
    yield _one_timeline(answering)
    yield _all(
        "every standby has caught up", standbys, lambda each: each.is_as_far_as_it_may, lambda each: each.gap_words
    )
    yield _slots(answering, extent.slots)
    yield _faults(lab, extent.faults)
    writing = _writers(lab)
    if writing:
        yield Check("rows are equal on all nodes", Answer.WARNING, f"{writing} still writes, so rows were not compared")
        return
    behind = [each.name for each in standbys if not each.is_as_far_as_it_may]
    late = [each.name for each in standbys if each.is_as_far_as_it_may and not each.caught_up]
    alike = [each.name for each in answering if each.name not in late]
    if behind:
        yield Check("rows are equal on all nodes", Answer.WARNING, f"not compared: {', '.join(behind)} is behind")
    else:
        note = f"; {', '.join(late)} left out, which replays late on purpose" if late else ""
        yield from _rows(lab, alike, extent.most_rows, note)
    if extent.journals:
        yield from probe_checks(lab, alike, extent.journals, extent.lost)


def _running(found: tuple[NodeStanding, ...], stopped: Collection[str]) -> Check:
    silent = [f"{each.name}: {each.silence}" for each in found if not each.answers and each.name not in stopped]
    meant = f"; {', '.join(sorted(stopped))} is meant to be stopped" if stopped else ""
    evidence = "; ".join(silent) or f"{len(found) - len(stopped)} of {len(found)} nodes{meant}"
    return Check("every node answers", _must(not silent), evidence)


def _one_primary(found: tuple[NodeStanding, ...]) -> Check:
    heads = [each.name for each in found if each.answers and not each.in_recovery]
    if not heads and any(not each.answers for each in found):
        return Check("one primary", Answer.WARNING, "none answers, and some nodes could not be asked")
    return Check("one primary", _must(len(heads) == 1), ", ".join(heads) or "none")


def _all(name: str, nodes: list[NodeStanding], holds: _Judge, words: _Words) -> Check:
    wrong = [f"{each.name}: {words(each)}" for each in nodes if not holds(each)]
    return Check(
        name, _must(not wrong), "; ".join(wrong or [f"{each.name}: {words(each)}" for each in nodes]) or "none"
    )


def _one_timeline(nodes: list[NodeStanding]) -> Check:
    lines = {each.name: each.timeline for each in nodes}
    evidence = ", ".join(f"{name} {'unknown' if line is None else line}" for name, line in lines.items())
    if None in lines.values():
        return Check("all on one timeline", Answer.WARNING, evidence)
    return Check("all on one timeline", _must(len(set(lines.values())) <= 1), evidence)


def _slots(nodes: list[NodeStanding], allowed: Collection[str]) -> Check:
    odd = [f"{each.name}: {slot}" for each in nodes for slot in each.odd_slots if slot.partition(" ")[0] not in allowed]
    count = sum(len(each.slots) for each in nodes)
    evidence = "; ".join(odd) or f"{count} slots, each in use by a node of the lab"
    return Check("no slot that nobody uses", _must(not odd), evidence, "drop it: it keeps WAL for ever" if odd else "")


def _faults(lab: Lab, before: Collection[int]) -> Check:
    left, complaints = record.readable(lab.directory)
    words = [f"{each.fault} at {each.order.target}" for each in left if each.number not in before] + list(complaints)
    stood = [f"{each.fault} at {each.order.target}" for each in left if each.number in before]
    note = f"; {', '.join(stood)} stands, of which this run is not the cause" if stood else ""
    evidence = (", ".join(words) or ("none by this run" if stood else "none recorded")) + note
    return Check("no fault is left", _must(not words), evidence, "heal it" if words else "")


def _writers(lab: Lab) -> str:
    """What of ours writes now; "" for nothing."""
    load = lab.load_status()
    writers = ["the load"] if load is not None and load.running else []
    prober = lab.state.prober
    if prober is not None and process.is_running(prober.process):
        writers.append("a prober")
    return " and ".join(writers)


def _rows(lab: Lab, nodes: list[str], most_rows: int, note: str) -> Iterator[Check]:
    name = "rows are equal on all nodes"
    try:
        databases = {node: _databases(lab, node) for node in nodes}
        if len(set(databases.values())) > 1:
            yield Check(name, Answer.REFUSAL, "; ".join(f"{node} has {', '.join(databases[node])}" for node in nodes))
            return
        found = {node: _contents(lab, node, databases[node], most_rows) for node in nodes}
    except PgReplTermError as error:
        yield Check(name, Answer.WARNING, f"could not be compared: {error}")
        return
    differ = tables.differences(found)
    contents = next(iter(found.values()), {})
    counted = sum(content.rows for content in contents.values())
    same = f"{len(contents)} tables, {counted} rows, on {len(found)} nodes" + tables.limit_words(contents) + note
    yield Check(name, _must(not differ), "; ".join(differ) or same)


def _databases(lab: Lab, node: str) -> tuple[str, ...]:
    with lab.connection(node) as link:
        return tuple(str(row[0]) for row in link.execute(tables.DATABASES).fetchall())


def _contents(lab: Lab, node: str, databases: tuple[str, ...], most_rows: int) -> tables.Contents:
    found: dict[str, tables.Content] = {}
    for database in databases:
        with lab.connection(node, database) as link:
            link.execute("SET statement_timeout = 0")
            found |= {f"{database}.{table}": each for table, each in tables.contents(link, most_rows).items()}
    return found


def _must(holds: bool) -> Answer:
    return Answer.OK if holds else Answer.REFUSAL
