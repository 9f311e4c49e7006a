"""Who is to be promoted, and what it lacks.

Owns: those checks. Must not: ask a server, or choose the candidate.
"""

from __future__ import annotations

from pgreplterm.cluster.model import NodeState
from pgreplterm.cluster.synchronous import SyncRule, SyncRuleError, parse_synchronous_standby_names
from pgreplterm.cluster.thresholds import Thresholds
from pgreplterm.cluster.words import duration_in_words, printable, size_in_words
from pgreplterm.drill.check import Verdict
from pgreplterm.drill.preflight.subject import Drill, Finding, Subject, listed, ok, refuse, standbys, unknown, warn

_LIMITS = Thresholds()
_PROMOTED_UNPLANNED = (Drill.FAILOVER, Drill.TAKEOVER)


def is_standby(subject: Subject) -> Finding:
    """One is named, it is there, and it is in recovery."""
    if subject.candidate is None:
        return refuse("no standby is there to be promoted")
    node = subject.seen(subject.candidate)
    if node is None:
        return refuse(f"{subject.candidate} is no node of this cluster")
    if node.sample is None:
        return refuse(f"{node.name} has never answered")
    if subject.candidate == subject.primary or not node.sample.in_recovery:
        return refuse(f"{node.name} is a primary")
    return ok(f"{node.name}, a {node.role}")


def streams(subject: Subject) -> Finding:
    """Attached to the primary itself, seen from both ends."""
    node = subject.seen(subject.candidate)
    if node is None:
        return refuse("no candidate")
    link = subject.link
    state = link.sender.state if link is not None and link.sender is not None else None
    if node.state is NodeState.STREAMING and link is not None and state == "streaming":
        return ok(f"{node.name} streams from {subject.primary}; pg_stat_replication shows it")
    shown = f"{node.name} is {node.state}, from {node.upstream or 'nobody'}"
    if subject.drill in _PROMOTED_UNPLANNED:
        return warn(shown, "what it has not received will be lost")
    return refuse(shown, "choose a standby that streams from the primary itself, or wait until it does")


def same_timeline(subject: Subject) -> Finding:
    """A candidate on an older timeline is not where the primary is."""
    primary, node = subject.seen(subject.primary), subject.seen(subject.candidate)
    if primary is None or node is None or primary.timeline is None or node.timeline is None:
        return unknown("a timeline")
    if primary.timeline == node.timeline:
        return ok(f"both on timeline {node.timeline}")
    return refuse(f"{node.name} on timeline {node.timeline}, {primary.name} on {primary.timeline}")


def replays(subject: Subject) -> Finding:
    """A switchover waits for the candidate to replay everything; a promotion overrides a pause."""
    node = subject.seen(subject.candidate)
    if node is None or node.sample is None or node.sample.replay_paused is None:
        return unknown("whether replay is paused")
    sample = node.sample
    if not sample.replay_paused:
        return ok("replay is not paused")
    if sample.flush_lsn is None or sample.replay_lsn is None:
        return unknown("replay is paused, with how much WAL pending")
    pending = sample.flush_lsn - sample.replay_lsn
    remedy = f"SELECT pg_wal_replay_resume() on {node.name}"
    if pending > 0 and subject.drill not in _PROMOTED_UNPLANNED:
        return refuse(f"paused with {size_in_words(pending)} of WAL pending", remedy)
    return warn(f"paused, {size_in_words(pending)} of WAL pending; a promotion replays it all", remedy)


def not_delayed(subject: Subject) -> Finding:
    """A delayed standby is a safety copy, and never caught up."""
    delay = subject.facts_of(subject.candidate).number("recovery_min_apply_delay")
    if delay is None:
        node = subject.seen(subject.candidate)
        recovery = node.sample.activity.recovery if node is not None and node.sample is not None else None
        if recovery is None or recovery.apply_delay is None:
            return unknown("recovery_min_apply_delay", subject.facts_of(subject.candidate))
        delay = round(recovery.apply_delay * 1000)
    if delay == 0:
        return ok("recovery_min_apply_delay is 0")
    shown = f"recovery_min_apply_delay is {duration_in_words(delay / 1000)}"
    if subject.drill in _PROMOTED_UNPLANNED:
        return warn(f"{shown}; a promotion does not wait for it")
    return refuse(shown, "choose another, or set it to 0 and let it catch up")


def little_lag(subject: Subject) -> Finding:
    """Writes stop until the candidate has replayed everything, so lag is downtime."""
    link = subject.link
    if link is None or link.gaps.replay is None:
        return unknown("how far it has replayed")
    gap = link.gaps.replay
    time = "" if link.time_lag is None else f", {duration_in_words(link.time_lag)}"
    shown = f"{size_in_words(gap)} not replayed{time}"
    if gap > _LIMITS.replay_gap_critical:
        return refuse(f"{shown}; limit {size_in_words(_LIMITS.replay_gap_critical)}", "let it catch up first")
    if gap > _LIMITS.replay_gap:
        return warn(f"{shown}; writes wait for that", "let it catch up first")
    return ok(shown)


