"""The one sentence: what it says, how bad it is, and that nothing unknown is ever ok."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import Missing, NodeState, Sender
from pgreplterm.cluster.verdict import Severity, Verdict, verdict
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch

from .samples import END, NOW, failed, primary, receiver, seen, sender, slot, standby


def judged(*observations: Observation) -> Verdict:
    return verdict(join(observations, NOW + 0.1))


def test_a_healthy_cluster_names_its_largest_gap_and_the_age_of_the_evidence() -> None:
    rows = (sender("s1"), sender("s2", replay_lsn=LSN(END - 12_345)))
    found = judged(seen(primary(senders=rows)), seen(standby("s1")), seen(standby("s2")))
    assert found.severity is Severity.OK
    assert found.line == "2 of 2 standbys streaming; largest replay gap 12 kB (s2), evidence 0.4 s old"


def test_an_idle_cluster_is_ok() -> None:
    found = judged(seen(primary(senders=(sender("s1", reply_age=9.0),))), seen(standby("s1")))
    assert (found.severity, found.line) == (
        Severity.OK,
        "1 of 1 standbys streaming; no replay gap, evidence 9.1 s old",
    )


def test_a_silent_standby_is_a_warning_with_its_duration() -> None:
    rows = (sender("s1"), sender("s2"))
    gone = failed(standby("s2", taken_at=NOW - 4), NodeState.SILENT, "no answer within 2.0 s")
    found = judged(seen(primary(senders=rows)), seen(standby("s1")), gone)
    assert (found.severity, found.line) == (Severity.WARNING, "! s2 is silent for 4.1 s")


def test_a_lost_primary_outranks_everything() -> None:
    found = judged(failed(primary()), seen(standby("s1", receiver=None)))
    assert found.severity is Severity.CRITICAL
    assert found.line.startswith("! no primary answers: pg1 is down for 0.1 s (Connection refused)")


def test_two_primaries_of_one_system_are_critical() -> None:
    found = judged(seen(primary("a")), seen(primary("b", timeline=2)))
    assert (found.severity, found.line) == (Severity.CRITICAL, "! 2 primaries accept writes: a and b")


def test_two_primaries_of_two_systems_are_two_clusters() -> None:
    found = judged(seen(primary("a")), seen(primary("b", system_identifier=1)))
    assert (found.severity, found.sentence) == (
        Severity.WARNING,
        "the watched servers belong to 2 different clusters",
    )


def test_a_diverged_standby_is_critical_with_the_fork_and_the_bytes() -> None:
    fork = LSN(END - 1000)
    history = TimelineHistory(2, (TimelineSwitch(1, fork, ""),))
    new = primary("s1", timeline=2, history=history, write_lsn=LSN(END + 5))
    found = judged(seen(new), seen(standby("pg1", receiver=None)))
    assert found.severity is Severity.CRITICAL
    assert found.sentence == f"pg1 has diverged from s1: 1000 B past the fork on timeline 1 at {fork}"


@pytest.mark.parametrize(
    ("names", "rows", "waits"),
    [
        ("ANY 1 (s1, s2)", (), True),
        ("ANY 2 (s1, s2)", (sender("s1", sync_state="quorum"),), True),
        ("any 2(s1, s2)", (sender("s1", sync_state="quorum"), sender("s2", sync_state="quorum")), False),
        ("FIRST 2 (s1, s2)", (sender("s1", sync_state="sync"), sender("s2", sync_state="potential")), False),
        ("s1, s2", (sender("s2", sync_state="sync"),), False),
        ("s1", (sender("s1", sync_state="sync", state="catchup"),), True),
        ("s1", (sender("s2"),), True),
    ],
)
def test_commits_that_wait_for_too_few_standbys_are_critical(names: str, rows: tuple[Sender, ...], waits: bool) -> None:
    found = judged(seen(primary(synchronous_standby_names=names, senders=rows)))
    assert (found.severity is Severity.CRITICAL) is waits
    assert (f"commits on pg1 wait: {names} needs" in found.sentence) is waits


@pytest.mark.parametrize(
    ("changes", "severity", "words"),
    [
        ({"wal_status": "lost", "restart_lsn": None, "retained": None}, Severity.CRITICAL, "slot s9 on pg1 is lost"),
        ({"wal_status": "unreserved"}, Severity.CRITICAL, "loses its WAL at the next checkpoint"),
        ({"active": False, "safe_wal_size": 3 * 1024**2}, Severity.WARNING, "is lost after 3.0 MB more WAL"),
    ],
)
def test_slots(changes: dict[str, object], severity: Severity, words: str) -> None:
    found = judged(seen(primary(slots=(replace(slot("s9"), **changes),))))  # type: ignore[arg-type]
    assert found.severity is severity
    assert words in found.sentence


def test_a_paused_replay_is_a_warning_even_before_it_lags() -> None:
    found = judged(seen(primary(senders=(sender("s1"),))), seen(standby("s1", replay_paused=True)))
    assert (found.severity, found.sentence) == (Severity.WARNING, "replay is paused on s1, 0 B behind in replay")


def test_a_missing_privilege_is_unknown_and_named() -> None:
    found = judged(seen(primary(missing_privileges=(Missing("walsenders", "pg_monitor"),))))
    assert (found.severity, found.line) == (
        Severity.UNKNOWN,
        "? the role used on pg1 lacks pg_monitor, so its links cannot be judged",
    )


@pytest.mark.parametrize(
    "observations",
    [
        (),
        (Observation("h:1", "h:1"),),
        (seen(standby("s1")),),
        (failed(None, NodeState.UNKNOWN, 'role "x" does not exist'),),
        (seen(primary(senders=(sender("s1", state="mystery"),))), seen(standby("s1"))),
        (seen(primary(write_lsn=None, flush_lsn=None, senders=(sender("s1"),))), seen(standby("s1"))),
    ],
    ids=["nothing", "not asked yet", "standby alone", "no login", "unheard-of state", "no position"],
)
def test_what_cannot_be_known_is_never_ok(observations: tuple[Observation, ...]) -> None:
    assert judged(*observations).severity is not Severity.OK


@pytest.mark.parametrize("state", list(NodeState))
def test_no_standby_state_but_streaming_is_ok(state: NodeState) -> None:
    """Every state a standby can be in is built by hand, so that a new one cannot be forgotten."""
    snapshot = join((seen(primary(senders=(sender("s1"),))), seen(standby("s1"))), NOW)
    nodes = (snapshot.nodes[0], replace(snapshot.nodes[1], state=state))
    found = verdict(replace(snapshot, nodes=nodes))
    assert (found.severity is Severity.OK) == (state in (NodeState.STREAMING,))


def test_hostile_names_do_not_reach_the_sentence_raw() -> None:
    evil = primary(slots=(slot("s\x1b[31m", wal_status="lost"),))
    assert "\x1b" not in judged(seen(evil)).sentence


def test_evidence_that_cannot_be_dated_is_not_dated() -> None:
    rows = (sender("s1", reply_age=None),)
    found = judged(seen(primary(senders=rows)), seen(standby("s1", receiver=receiver("s1"))))
    assert found.line.endswith("evidence 0.1 s old")
