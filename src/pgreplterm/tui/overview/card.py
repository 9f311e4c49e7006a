"""Everything known about one node.

Owns: the rows of the node card, at the side of a wide overview and as a page of a narrow one.
Must not: compute; a stage whose position is unknown is ``?``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from pgreplterm.cluster import words
from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, NodeSample, Slot
from pgreplterm.tui.chrome import coarse
from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import BLANK, Ink, Row, row, wrap
from pgreplterm.tui.overview.table import state_span
from pgreplterm.wal.lsn import LSN

if TYPE_CHECKING:
    from pgreplterm.cluster.decoded.risk_watch import AtRisk

LABEL = 10
WHY = 3  # rows; a refusal says at length what to grant, and `wal risk` says all of it
QUIET = 15.0  # seconds; the default status interval is 10


def card_rows(
    snapshot: ClusterSnapshot, node: Node, width: int, glyphs: Glyphs, at_risk: AtRisk | None = None
) -> list[Row]:
    """Identity, state, the stages of its link, what promoting it would lose, its slots, what it cannot tell."""
    rows = [
        row(" ", (node.name, Ink.BOLD), f"  {node.role}"),
        row(" ", state_span(node, glyphs, snapshot.taken_at)),
        _fact("address", node.address),
    ]
    if node.failure is not None:
        rows += wrap(node.failure.reason, width - 2, Ink.CRITICAL, indent=" ")
    if node.sample is not None:
        rows += _sample_rows(node, node.sample)
    link = snapshot.link_to(node.name)
    if link is not None:
        rows += [BLANK, *_link_rows(link)]
    if at_risk is not None:
        rows += [BLANK, *_risk_rows(at_risk, width)]
    if node.sample is not None and node.sample.slots:
        rows += [BLANK, row((" SLOTS", Ink.BOLD)), *map(_slot_row, node.sample.slots)]
    if node.sample is not None and node.sample.missing_privilege:
        text = f"This role lacks {node.sample.missing_privilege}; what it may not see is shown as ?."
        rows += [BLANK, *wrap(text, width - 2, Ink.WARNING, indent=" ")]
    return rows


def _sample_rows(node: Node, sample: NodeSample) -> Iterator[Row]:
    version = sample.server_version_num
    yield _fact("version", f"{version // 10000}.{version % 10000}")
    yield _fact("timeline", _known(node.timeline))
    yield _fact("position", _known(sample.position))
    if sample.in_recovery:
        yield _fact("replayed", _known(sample.replay_lsn))
        if sample.replay_paused:
            yield row((" replay is paused", Ink.WARNING))
        if node.upstream is not None:
            yield _fact("follows", node.upstream)
    if sample.synchronous_standby_names:
        yield _fact("sync", sample.synchronous_standby_names)


def _link_rows(link: Link) -> Iterator[Row]:
    sender, gaps = link.sender, link.gaps
    yield row((f" LINK {link.upstream} -> {link.downstream}", Ink.BOLD))
    stages: tuple[tuple[str, LSN | None, int | None], ...] = (
        ("sent", sender.sent_lsn if sender else None, gaps.unsent),
        ("written", sender.write_lsn if sender else None, gaps.write),
        ("flushed", sender.flush_lsn if sender else None, gaps.flush),
        ("replayed", sender.replay_lsn if sender else None, gaps.replay),
    )
    for name, lsn, gap in stages:
        yield _fact(name, f"{_known(lsn):<18} {words.size(gap):>8}")
    if sender is not None:
        yield _fact("sync", f"{sender.sync_state or '?'}, slot {sender.slot_name or 'none'}")
    yield _fact("evidence", _age(link.evidence_age))


def _risk_rows(at_risk: AtRisk, width: int) -> Iterator[Row]:
    from pgreplterm.cluster.decoded.risk_words import at_risk_phrase

    yield row((" AT RISK NOW", Ink.BOLD), (f"  {words.size(at_risk.gap)}", Ink.DIM))
    is_lost = at_risk.lost is not None and at_risk.lost.commits > 0
    yield from wrap(at_risk_phrase(at_risk), width - 2, Ink.WARNING if is_lost else Ink.PLAIN, indent=" ")
    if at_risk.lost is None and at_risk.unknown is not None:
        yield from wrap(words.printable(at_risk.unknown), width - 2, Ink.DIM, indent=" ")[:WHY]


def _age(seconds: float | None) -> str:
    """A healthy idle standby speaks every wal_receiver_status_interval; ages up to that say nothing, and change."""
    if seconds is None:
        return "age unknown"
    return f"{coarse(seconds)} old" if seconds >= QUIET else f"less than {QUIET:.0f}s old"


def _slot_row(slot: Slot) -> Row:
    state = "active" if slot.active else "inactive"
    ink = Ink.PLAIN if slot.active else Ink.WARNING
    return row(f"  {slot.name} ", (state, ink), f" {slot.wal_status or '?'}, keeps {words.size(slot.retained)}")


def _fact(name: str, text: str) -> Row:
    return row((f" {name:<{LABEL}}", Ink.DIM), text)


def _known(value: object) -> str:
    return "?" if value is None else str(value)
