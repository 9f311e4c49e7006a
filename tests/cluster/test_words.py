"""The grammar of figures."""

from __future__ import annotations

import pytest

from pgreplterm.cluster import words
from pgreplterm.cluster.history import LagHistory
from pgreplterm.cluster.joining.join import join
from pgreplterm.wal.lsn import LSN

from .samples import END, NOW, primary, seen, sender, standby


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (None, "?"),
        (0, "0"),
        (1023, "1023"),
        (1024, "1.0k"),
        (12_345, "12k"),
        (1024**2 - 1, "1.0M"),
        (35_756_442, "34.1M"),
        (5 * 1024**3, "5.0G"),
        (2**63, "8.0E"),
    ],
)
def test_sizes(count: int | None, text: str) -> None:
    assert words.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "?"), (0.04, "0.0s"), (9.96, "10s"), (41, "41s"), (59.7, "1m00s"), (125, "2m05s"), (11_520, "3h12m")],
)
def test_durations(seconds: float | None, text: str) -> None:
    assert words.duration(seconds) == text


def test_sizes_and_durations_in_sentences() -> None:
    assert [words.size_in_words(n) for n in (0, 1023, 12_345, 35_756_442)] == ["0 B", "1023 B", "12 kB", "34.1 MB"]
    assert [words.duration_in_words(s) for s in (0.44, 41, 125, 11_520)] == ["0.4 s", "41 s", "2 min 5 s", "3 h 12 min"]


def test_printable_takes_what_could_move_a_cursor() -> None:
    assert words.printable("a\x1b[2Jb\r\nc\u202ed\x9be") == "a�[2Jb��c�d�e"
    assert words.printable("[red]größe[/]") == "[red]größe[/]"


def test_lag_cells() -> None:
    rows = (sender("s1"), sender("s2", replay_lsn=LSN(END - 12_345), replay_lag=0.21))
    snapshot = join((seen(primary(senders=rows)), seen(standby("s1")), seen(standby("s2")), seen(standby("s3"))), NOW)
    cells = {node.name: words.lag_cells(node, snapshot.link_to(node.name)) for node in snapshot.nodes}
    assert cells == {
        "pg1": ("-", "-", "-", "-"),
        "s1": ("0", "0", "0", "idle"),
        "s2": ("0", "0", "12k", "0.2s"),
        "s3": ("?", "?", "?", "?"),
    }


def test_a_lag_history_is_bounded_and_keeps_ticks_without_evidence() -> None:
    history = LagHistory(capacity=3)
    linked = join((seen(primary(senders=(sender("s1", replay_lsn=LSN(END - 7)),))), seen(standby("s1"))), NOW)
    unlinked = join((seen(primary()), seen(standby("s1", receiver=None))), NOW + 1)
    for snapshot in (linked, linked, linked, unlinked):
        history.add(snapshot)
    assert history.replay("s1") == [(NOW, 7), (NOW, 7), (NOW + 1, None)]
    assert [point.gaps.flush for point in history.points("s1")] == [0, 0, None]


def test_a_visitor_is_forgotten_when_its_points_are() -> None:
    history = LagHistory(capacity=2)
    history.add(join((seen(primary(senders=(sender("pg_basebackup", slot_name=None),))),), NOW))
    for later in (1, 2):
        history.add(join((seen(primary()),), NOW + later))
    assert history.replay("pg_basebackup") == []
