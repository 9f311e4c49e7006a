"""Rules on how far behind a standby is: bytes first, then time.

Owns: those rules, for watched standbys and for those that only their upstream tells of. Must not: say why (``replay``
does), or call a delay by design a lag.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.findings.phrases import gaps_told
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.model import Link, LinkKind, NodeState
from pgreplterm.cluster.words import duration_in_words, size_in_words

_FOLLOWERS = frozenset({LinkKind.STANDBY, LinkKind.RECEIVEWAL})
_MOVING = frozenset({"streaming", "catchup"})


def is_unwatched_standby(view: View, link: Link) -> bool:
    """A link that nobody watches from below, to something that is to keep up."""
    if link.sender is None or link.sender.state not in _MOVING or link.kind not in _FOLLOWERS:
        return False
    return view.snapshot.node(link.downstream) is None


def delay_of(view: View, name: str) -> float:
    """recovery_min_apply_delay of that node in seconds, 0 without one."""
    node = view.snapshot.node(name)
    recovery = node.sample.activity.recovery if node is not None and node.sample is not None else None
    return (recovery.apply_delay if recovery is not None else None) or 0.0


def judged_gap(view: View, link: Link) -> tuple[int | None, str]:
    """The byte gap that counts, and its stage: a delayed standby and pg_receivewal are not there to replay."""
    if link.kind is LinkKind.RECEIVEWAL:  # it flushes a whole segment at a time
        return link.gaps.write, "write"
    if delay_of(view, link.downstream):
        return link.gaps.flush, "flush"
    return link.gaps.replay, "replay"


def _judged_links(view: View) -> Iterator[Link]:
    """Each link whose lag means something: a stale, diverged or paused standby has a finding of its own."""
    for node, _ in view.following:
        link = view.snapshot.link_to(node.name)
        if link is not None:
            yield link
    yield from (link for link in view.snapshot.links if is_unwatched_standby(view, link))


def replay_lag(view: View) -> Iterator[Hit]:
    """More bytes behind than the limit."""
    for link in _judged_links(view):
        gap, stage = judged_gap(view, link)
        if gap is not None and gap > view.limits.replay_gap:
            severity = Severity.CRITICAL if gap > view.limits.replay_gap_critical else Severity.WARNING
            text = f"{link.downstream} is {size_in_words(gap)} behind in {stage}"
            yield Hit(severity, link.downstream, text, f"{gaps_told(link)}{_arrival(link)}")


def time_lag(view: View) -> Iterator[Hit]:
    """Replays what its upstream wrote longer ago than the limit, beyond its delay by design."""
    for link in _judged_links(view):
        delay = delay_of(view, link.downstream)
        late = None if link.time_lag is None else link.time_lag - delay
        if late is not None and late > view.limits.time_lag:
            severity = Severity.CRITICAL if late > view.limits.time_lag_critical else Severity.WARNING
            ago = duration_in_words(link.time_lag or 0.0)
            text = f"{link.downstream} is {ago} behind {link.upstream} in replay"
            by_design = f"; {duration_in_words(delay)} of it by recovery_min_apply_delay" if delay else ""
            yield Hit(severity, link.downstream, text, f"{gaps_told(link)}{by_design}{_arrival(link)}")


def catching_up(view: View) -> Iterator[Hit]:
    """A walsender that reads old WAL to get its standby up to now."""
    for node, _ in view.following:
        link = view.snapshot.link_to(node.name)
        if node.state is NodeState.CATCHUP and link is not None and link.gaps.replay is not None:
            text = f"{node.name} is catching up, {size_in_words(link.gaps.replay)} behind in replay"
            yield Hit(Severity.WARNING, node.name, text, f"{gaps_told(link)}{_arrival(link)}")


def gap_unknown(view: View) -> Iterator[Hit]:
    """A standby that streams, beside a primary, and no figure for how far behind it is."""
    for node, _ in view.following if view.snapshot.primaries else ():
        link = view.snapshot.link_to(node.name)
        if link is None or link.gaps.replay is None:
            text = f"how far {node.name} is behind is unknown"
            yield Hit(Severity.UNKNOWN, node.name, text, gaps_told(link))


def _arrival(link: Link) -> str:
    if link.catch_up is None:
        return ""
    if link.catch_up.seconds is None:
        return "; at the present rates it never catches up" if link.catch_up.never else ""
    return f"; caught up in {duration_in_words(link.catch_up.seconds)} at the present rates"


RULES = (
    Rule(
        "replay-lag",
        (Severity.WARNING, Severity.CRITICAL),
        replay_lag,
        meaning="The standby has not replayed (a delayed one: not received, pg_receivewal: not written) what its "
        "upstream wrote before. Queries on it see the past; a promotion first has to replay the rest.",
        action="See at which stage the gap opens: unsent is the primary or its network, flush the standby's disk, "
        "replay its startup process. `lag` shows the stages.",
        mysql="Read_Source_Log_Pos against Exec_Source_Log_Pos (relay log space not yet executed)",
        settles=2.0,
    ),
    Rule(
        "time-lag",
        (Severity.WARNING, Severity.CRITICAL),
        time_lag,
        meaning="What the standby replays now was written that long ago. An idle standby that has everything is not "
        "late, however old the last commit is.",
        action="As for replay-lag: find the stage, then what the WAL in it consists of.",
        mysql="Seconds_Behind_Source in SHOW REPLICA STATUS",
    ),
    Rule(
        "catching-up",
        (Severity.WARNING,),
        catching_up,
        meaning="The standby was away or slow and is being sent older WAL. Until it streams again it does not count "
        "as a synchronous standby.",
        action="Wait, and see that the gap shrinks. If it never does, the standby or the way to it is too slow for "
        "what is written.",
        mysql="Seconds_Behind_Source falling after START REPLICA",
        settles=4.0,
    ),
    Rule(
        "gap-unknown",
        (Severity.UNKNOWN,),
        gap_unknown,
        meaning="The standby streams, and the figures that would say how far it is behind are missing or contradict "
        "each other.",
        action="Watch the standby and its upstream both, with a role that has pg_monitor.",
        mysql="Seconds_Behind_Source: NULL",
        settles=2.0,
    ),
)
