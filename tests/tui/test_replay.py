"""A recording in the terminal: forward and backward, by marks, by play, and never taken for a live cluster."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pytest

from pgreplterm.cluster.model import ClusterSnapshot, Role
from pgreplterm.errors import ExitCode
from pgreplterm.recording.frames import Kind
from pgreplterm.recording.reader import Recording
from pgreplterm.recording.writer import Writer
from pgreplterm.tui.options import TuiOptions
from pgreplterm.tui.replay import LEAD_SNAPSHOTS, LONGEST_WAIT, SPEEDS, Player

from .snapshots import START, ScriptedSource, cluster, gone, node, with_node
from .stage import Stage, stage
from .terminal import Terminal

MEGA = 1_000_000


def clock(at: float) -> str:
    return datetime.fromtimestamp(at).isoformat(" ", "milliseconds")


def story() -> list[ClusterSnapshot]:
    """Ten seconds: s2 falls behind, at 5 pg1 dies, at 7 s1 is primary."""
    told = []
    for second in range(10):
        now = cluster(second * MEGA, at=START + second)
        if second >= 5:
            now = with_node(now, gone(node("pg1", role=Role.PRIMARY), since=START + 5))
        if second >= 7:
            now = with_node(now, node("s1", role=Role.PRIMARY, timeline=2))
        told.append(now)
    return told


def written(path: Path, snapshots: Sequence[ClusterSnapshot], marks: dict[int, str] | None = None) -> Path:
    with Writer(path, title="a lab", interval=1.0) as writer:
        for number, each in enumerate(snapshots):
            if marks and number in marks:
                writer.mark(marks[number], each.taken_at)
            writer.add(each)
    return path


def flip(path: Path, place: int) -> None:
    data = bytearray(path.read_bytes())
    data[place] ^= 1
    path.write_bytes(data)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The story, with its two marks."""
    return written(tmp_path / "story", story(), {5: "kill primary", 7: "promote"})


@dataclass
class Theatre:
    """The application on a recording."""

    on: Stage
    player: Player

    async def shows(self, number: int) -> str:
        """The screen once it shows that snapshot."""
        return await self.on.sees(lambda text: f"{clock(START + number)}  {number + 1}/" in text)


@asynccontextmanager
async def theatre(path: Path, begin: int = 0, **options: object) -> AsyncIterator[Theatre]:
    with Recording(path) as recording:
        player = Player(recording, begin)
        async with stage(source=player, **options) as on:  # type: ignore[arg-type]
            yield Theatre(on, player)


async def test_it_says_that_it_is_a_recording_and_of_when(path: Path) -> None:
    async with theatre(path) as here:
        text = await here.shows(0)
        assert "RECORDING" in here.on.lines[0] and "a lab" in here.on.lines[0] and "paused" in here.on.lines[0]
        assert "live" not in here.on.lines[0] and "READ-ONLY" not in text
        assert clock(START) in here.on.lines[2] and "1/10" in here.on.lines[2] and "1x" in here.on.lines[2]


async def test_a_paused_recording_is_never_silent(path: Path) -> None:
    async with theatre(path) as here:
        await here.shows(0)
        here.on.app.desk.clock = lambda: time.monotonic() + 3600
        here.on.app._look_for_silence()
        await here.on.pilot.pause()
        assert "nothing new" not in here.on.text


async def test_forward_and_back_a_snapshot(path: Path) -> None:
    async with theatre(path) as here:
        await here.shows(0)
        await here.on.press("right", "right", "right")
        await here.shows(3)
        assert "2.9M" in here.on.text
        await here.on.press("left")
        await here.shows(2)
        assert "1.9M" in here.on.text and "2.9M" not in here.on.text
        await here.on.press(*["left"] * 5)
        await here.shows(0)
        await here.on.press(*["right"] * 30)
        await here.shows(9)


async def test_going_back_takes_the_future_out_of_events_and_graphs(path: Path) -> None:
    async with theatre(path) as here:
        await here.on.press("greater_than_sign")
        await here.shows(9)
        await here.on.press("7")
        text = await here.on.sees("pg1 down: refused")
        assert text.index("mark: kill primary") < text.index("pg1 down: refused") < text.index("mark: promote")
        for _ in range(5):
            await here.on.press("left")
        await here.shows(4)
        assert "pg1 down" not in here.on.text and "mark:" not in here.on.text
        assert max(at for at, _ in here.on.app.desk.view.history.replay("s2")) == START + 4


async def test_a_jump_shows_what_steps_would_have_shown(path: Path) -> None:
    async with theatre(path) as here:
        await here.shows(0)
        for _ in range(8):
            await here.on.press("right")
        await here.shows(8)
        stepped = here.on.text
        events = list(here.on.app.desk.view.events)
    async with theatre(path, begin=8) as here:
        await here.shows(8)
        assert here.on.text == stepped
        assert list(here.on.app.desk.view.events) == events


async def test_to_the_next_mark_and_the_one_before(path: Path) -> None:
    async with theatre(path) as here:
        await here.shows(0)
        await here.on.press("n")
        assert "#1 kill primary" in await here.shows(5)
        await here.on.press("n")
        assert "#2 promote" in await here.shows(7)
        await here.on.press("n")
        await here.shows(7)
        await here.on.press("p")
        await here.shows(5)


