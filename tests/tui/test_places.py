"""The places on prepared snapshots, at the two sizes that matter."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgreplterm.cluster.model import NodeState
from pgreplterm.tui.options import TuiOptions
from pgreplterm.tui.sources import Progress, Trouble

from .snapshots import START, cluster, gone, node, ticks, with_node
from .stage import stage

SIZES = [(80, 24), (120, 40), (200, 60)]
TINY = [(40, 10), (20, 5)]


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_the_first_frame_waits_for_no_server(width: int, height: int) -> None:
    async with stage(width, height) as here:
        text = await here.sees("Waiting for demo")
        assert "q quit" in text
        here.source.feed.put_nowait(Progress("initdb for pg1"))
        here.source.feed.put_nowait(Progress("starting pg1"))
        assert "initdb for pg1" in await here.sees("starting pg1")


async def test_a_lab_that_cannot_be_built_says_so_and_leaves_the_screen_open() -> None:
    async with stage() as here:
        here.source.feed.put_nowait(Trouble("expected a free port, found none; stop another lab.", fatal=True))
        text = await here.sees("expected a free port")
        assert "q quits" in text and "stopped" in here.lines[0]


@pytest.mark.parametrize(("width", "height"), SIZES)
async def test_overview(width: int, height: int) -> None:
    async with stage(width, height) as here:
        here.source.show(cluster(35_756_442))
        text = await here.sees("34.1M")
        assert "s2 is 34.1 MB behind in replay" in text
        assert "4/4 up" in here.lines[0] and "pg 18.6" in here.lines[0] and "READ-ONLY" in here.lines[0]
        assert "s2 replay lag, 5m, max 34.1M" in text
        assert "scale 0 to 64.0M" in text
        assert ("address" in text) == (width >= 100)


@pytest.mark.parametrize(("width", "height"), TINY)
async def test_a_tiny_terminal_shows_what_it_can(width: int, height: int) -> None:
    async with stage(width, height) as here:
        here.source.show(cluster(35_756_442))
        await here.sees("! s2")
        for digit in "45671":
            await here.press(digit)


async def test_a_node_that_dies_is_an_event_and_stays_on_the_screen() -> None:
    async with stage() as here:
        here.source.show(cluster())
        await here.sees("3 of 3 standbys streaming")
        here.source.show(with_node(replace(cluster(), taken_at=START + 1), gone(node("s2"))))
        text = await here.sees("s2 down: refused")
        assert "○ down" in text and "3/4 up" in here.lines[0]
        await here.press("7")
        assert "s2 down: refused" in await here.sees("7 Events")


async def test_the_events_place_shows_every_event_that_fits() -> None:
    async with stage() as here:
        here.source.show(cluster())
        await here.sees("3 of 3 standbys streaming")
        for second in range(1, 7):
            later = replace(cluster(), taken_at=START + second)
            here.source.show(with_node(later, gone(node("s2"))) if second % 2 else later)
            await here.sees("3/4 up" if second % 2 else "4/4 up")
        await here.press("7")
        await here.sees(lambda text: text.count("s2 down: refused") == text.count("s2 is back") == 3)


async def test_server_text_is_never_markup() -> None:
    async with stage() as here:
        evil = gone(node("s2"), NodeState.SILENT, reason="[bold red]boo[/] \x1b[2J")
        here.source.show(with_node(cluster(), evil))
        assert "[bold red]boo[/] ·[2J" in await here.sees("s2 silent")


async def test_digits_go_to_places_and_what_is_missing_is_not_offered() -> None:
    async with stage() as here:
        here.source.show(cluster())
        await here.sees("s2")
        for digit, text in (("4", "LANES"), ("5", "No node's files"), ("6", "failover"), ("7", ""), ("1", "REPLAY")):
            await here.press(digit)
            await here.sees(text)
        await here.press("2")
        assert "REPLAY" in here.text


async def test_a_place_catches_up_when_it_comes_to_the_front() -> None:
    async with stage() as here:
        here.source.show(cluster())
        await here.sees("s2")
        await here.press("4")
        here.source.show(replace(cluster(35_756_442), taken_at=START + 1))
        await here.press("1")
        await here.sees("34.1M")


async def test_pause_holds_the_display_and_not_the_collection() -> None:
    async with stage() as here:
        here.source.show(cluster())
        await here.sees("live")
        await here.press("space")
        await here.sees("paused")
        here.source.show(replace(cluster(35_756_442), taken_at=START + 1))
        await here.pilot.pause(0.1)
        assert "34.1M" not in here.text
        await here.press("space")
        await here.sees("34.1M")


async def test_enter_opens_the_node_where_there_is_no_room_beside_the_table() -> None:
    async with stage() as here:
        here.source.show(cluster())
        await here.sees("s2")
        await here.press("j", "enter")
        text = await here.sees("LINK pg1 -> s1")
        assert "s1:5432" in text
        await here.press("escape")
        await here.sees("REPLAY")


async def test_help_is_generated_and_closes() -> None:
    async with stage() as here:
        await here.press("question_mark")
        text = await here.sees("KEYS HERE")
        for line in ("drill", "quit", "page down", "Overview", "WAL"):
            assert line in text
        await here.press("escape")
        await here.sees("Waiting for demo")


async def test_an_unchanged_cluster_repaints_nothing() -> None:
    async with stage() as here:
        first, *more = ticks(cluster(), 5)
        here.source.show(first)
        await here.sees("s2")
        painted = []
        for widget in here.app.screen.query("*"):
            refresh = widget.refresh
            widget.refresh = lambda *a, _r=refresh, _w=widget, **k: (painted.append((_w, a)), _r(*a, **k))[1]  # type: ignore[method-assign]
        here.source.show(*more)
        await here.pilot.pause(0.2)
        assert here.app.desk.view.snapshot == more[-1]
        assert painted == []


@pytest.mark.parametrize(("key", "status"), [("q", 0), ("ctrl+c", 130)])
async def test_the_way_out(key: str, status: int) -> None:
    async with stage() as here:
        await here.press(key)
    assert here.app.return_code == status


async def test_ascii_only_is_ascii_only() -> None:
    async with stage(options=TuiOptions(ascii_only=True)) as here:
        here.source.show(cluster(35_756_442))
        await here.sees("34.1M")
        for digit in "14567":
            await here.press(digit)
            assert here.text.isascii(), here.text