def at_risk(subject: Subject) -> Finding:
    """What the primary has and the best standby has not flushed is gone with the primary."""
    gaps = [
        link.gaps.flush
        for link in standbys(subject.snapshot)
        if link.upstream == subject.primary and link.gaps.flush is not None
    ]
    if not gaps:
        return unknown("bytes at risk: no standby's flush position is known")
    risk = min(gaps)
    return ok("0 B at risk now") if risk == 0 else warn(f"{size_in_words(risk)} at risk now ({risk} bytes)")


def is_synchronous(subject: Subject) -> Finding:
    """Only a standby that commits wait for is sure to have what was acknowledged."""
    primary = subject.seen(subject.primary)
    rule = primary.sample.synchronous_standby_names if primary is not None and primary.sample is not None else None
    if rule is None:
        return unknown("synchronous_standby_names of the primary")
    if not rule:
        return ok("replication is asynchronous")
    link = subject.link
    state = link.sender.sync_state if link is not None and link.sender is not None else None
    if state in ("sync", "quorum"):
        return ok(f"{subject.candidate} is {state} in {printable(rule)}")
    return warn(
        f"{subject.candidate} is {state or 'unknown'} in {printable(rule)}", "promote one that commits wait for"
    )


def rule_after(subject: Subject) -> Finding:
    """The new primary brings its own rule: one that nobody can keep freezes every commit."""
    if subject.drill is Drill.SYNC_MODE:
        return _rule_fits(subject.rule or "", _attached(subject))
    if subject.rule is not None:  # the drill will set it
        return _rule_fits(subject.rule, _later(subject))
    text = subject.facts_of(subject.candidate).setting("synchronous_standby_names")
    if text is None:
        return unknown("synchronous_standby_names of the candidate", subject.facts_of(subject.candidate))
    before = subject.facts_of(subject.primary).setting("synchronous_standby_names")
    if not text and before:
        return warn(f"empty on {subject.candidate}, {printable(before)} on {subject.primary}", "set it there first")
    found = _rule_fits(text, _later(subject))
    if subject.drill is Drill.SWITCHOVER and subject.facts.owned and found.verdict is Verdict.REFUSAL:
        return warn(found.evidence, "the drill gives it another rule before the promotion")
    return found._replace(verdict=Verdict.WARNING) if _only_old_primary_lacks(subject, text, found) else found


def _rule_fits(text: str, names: tuple[str, ...]) -> Finding:
    try:
        rule = parse_synchronous_standby_names(text)
    except SyncRuleError as error:
        return refuse(f"not a rule: {printable(str(error))}")
    if rule is None:
        return ok("none: commits wait for no standby")
    able = _able(rule, names)
    shown = f"{printable(text)}: {rule.count} must confirm, {len(able)} can ({listed(map(printable, able))})"
    if rule.count > len(able):
        return refuse(f"{shown}; every commit would wait for ever", "name standbys that stream from the primary")
    return ok(shown) if rule.count < len(able) else warn(f"{shown}; when one is lost every commit waits")


def _able(rule: SyncRule, names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if rule.priority(name) is not None)


def _attached(subject: Subject) -> tuple[str, ...]:
    """The application names that stream from the primary now."""
    return tuple(
        link.sender.application_name
        for link in standbys(subject.snapshot)
        if link.upstream == subject.primary and link.sender is not None and link.sender.state == "streaming"
    )


def _later(subject: Subject) -> tuple[str, ...]:
    """Those that will stream from the candidate; after a failover the old primary is not among them at first."""
    links = [link for link in standbys(subject.snapshot) if link.sender is not None]
    below = [link.sender.application_name for link in links if link.upstream == subject.candidate and link.sender]
    siblings = [
        link.sender.application_name
        for link in links
        if link.upstream == subject.primary and link.downstream != subject.candidate and link.sender
    ]
    old = [subject.primary] if subject.drill is Drill.SWITCHOVER and subject.primary is not None else []
    return (*below, *siblings, *old)


def _only_old_primary_lacks(subject: Subject, text: str, found: Finding) -> bool:
    """Commits would wait until the old primary has rejoined, which is what a failover does next."""
    if found.verdict is not Verdict.REFUSAL or subject.drill is not Drill.FAILOVER or subject.primary is None:
        return False
    try:
        rule = parse_synchronous_standby_names(text)
    except SyncRuleError:
        return False
    return rule is not None and rule.count <= len(_able(rule, (*_later(subject), subject.primary)))