async def test_ten_seconds_and_the_ends(tmp_path: Path) -> None:
    path = written(tmp_path / "long", [cluster(at=START + second) for second in range(40)])
    async with theatre(path) as here:
        await here.shows(0)
        await here.on.press("full_stop")
        await here.shows(10)
        await here.on.press("greater_than_sign")
        await here.shows(39)
        await here.on.press("comma", "comma")
        await here.shows(19)
        await here.on.press("less_than_sign")
        await here.shows(0)


async def test_play_and_pause(path: Path) -> None:
    async with theatre(path) as here:
        await here.shows(0)
        await here.on.press(*["right_square_bracket"] * 4)
        await here.on.sees("16x")
        await here.on.press("space")
        await here.on.sees(lambda text: "playing" in text or "10/10" in text)
        await here.shows(9)
        await here.on.sees("paused")  # the end
        assert "mark: promote" in [change.text for change in here.on.app.desk.view.events]
        await here.on.press(*["left_square_bracket"] * 20)
        await here.on.sees(f"{SPEEDS[0]:g}x")
        await here.on.press("space")  # from the end: from the beginning
        await here.shows(0)
        assert here.player.playing
        await here.on.press("space")
        await here.on.sees("paused")
        assert not here.player.playing


async def test_a_long_pause_in_the_recording_is_a_short_one_in_play(tmp_path: Path) -> None:
    path = written(tmp_path / "gap", [cluster(at=START), cluster(MEGA, at=START + 86400)])
    with Recording(path) as recording:
        player = Player(recording, playing=True)
        assert player._due() is not None and player._due() <= LONGEST_WAIT  # type: ignore[operator]


async def test_a_long_recording_is_jumped_through_by_a_bounded_number_of_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pgreplterm.tui.replay.LEAD_WITHIN", 60.0)  # a slow machine stops earlier
    path = written(tmp_path / "r", [cluster(number * 1000, at=START + number / 10) for number in range(1500)])
    with Recording(path) as recording:
        loaded = []
        real = recording.snapshot
        recording.snapshot = lambda number: loaded.append(number) or real(number)  # type: ignore[assignment, func-returns-value, method-assign]
        player = Player(recording, 1400)
        list(player._leading())
        assert 10 <= len(loaded) <= LEAD_SNAPSHOTS + 2
        before = len(loaded)
        player.step(-1)
        list(player._leading())
        assert len(loaded) - before <= 2, "a step back reads what it has not read yet"


async def test_a_damaged_snapshot_is_an_event_and_the_others_are_shown(path: Path) -> None:
    with Recording(path) as recording:
        victim = recording._places[3].entry
        assert victim.kind is Kind.DELTA
    flip(path, victim.offset + 30)
    async with theatre(path) as here:
        await here.shows(0)
        await here.on.press("right", "right", "right")
        await here.shows(3)
        await here.on.sees("snapshot 4 of 10")
        await here.on.press("right")
        await here.shows(4)
        assert "3.8M" in here.on.text


async def test_the_keys_are_on_the_help_page_and_only_for_a_recording(path: Path) -> None:
    async with theatre(path) as here:
        await here.on.press("question_mark")
        text = await here.on.sees("KEYS HERE")
        for what in ("forward", "back", "next mark", "mark before", "faster", "slower", "10 s back", "last snapshot"):
            assert what in text
    async with stage(source=ScriptedSource()) as here_too:
        await here_too.press("question_mark")
        assert "next mark" not in await here_too.sees("KEYS HERE")


async def test_a_recording_is_no_lab_to_drill(path: Path) -> None:
    async with theatre(path, drills=True) as here:
        await here.shows(0)
        await here.on.press("D")
        await here.on.sees("drills run only on a lab this program created")


async def test_hostile_marks_and_titles_are_text(tmp_path: Path) -> None:
    with Writer(tmp_path / "r", title="[red]\x1b[2J", interval=1.0) as writer:
        writer.mark("[bold]x[/] \x1b]0;title\x07")
        writer.add(replace(cluster(), taken_at=START))
    async with theatre(tmp_path / "r") as here:
        text = await here.shows(0)
        assert "[red]" in here.on.lines[0] and "#1 [bold]x[/]" in text and "\x1b" not in text


async def test_ascii_only(path: Path) -> None:
    async with theatre(path, begin=6, options=TuiOptions(ascii_only=True)) as here:
        await here.shows(6)
        assert here.on.text.isascii(), here.on.text


def test_the_command_on_a_terminal(path: Path) -> None:
    command = [sys.executable, "-m", "pgreplterm", "replay", str(path), "--at", "kill primary"]
    with Terminal(command) as terminal:
        terminal.wait_for(lambda text: "RECORDING" in text and "6/10" in text and "no primary answers" in text)
        terminal.press("\x1b[C")
        terminal.wait_for("7/10")
        terminal.press("q")
        assert terminal.wait_exit() == ExitCode.OK


def test_the_command_on_a_damaged_recording_shows_the_rest_and_exits_one(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-700])
    with Terminal([sys.executable, "-m", "pgreplterm", "replay", str(path)]) as terminal:
        terminal.wait_for("RECORDING")
        terminal.wait_for("damaged bytes")
        terminal.press("q")
        assert terminal.wait_exit() == ExitCode.FINDING
        terminal.settle(0.1)
        assert "expected whole frames, found" in terminal.received.split(b"\x1b[?1049l")[-1].decode()
