"""How far each candidate has the primary's WAL: whose word counts, and what no position can say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgreplterm.cluster.decoded.risk import Risk, RiskReport, assess, loss_rank
from pgreplterm.cluster.decoded.risk_words import lost_phrase, risk_sentence, table_lines
from pgreplterm.cluster.decoded.standing import Evidence, Standing, standings
from pgreplterm.cluster.decoded.tables import TableChanges
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.model import LinkKind, Missing
from pgreplterm.errors import PgReplTermError
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch

from .samples import END, NOW, failed, primary, seen, sender, slot, standby


def stand(*observations: Observation) -> dict[str, Standing]:
    snapshot = join(observations, NOW + 1.0, stale_after=60.0)
    return {each.name: each for each in standings(snapshot, snapshot.primaries[0].sample)}


def test_the_newest_word_is_the_highest() -> None:
    behind = sender("s1", flush_lsn=LSN(END - 500), reply_age=4.0)
    own = standby("s1", flush_lsn=LSN(END - 100), replay_lsn=LSN(END - 900))
    found = stand(seen(primary(senders=(behind,), slots=(slot("s1", restart_lsn=LSN(END - 700)),))), seen(own))["s1"]
    assert (found.flushed, found.evidence) == (END - 100, Evidence.OWN)
    assert found.age == pytest.approx(1.0)
    newer = replace(behind, flush_lsn=LSN(END - 20))
    found = stand(seen(primary(senders=(newer,))), seen(own))["s1"]
    assert (found.flushed, found.evidence) == (END - 20, Evidence.WALSENDER)


def test_what_is_replayed_was_flushed() -> None:
    """At a start the walreceiver's position begins at its segment, before what was replayed long ago."""
    own = standby("s1", flush_lsn=LSN(END - 4000), replay_lsn=LSN(END - 10))
    assert stand(seen(primary()), seen(own))["s1"].flushed == END - 10


def test_a_standby_that_does_not_answer_is_known_by_its_slot() -> None:
    gone = failed(standby("s1", flush_lsn=LSN(END - 900), replay_lsn=LSN(END - 900)))
    kept = slot("s1", active=False, active_pid=None, restart_lsn=LSN(END - 300))
    found = stand(seen(primary(slots=(kept,))), gone)
    (one,) = [each for each in found.values() if each.flushed == END - 300]
    assert one.evidence is Evidence.SLOT
    never_heard = stand(seen(primary()), failed(None))
    (one,) = never_heard.values()
    assert (one.flushed, one.evidence, one.age) == (None, None, None)


def test_walsenders_of_unwatched_standbys_are_candidates_and_others_are_not() -> None:
    rows = (
        sender("far", flush_lsn=LSN(END - 50)),
        sender("pg_receivewal", slot_name=None),
        sender("backup", state="backup", flush_lsn=None, slot_name=None),
        sender("hidden", flush_lsn=None),
    )
    snapshot = join((seen(primary(senders=rows)),), NOW)
    kinds = {link.downstream: link.kind for link in snapshot.links}
    found = {each.name: each for each in standings(snapshot, snapshot.primaries[0].sample)}
    assert (found["far"].flushed, found["far"].evidence) == (END - 50, Evidence.WALSENDER)
    assert found["hidden"].flushed is None
    assert all(kinds[name] is LinkKind.STANDBY for name in found)
    assert "backup" not in found


def test_slots_in_use_of_watched_nodes_and_logical_ones_are_no_candidates() -> None:
    slots = (
        slot("s1"),
        slot("pg1", active=False),
        slot("l", kind="logical", active=False),
        slot("empty", active=False, restart_lsn=None),
        slot("away", active=False, restart_lsn=LSN(END - 5)),
    )
    found = stand(seen(primary(senders=(sender("s1"),), slots=slots)), seen(standby("s1")))
    assert set(found) == {"s1", "away"}
    assert found["away"].remark == "known only by slot away on pg1, which nobody uses now"


