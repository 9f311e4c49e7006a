"""Conditions about what servers do and say: commits that wait, archiving, alerts, queries.

Owns: these conditions. Must not: wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pgreplterm.cluster.findings import RULES, findings
from pgreplterm.cluster.findings.rule import Severity
from pgreplterm.cluster.model import ClusterSnapshot, Node
from pgreplterm.cluster.thresholds import PROFILES
from pgreplterm.cluster.words import printable
from pgreplterm.drill.scenario.conditions.condition import AT, AT_PRIMARY, LEAST, Condition, Evidence, Options, every
from pgreplterm.drill.scenario.keys import LINE, NODE, SCALAR, TEXT, Key, one_of

if TYPE_CHECKING:
    from pgreplterm.drill.scenario.session import Session

RULE_IDS = tuple(rule.id for rule in RULES)


def _waiting_commits(session: Session, options: Options) -> Evidence:
    def waiting(_: ClusterSnapshot, node: Node) -> str | None:
        found = node.sample.activity.waiters if node.sample is not None else None
        if found is None or len(found) < options["least"]:
            return None
        return f"{len(found)} sessions of {node.name} wait for a synchronous standby (wait event SyncRep)"

    return every(session, options["at"], waiting)


def _no_waiting_commits(session: Session, options: Options) -> Evidence:
    def free(_: ClusterSnapshot, node: Node) -> str | None:
        found = node.sample.activity.waiters if node.sample is not None else None
        return f"no session of {node.name} waits for a standby" if found == () else None

    return every(session, options["at"], free)


def _archiver(session: Session, options: Options) -> Evidence:
    failing = options["is"] == "failing"

    def stands(_: ClusterSnapshot, node: Node) -> str | None:
        archiver = node.sample.activity.archiver if node.sample is not None else None
        if archiver is None or archiver.is_failing is not failing:
            return None
        if failing:
            return f"the archiver of {node.name} has failed {archiver.failed} times, last on {archiver.last_failed_wal}"
        return f"the archiver of {node.name} has archived {archiver.last_archived_wal or 'all there is'}"

    return every(session, options["at"], stands)


def _conflict(session: Session, options: Options) -> Evidence:
    def seen(_: ClusterSnapshot, node: Node) -> str | None:
        recovery = node.sample.activity.recovery if node.sample is not None else None
        count = recovery.conflicts.total if recovery is not None and recovery.conflicts is not None else None
        return f"{node.name} has cancelled {count} queries" if count is not None and count >= options["least"] else None

    return every(session, options["at"], seen)


def _alert(session: Session, options: Options) -> Evidence:
    limits, worst = PROFILES[options["limits"]], Severity[options["severity"].upper()]
    name = None if options["at"] is None else session.node(options["at"])
    earlier: list[ClusterSnapshot] = []

    def fired(snapshot: ClusterSnapshot) -> str | None:
        found = findings(snapshot, limits, earlier)
        if not earlier or snapshot.taken_at > earlier[-1].taken_at:
            earlier.append(snapshot)
            del earlier[:-100]
        for each in found:
            if each.rule == options["rule"] and each.severity >= worst and name in (None, each.node):
                return f"{each.severity.name.lower()}: {each.sentence}"
        return None

    return fired


def _sql(session: Session, options: Options) -> Evidence:
    from pgreplterm.drill.scenario.background import Statement, ask
    from pgreplterm.drill.scenario.verbs.sql import figure_value

    statement = Statement(options["query"], within=10.0)

    def answered(_: ClusterSnapshot) -> str | None:
        node = session.node(options["on"])
        value = figure_value(ask(session.lab, node, statement).value)
        wanted = options["is"]
        is_bool = isinstance(wanted, bool) or isinstance(value, bool)
        same = value is wanted if is_bool else value == wanted
        return f"{node} says {printable(str(value))}" if same else None

    return answered


def _background(session: Session, options: Options) -> Evidence:
    background = session.backgrounds[options["step"]]

    def over(_: ClusterSnapshot) -> str | None:
        if not background.ended.is_set():
            return None
        outcome = background.answer.outcome if background.answer is not None else background.failure
        return f"the statement of step {background.step!r} has ended: {outcome}"

    return over


CONDITIONS: tuple[Condition, ...] = (
    Condition(
        "waiting-commits",
        "sessions wait for a synchronous standby (wait event SyncRep)",
        {**AT_PRIMARY, "least": LEAST},
        _waiting_commits,
    ),
    Condition("no-waiting-commits", "no session waits for a synchronous standby", AT_PRIMARY, _no_waiting_commits),
    Condition(
        "archiver",
        "the last thing the archiver tried failed, or went well",
        {**AT_PRIMARY, "is": Key(one_of("failing", "working"), "which", required=True)},
        _archiver,
    ),
    Condition("conflicts", "recovery has cancelled queries on a standby", {**AT, "least": LEAST}, _conflict),
    Condition(
        "alert",
        "`pgreplterm status` and `check` would say this (docs/findings.md)",
        {
            "rule": Key(one_of(*RULE_IDS), "the finding's id", required=True),
            "at": Key(NODE, "the node it is about; any unless said"),
            "severity": Key(one_of("info", "unknown", "warning", "critical"), "so bad, or worse", default="warning"),
            "limits": Key(one_of(*PROFILES), "judged by these thresholds", default="default"),
        },
        _alert,
    ),
    Condition(
        "sql",
        "a query answers with this value in its first column",
        {
            "query": Key(TEXT, "one query", required=True),
            "is": Key(SCALAR, "the value", required=True),
            "on": Key(NODE, "where", default="primary"),
        },
        _sql,
        asks_servers=True,
    ),
    Condition(
        "background",
        "the statement of a step with `background = true` has ended",
        {"step": Key(LINE, "the name of that step", required=True)},
        _background,
    ),
)
