"""Rules on commits that wait for standbys, and on the WAL level that lets there be standbys.

Owns: those rules. Must not: parse synchronous_standby_names itself, or say what a single transaction waits for:
synchronous_commit is each transaction's own.
"""

from __future__ import annotations

from collections.abc import Iterator

from pgreplterm.cluster.findings.phrases import counted, sampled
from pgreplterm.cluster.findings.rule import Hit, Rule, Severity, View
from pgreplterm.cluster.model import Node, NodeSample
from pgreplterm.cluster.synchronous import SyncRule, SyncRuleError, parse_synchronous_standby_names
from pgreplterm.cluster.words import duration_in_words

# A session's default of these waits for no standby, whatever the names say.
_WAITS_FOR_NOBODY = frozenset({"off", "local"})


def sync_frozen(view: View) -> Iterator[Hit]:
    """Commits hang while fewer standbys are attached than the setting asks for."""
    for node, sample in view.primaries:
        rule = _requirement(sample)
        if rule is None:
            continue
        there = len(rule.candidates(sample.senders))
        if there < rule.count:
            names = sample.synchronous_standby_names
            have = "none streams" if not there else counted(there, "streams", "stream")
            text = f"commits on {node.name} wait: {names} needs {counted(rule.count, 'standby')}, {have}"
            yield Hit(Severity.CRITICAL, node.name, text, _evidence(node, sample, rule))


def sync_ignored(view: View) -> Iterator[Hit]:
    """Names are set and the default synchronous_commit waits for none of them."""
    for node, sample in view.primaries:
        level = sample.activity.setting("synchronous_commit")
        if sample.synchronous_standby_names and level in _WAITS_FOR_NOBODY:
            text = f"commits on {node.name} wait for no standby by default: synchronous_commit is {level}"
            evidence = f"synchronous_standby_names is {sample.synchronous_standby_names}; {sampled(node)}"
            yield Hit(Severity.INFO, node.name, text, evidence)


def sync_slow(view: View) -> Iterator[Hit]:
    """Enough standbys are attached, and still a commit waits for long."""
    limits = view.limits
    for node, sample in view.primaries:
        rule = _requirement(sample)
        longest = max(_waits(sample), default=0.0)
        if rule is None or len(rule.candidates(sample.senders)) < rule.count or longest <= limits.commit_wait:
            continue
        worst = Severity.CRITICAL if longest > limits.commit_wait_critical else Severity.WARNING
        text = f"a commit on {node.name} has waited {duration_in_words(longest)} for its synchronous standbys"
        yield Hit(worst, node.name, text, _evidence(node, sample, rule))


def wal_level(view: View) -> Iterator[Hit]:
    """A primary whose WAL no standby can be made from."""
    for node, sample in view.primaries:
        if sample.activity.setting("wal_level") == "minimal":
            text = f"no standby can follow {node.name}: its wal_level is minimal"
            yield Hit(Severity.INFO, node.name, text, sampled(node))


def _requirement(sample: NodeSample) -> SyncRule | None:
    """What a commit waits for by default; None for nothing, and where this role may not see who is attached."""
    if not sample.synchronous_standby_names or sample.missing_privilege is not None:
        return None
    if sample.activity.setting("synchronous_commit") in _WAITS_FOR_NOBODY:
        return None
    try:
        return parse_synchronous_standby_names(sample.synchronous_standby_names)
    except SyncRuleError:  # the server took it: a grammar of a later major, of which nothing is known
        return None


def _waits(sample: NodeSample) -> list[float]:
    """Seconds that each session has waited for a synchronous standby."""
    return [waiter.waiting for waiter in sample.activity.waiters or () if waiter.waiting is not None]


def _evidence(node: Node, sample: NodeSample, rule: SyncRule) -> str:
    absent = rule.absent(sample.senders)
    told = [f"absent: {', '.join(absent)}"] if absent else []
    if rule.count > len(rule.names) and not rule.takes_anyone:
        told.append(f"the list has {counted(len(rule.names), 'name')}, so it can never be met")
    if waits := _waits(sample):
        told.append(f"{counted(len(waits), 'session waits', 'sessions wait')}, longest {duration_in_words(max(waits))}")
    return "; ".join([*told, sampled(node)])


RULES = (
    Rule(
        "sync-frozen",
        (Severity.CRITICAL,),
        sync_frozen,
        meaning="synchronous_standby_names asks for more standbys than are streaming. Every commit that waits for them "
        "hangs, without an error, until enough are back. It is on the primary's disk already and no other session "
        "there sees it.",
        action="Bring the absent standby back; or lower the requirement (ALTER SYSTEM SET synchronous_standby_names, "
        "then pg_reload_conf()), which releases the waiting commits at once and gives up their second copy. Do not "
        "cancel them: a cancelled wait is committed locally and looks confirmed.",
        mysql="semi-sync with fewer replicas than rpl_semi_sync_source_wait_for_replica_count; PostgreSQL has no "
        "rpl_semi_sync_source_timeout and never falls back to asynchronous",
    ),
    Rule(
        "sync-slow",
        (Severity.WARNING, Severity.CRITICAL),
        sync_slow,
        meaning="Enough synchronous standbys are attached, but commits wait long for one to confirm: it is stalled, "
        "its disk or the way to it is slow, or with remote_apply its replay is behind.",
        action="Look at the links of the standbys on the list: the stage where the gap opens names the cause.",
        mysql="high Rpl_semi_sync_source_tx_avg_wait_time",
    ),
    Rule(
        "sync-ignored",
        (Severity.INFO,),
        sync_ignored,
        meaning="Synchronous standbys are named, and the default synchronous_commit waits for none of them. Only "
        "sessions that set it to on, remote_write or remote_apply wait.",
        action="Set synchronous_commit to on if confirmed commits must survive the loss of the primary.",
        mysql="rpl_semi_sync_source_enabled=OFF",
    ),
    Rule(
        "wal-level",
        (Severity.INFO,),
        wal_level,
        meaning="The server writes too little WAL for a base backup, an archive, or a standby.",
        action="Set wal_level to replica and restart, if it is to be replicated.",
        mysql="log_bin=OFF (skip-log-bin)",
    ),
)
