"""The table, the graphs and the list of changes, as text."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from pgreplterm.cluster.history import LagHistory
from pgreplterm.cluster.model import ClusterSnapshot, NodeState, Role
from pgreplterm.tui.glyphs import ASCII, UNICODE
from pgreplterm.tui.ink import Ink, plain, width_of
from pgreplterm.tui.overview.card import card_rows
from pgreplterm.tui.overview.changes import Weight, changes
from pgreplterm.tui.overview.graph import Graph, columns, drawn, scale_for
from pgreplterm.tui.overview.table import table_rows

from .snapshots import START, cluster, gone, link, node, with_node


def test_the_tree_is_drawn_from_upstreams() -> None:
    lines = plain(table_rows(cluster(), 80, UNICODE)).splitlines()
    assert [line[:13].rstrip() for line in lines] == [" NODE", " pg1", " ├─ s1", " │  └─ s3", " └─ s2"]


def test_every_column_is_there_at_eighty() -> None:
    heading, pg1, s1, _, s2 = plain(table_rows(cluster(35_756_442), 80, UNICODE)).splitlines()
    assert heading.split() == ["NODE", "ROLE", "STATE", "SYNC", "TL", "UNSENT", "FLUSH", "REPLAY", "TIME"]
    assert pg1.split() == ["pg1", "primary", "●", "running", "-", "1", "-", "-", "-", "-"]
    assert s1.split()[1:] == ["s1", "standby", "●", "streaming", "sync", "1", "0", "0", "0", "idle"]
    assert s2.split()[-2:] == ["34.1M", "0.8s"]


@pytest.mark.parametrize("width", [20, 40, 50, 60, 70, 79, 80, 120, 200])
def test_no_row_is_wider_than_the_terminal(width: int) -> None:
    assert all(width_of(line) <= max(width, 38) for line in table_rows(cluster(), width, UNICODE))


def test_narrow_drops_flush_then_sync_and_keeps_state_and_replay() -> None:
    at_75 = plain(table_rows(cluster(), 75, UNICODE)).splitlines()[0].split()
    assert "FLUSH" not in at_75 and "SYNC" in at_75
    at_45 = plain(table_rows(cluster(), 45, UNICODE)).splitlines()[0].split()
    assert at_45 == ["NODE", "STATE", "REPLAY", "TIME"]


def test_an_unknown_gap_is_a_question_mark_and_never_blue() -> None:
    rows = table_rows(cluster(None), 80, UNICODE)
    text, ink = next(span for span in reversed(rows[-1]) if span[0].strip() == "?")
    assert text.strip() == "?"
    assert ink is Ink.WARNING


def test_every_state_has_a_glyph_and_its_word_in_ascii_too() -> None:
    for state in NodeState:
        snapshot = with_node(cluster(), replace(node("s2"), state=state))
        for glyphs in (UNICODE, ASCII):
            line = plain(table_rows(snapshot, 100, glyphs)).splitlines()[-1]
            assert str(state) in line
            assert glyphs is UNICODE or line.isascii()


def test_only_running_and_streaming_are_shown_as_healthy() -> None:
    for state in NodeState:
        rows = table_rows(with_node(cluster(), replace(node("s2"), state=state)), 100, UNICODE)
        healthy = any(ink is Ink.HEALTHY for _, ink in rows[-1])
        assert healthy == (state in (NodeState.RUNNING, NodeState.STREAMING))


def test_a_down_node_shows_for_how_long() -> None:
    snapshot = with_node(replace(cluster(), taken_at=START + 42), gone(node("s2")))
    assert "○ down 40s" in plain(table_rows(snapshot, 80, UNICODE))


def test_hostile_names_do_not_bend_the_table() -> None:
    evil = replace(node("s2"), name="[red]\x1b[2Jx" * 4)
    nodes = (*cluster().nodes[:3], evil)
    rows = table_rows(replace(cluster(), nodes=nodes), 80, UNICODE)
    assert all("\x1b" not in text for line in rows for text, _ in line)
    assert len({width_of(line) for line in rows}) == 1


def test_the_card_says_what_is_unknown() -> None:
    bare = replace(node("s2"), sample=None, timeline=None)
    card = plain(card_rows(with_node(cluster(None), bare), bare, 40, UNICODE))
    assert "replayed  ?" in card
    failed = gone(node("s2"), reason="could not connect: No route to host")
    assert "No route to host" in plain(card_rows(with_node(cluster(), failed), failed, 40, UNICODE))


def test_columns_are_aligned_to_time_and_gaps_stay_blank() -> None:
    points = [(100.0, 5), (101.0, 7), (103.0, None), (109.0, 3)]
    assert columns(points, 109.5, 10.0, 5) == (7, None, None, None, 3)
    assert columns(points, 111.0, 10.0, 5)[:4] == (None, None, None, 3)


def test_a_column_never_changes_its_past() -> None:
    history = LagHistory()
    for second in range(40):
        history.add(replace(cluster(second * 1000), taken_at=START + second))
    early = columns(history.replay("s2"), START + 39, 40.0, 20)
    history.add(replace(cluster(0), taken_at=START + 42))
    late = columns(history.replay("s2"), START + 42, 40.0, 20)
    moved = math.floor((START + 42) / 2) - math.floor((START + 39) / 2)
    assert late[: 20 - moved - 1] == early[moved : 20 - 1]


def test_a_graph_fills_with_the_value_and_blanks_the_unknown() -> None:
    rows = drawn(Graph("s2", (None, 0, 50, 100)), 100, 2, UNICODE, Ink.HEALTHY)
    assert [line.rstrip() for line in plain(rows).splitlines()] == ["    █", "  ▁██"]


def test_the_scale_is_common_and_never_below_the_noise() -> None:
    assert scale_for([Graph("a", (10,)), Graph("b", (None,))]) == 65536
    assert scale_for([Graph("a", (65536,)), Graph("b", (65537,))]) == 131072


def sentences(before: ClusterSnapshot | None, after: ClusterSnapshot) -> list[str]:
    """The changes' texts."""
    return [change.text for change in changes(before, after)]


