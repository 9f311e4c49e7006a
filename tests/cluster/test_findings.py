"""Every rule: a cluster that breaks it, the figures it gives, and the healthy neighbour it must leave alone."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.cluster.activity import Activity
from pgreplterm.cluster.findings import RULES, Severity, findings, rule_of
from pgreplterm.cluster.findings.document import page
from pgreplterm.cluster.model import ClusterSnapshot, NodeState
from pgreplterm.cluster.thresholds import MB, PROFILES, Thresholds
from pgreplterm.wal.lsn import LSN

from .broken import (
    BEHIND,
    BLIND,
    CASES,
    FROZEN,
    HEALTHY,
    LAGGING,
    Case,
    checkpoints,
    feeding,
    linked,
    pair,
    recovery,
    waiting,
    watched,
)
from .samples import END, NOW, failed, primary, receiver, seen, sender, slot, standby


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.rule}-{case.severity.name.lower()}")
def test_a_broken_cluster_is_found(case: Case) -> None:
    found = [one for one in findings(case.snapshot, earlier=case.earlier) if one.rule == case.rule]
    assert [one.severity for one in found] == [case.severity]
    assert case.words in f"{found[0].sentence}\n{found[0].evidence}"


def test_every_rule_has_a_case_and_every_severity_it_may_take_one() -> None:
    reached = {(case.rule, case.severity) for case in CASES}
    assert {rule.id for rule in RULES} == {rule for rule, _ in reached}
    for rule_id, severity in reached:
        (rule,) = [rule for rule in RULES if rule.id == rule_id]
        assert severity in rule.severities


def rules(
    snapshot: ClusterSnapshot, earlier: Sequence[ClusterSnapshot] = (), limits: Thresholds | None = None
) -> list[str]:
    return [finding.rule for finding in findings(snapshot, limits, earlier)]


@pytest.mark.parametrize("snapshot", HEALTHY.values(), ids=HEALTHY.keys())
def test_a_healthy_cluster_has_no_finding(snapshot: ClusterSnapshot) -> None:
    assert rules(snapshot) == []


def test_a_delayed_standby_is_judged_by_what_it_received_and_by_time_beyond_its_delay() -> None:
    late = standby("s1", replay_lsn=BEHIND, activity=recovery(apply_delay=3600.0))
    snapshot = pair(feeding(senders=(sender("s1", replay_lsn=BEHIND),)), late)
    assert rules(linked(snapshot, time_lag=3620.0)) == ["replay-delayed"]
    assert rules(linked(snapshot, time_lag=3640.0)) == ["time-lag", "replay-delayed"]
    unreceived = replace(late, flush_lsn=BEHIND)
    row = sender("s1", write_lsn=BEHIND, flush_lsn=BEHIND, replay_lsn=BEHIND, sent_lsn=BEHIND)
    assert "replay-lag" in rules(pair(feeding(senders=(row,)), unreceived))


@pytest.mark.parametrize(
    ("earlier", "changes"),
    [
        ((), {}),
        ((waiting(1.0),), {}),
        ((waiting(5.0, replay_lsn=LSN(END - 9000)),), {}),
        ((waiting(5.0),), {"replay_lsn": END}),
        ((waiting(5.0),), {"activity": recovery(apply_delay=60.0)}),
        ((waiting(5.0),), {"activity": recovery(wait_event="RecoveryWalStream")}),
        ((waiting(5.0, flush_lsn=LSN(END - 8192)),), {}),
    ],
    ids=["one look", "too short", "it moved", "nothing waits", "delayed", "half a record", "nothing waited before"],
)
def test_replay_that_may_just_be_working_is_not_stalled(
    earlier: tuple[ClusterSnapshot, ...], changes: dict[str, Any]
) -> None:
    assert "replay-stalled" not in rules(waiting(0, **changes), earlier)


def test_the_watched_window_counts_before_the_statistics_since_their_reset() -> None:
    """Years of requested checkpoints, put right since: the last 40 were timed."""
    before = primary(activity=Activity(checkpoints=checkpoints(1000, 900)))
    now = primary(activity=Activity(checkpoints=checkpoints(1040, 900)))
    assert rules(watched(seen(now))) == ["checkpoints-requested"]
    assert rules(watched(seen(now)), [watched(seen(before), now=NOW - 9000)]) == []


def test_limits_are_those_of_the_profile() -> None:
    strict, relaxed = PROFILES["strict"], PROFILES["relaxed"]
    assert rules(LAGGING, limits=relaxed) == []
    few = pair(feeding(senders=(sender("s1", replay_lsn=LSN(END - 2 * MB)),)))
    assert rules(few) == []
    assert rules(few, limits=strict) == ["replay-lag"]


def test_a_role_without_privileges_finds_unknowns_alone() -> None:
    """The same healthy cluster as seen by a role that may see no walsender and no walreceiver."""
    hidden = sender(
        "s1",
        application_name="",
        state=None,
        sent_lsn=None,
        write_lsn=None,
        flush_lsn=None,
        replay_lsn=None,
        sync_state=None,
        reply_age=None,
        slot_name=None,
    )
    blind = receiver(None, status=None, sender_host=None, sender_port=None, last_message_age=None)
    above = primary(senders=(hidden,), missing_privileges=BLIND, **FROZEN)
    found = findings(pair(above, standby("s1", receiver=blind, missing_privileges=BLIND)))
    assert {one.rule for one in found} == {"missing-privilege"}
    assert {one.severity for one in found} == {Severity.UNKNOWN}


def test_the_worst_come_first_and_causes_before_what_follows_from_them() -> None:
    paused = standby("s1", replay_lsn=BEHIND, replay_paused=True)
    lost = slot("s9", wal_status="lost")
    snapshot = pair(feeding(senders=(sender("s1", replay_lsn=BEHIND),), slots=(lost,)), paused)
    assert rules(snapshot) == ["slot-lost", "replay-paused", "replay-lag"]


def test_hostile_text_is_made_printable_everywhere() -> None:
    evil = "\x1b[31m"
    snapshot = watched(
        seen(
            primary(
                senders=(sender(evil, reply_age=99.0),),
                slots=(slot(evil, wal_status="lost"),),
                synchronous_standby_names=evil,
            )
        ),
        failed(None, NodeState.DOWN, evil, name=evil),
    )
    told = "".join(one.sentence + one.evidence for one in findings(snapshot))
    assert "\ufffd[31m" in told
    assert "\x1b" not in told


def test_every_finding_leads_to_its_texts() -> None:
    for case in CASES:
        for finding in findings(case.snapshot, earlier=case.earlier):
            rule = rule_of(finding)
            assert finding.severity in rule.severities
            assert rule.meaning.endswith(".") and rule.action.endswith(".") and rule.mysql
            assert not finding.sentence.endswith(".")


def test_ids_are_unique_words_with_dashes() -> None:
    ids = [rule.id for rule in RULES]
    assert len(set(ids)) == len(ids)
    assert all(re.fullmatch(r"[a-z]+(-[a-z]+)*", one) for one in ids)


def test_the_page_of_rules_is_the_rules() -> None:
    """docs/findings.md is made by `python -m pgreplterm.cluster.findings.document`."""
    documented = (Path(__file__).parents[2] / "docs" / "findings.md").read_text()
    assert re.findall(r"^## ([a-z-]+)$", documented, re.MULTILINE) == [rule.id for rule in RULES]
    assert documented == page()


def test_every_limit_is_explained_on_it() -> None:
    assert re.findall(r"^\| ([a-z_]+) \| \d", page(), re.MULTILINE) == [field.name for field in fields(Thresholds)]