def test_wal_past_a_fork_is_not_the_primarys() -> None:
    fork = LSN(END - 1000)
    history = TimelineHistory(2, (TimelineSwitch(1, fork, ""),))
    new = primary("s1", timeline=2, history=history, write_lsn=LSN(END + 5))
    found = stand(seen(new), seen(standby("pg1", receiver=None)))["pg1"]
    assert (found.flushed, found.is_sound) == (fork, True)
    assert "it has diverged: 1000 bytes past the fork" in (found.remark or "")


def test_another_cluster_cannot_take_over_whatever_its_position() -> None:
    found = stand(seen(primary()), seen(standby("x", system_identifier=1)))["x"]
    assert found.flushed is None
    assert "belongs to another cluster" in (found.problem or "")


def test_a_hidden_timeline_makes_a_position_prove_nothing() -> None:
    hidden = standby("s1", timeline=None, missing_privileges=(Missing("the timeline", "pg_monitor"),))
    found = stand(seen(primary()), seen(hidden))["s1"]
    assert found.flushed == END
    assert not found.is_sound
    assert "this role lacks pg_monitor" in (found.doubt or "")
    other = standby("s2", timeline=3, history=None)
    assert "timeline 3" in (stand(seen(primary()), seen(other))["s2"].problem or "")


def test_two_primaries_and_none_are_refused_in_a_sentence() -> None:
    both = join((seen(primary("a")), seen(primary("b", timeline=2))), NOW)
    with pytest.raises(PgReplTermError, match="expected one primary, found 2: a, b"):
        assess(both, ())
    with pytest.raises(PgReplTermError, match="--wal PATH"):
        assess(join((seen(standby("s1")),), NOW), ())
    with pytest.raises(PgReplTermError, match="expected a standby named 'x', found s1") as refused:
        assess(join((seen(primary()), seen(standby("s1\x1b[2J"))), NOW), (), candidate="x")
    assert "\x1b" not in str(refused.value)


def test_a_primary_that_was_only_discovered_without_a_way_to_it_gives_bytes() -> None:
    behind = standby("s1", flush_lsn=LSN(END - 700), replay_lsn=LSN(END - 700))
    report = assess(join((seen(primary()), seen(behind)), NOW), ())
    (risk,) = report.risks
    assert (risk.gap, risk.lost) == (700, None)
    assert "was found through its standbys" in (risk.unknown or "")
    assert risk_sentence(risk) == "would lose 700 B of WAL; which commits is unknown"


def test_who_would_lose_least_leaves_out_whom_nobody_can_judge() -> None:
    def risk(name: str, gap: int | None, **changes: object) -> Risk:
        return Risk(replace(Standing(name, END, Evidence.OWN, 0.0), **changes), gap)  # type: ignore[arg-type]

    risks = (risk("a", 10), risk("b", 0, problem="no"), risk("c", None), risk("d", 0, doubt="?"), risk("e", 10))
    report = RiskReport(NOW, None, risks)  # type: ignore[arg-type]
    assert [each.standing.name for each in report.least] == ["a", "e"]
    assert loss_rank(risks[0]) < loss_rank(risk("z", 11))
    assert RiskReport(NOW, None, risks[1:4]).least == ()  # type: ignore[arg-type]


def test_hostile_names_reach_no_line_raw() -> None:
    evil = TableChanges("d\x1b[2J", 'public."\x1b]0;x\x07"', 1, 0, 0, False, 1, reason="gone\n\x1b[31m")
    snapshot = join((seen(primary()), seen(standby("s1"))), NOW)
    (found,) = assess(snapshot, ()).risks
    assert found.lost is not None
    lines = [*table_lines([evil]), lost_phrase(replace(found.lost, commits=1, end=LSN(END + 1)), [evil])]
    assert not any(ord(char) < 32 for line in lines for char in line)