def test_nothing_changed_is_no_event() -> None:
    assert sentences(cluster(), replace(cluster(99_999_999), taken_at=START + 1)) == []


def test_the_first_tick_tells_only_what_is_wrong() -> None:
    assert sentences(None, cluster()) == []
    broken = with_node(cluster(), gone(node("s2"), reason="connection refused"))
    assert sentences(None, broken) == ["s2 down: connection refused"]


def test_a_node_going_and_coming_back() -> None:
    broken = with_node(cluster(), gone(node("s2")))
    assert sentences(cluster(), broken) == ["s2 down: refused"]
    assert changes(cluster(), broken)[0].weight is Weight.CRITICAL
    assert sentences(broken, cluster()) == ["s2 is back: streaming"]


def test_a_failover_is_told_from_role_timeline_and_link() -> None:
    promoted = replace(node("s1", role=Role.PRIMARY, timeline=2), upstream=None)
    nodes = (promoted, node("s3", "s1", role=Role.CASCADE), node("s2", "s1"), gone(node("pg1", role=Role.PRIMARY)))
    after = replace(cluster(), nodes=nodes, links=(link("s1", "s3"), link("s1", "s2")))
    told = sentences(cluster(), after)
    assert "s1 was standby, is now primary" in told
    assert "s1 timeline 1 -> 2, forked at 0/03000148" in told
    assert "s2 now follows s1, before pg1" in told
    assert "pg1 down: refused" in told


def test_two_primaries_are_critical() -> None:
    split = with_node(cluster(), node("s2", role=Role.PRIMARY))
    found = changes(cluster(), split)
    assert any(each.weight is Weight.CRITICAL and "split brain: pg1 and s2" in each.text for each in found)


def test_an_unknown_role_is_no_change_of_role() -> None:
    told = sentences(cluster(), with_node(cluster(), gone(node("s2"))))
    assert not any("was standby" in text for text in told)
