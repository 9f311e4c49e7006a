"""The commands on a recording: the same answers, at any moment, and what is said of a damaged or a foreign file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from pgreplterm.cli import _Commands as Commands
from pgreplterm.cli import run
from pgreplterm.cluster.model import ClusterSnapshot, Role
from pgreplterm.cluster.serialize import snapshot_document
from pgreplterm.cluster.words import instant
from pgreplterm.errors import ExitCode
from pgreplterm.recording.frames import Kind
from pgreplterm.recording.moments import moment
from pgreplterm.recording.reader import Recording
from pgreplterm.recording.segments import RecordingError
from pgreplterm.recording.writer import Writer
from tests.tui.snapshots import START, cluster, gone, node, with_node

COMMANDS = [name for name in ("status", "lag", "slots", "timeline", "check") if name in Commands.places]


def story() -> list[ClusterSnapshot]:
    """Twenty seconds; from the tenth on pg1 is down."""
    calm = [cluster(at=START + second) for second in range(20)]
    return calm[:10] + [with_node(each, gone(node("pg1", role=Role.PRIMARY), since=START + 10)) for each in calm[10:]]


def written(path: Path, snapshots: Sequence[ClusterSnapshot]) -> Path:
    with Writer(path, title="test", interval=1.0) as writer:
        for number, each in enumerate(snapshots):
            if number == 10:
                writer.mark("kill primary: SIGKILL to pg1", START + 10)
            if number in (12, 14):
                writer.mark(f"look {number}", START + number)
            writer.add(each)
    return path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The story as a file."""
    return written(tmp_path / "story", story())


def damage(path: Path, number: int) -> None:
    """One bit of that snapshot."""
    with Recording(path) as recording:
        place = recording._places[number].entry
        assert place.kind is Kind.DELTA
    data = bytearray(path.read_bytes())
    data[place.offset + 30] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize(
    ("at", "number"),
    [
        (None, 19), ("last", 19), ("first", 0), ("+3", 3), ("+3.9s", 3), ("+900", 19), ("#1", 10), ("#3", 14),
        ("kill primary", 10), ("KILL", 10), ("look 12", 12), (instant(START + 4), 4), ("2001-01-01", 0),
        ("2023-11-14T22:13:25Z", 5), ("2023-11-14 23:13:25+01:00", 5), ("22:13:27Z", 7),
    ],
)  # fmt: skip
def test_a_moment_is_a_time_or_a_mark(path: Path, at: str | None, number: int) -> None:
    with Recording(path) as recording:
        assert moment(recording, at) == number


def test_a_time_without_a_zone_is_this_machines(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        with Recording(path) as recording:
            assert moment(recording, "2023-11-14 17:13:26") == 6
            assert moment(recording, "17:13:27") == 7
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize(
    ("at", "said"),
    [
        ("look", "2 marks that begin so"),
        ("lunch", "neither a time nor the beginning"),
        ("#4", "from #1 to #3, found #4"),
        ("#0", "found #0"),
    ],
)
def test_no_moment_is_one_sentence(path: Path, at: str, said: str) -> None:
    with Recording(path) as recording, pytest.raises(RecordingError, match=said):
        moment(recording, at)


def test_clocks_set_back_do_not_matter(tmp_path: Path) -> None:
    back = [cluster(at=START + second) for second in (0, 1, 2, -5, -4, 8)]
    with Recording(written(tmp_path / "r", back)) as recording:
        assert moment(recording, instant(START + 2)) == 4
        assert moment(recording, instant(START + 9)) == 5


def test_status_of_a_moment(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--replay", str(path), "--at", "+5"]) == ExitCode.OK
    assert "3 of 3 standbys streaming" in capsys.readouterr().out
    assert run(["status", "--replay", str(path)]) == ExitCode.FINDING
    assert "no primary answers: pg1 is down" in capsys.readouterr().out
    assert run(["status", "--replay", str(path), "--at", "kill", "--json"]) == ExitCode.FINDING
    assert json.loads(capsys.readouterr().out) == json.loads(json.dumps(snapshot_document(story()[10])))


def test_watching_a_recording_shows_every_snapshot_and_ends(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["status", "--replay", str(path), "--watch", "--json"]) == ExitCode.OK
    shown = [json.loads(line)["taken_at"] for line in capsys.readouterr().out.splitlines()]
    assert shown == [instant(each.taken_at) for each in story()]
    assert run(["status", "--replay", str(path), "--at", "#3", "--watch", "--json"]) == ExitCode.OK
    assert len(capsys.readouterr().out.splitlines()) == 6


@pytest.mark.parametrize(
    ("words", "calm", "broken"),
    [
        (["lag"], ExitCode.OK, ExitCode.FINDING),
        (["lag", "--for", "5"], ExitCode.OK, ExitCode.FINDING),
        *([(["slots"], ExitCode.OK, ExitCode.FINDING)] if "slots" in COMMANDS else []),
        (["timeline"], ExitCode.OK, ExitCode.FINDING),
        (["check"], 0, 2),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_the_other_commands(
    path: Path, words: list[str], calm: int, broken: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run([*words, "--replay", str(path), "--at", "+9"]) == calm
    before = capsys.readouterr()
    assert run([*words, "--replay", str(path)]) == broken
    after = capsys.readouterr()
    assert before.err == after.err == ""
    assert "pg1" in before.out and before.out != after.out


@pytest.mark.parametrize("command", COMMANDS)
def test_a_recording_takes_no_servers(path: Path, command: str, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = 3 if command == "check" else ExitCode.USAGE
    for words in (["--replay", str(path), "host=pg1"], ["--replay", str(path), "--lab", "x"], ["--at", "first"]):
        assert run([command, *words]) == wrong
        assert "--replay" in "".join(capsys.readouterr())


def test_a_damaged_snapshot_costs_the_moment_before_it_and_exit_one(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    damage(path, 7)
    assert run(["status", "--replay", str(path), "--at", "+7", "--json"]) == ExitCode.FINDING
    said = capsys.readouterr()
    assert json.loads(said.out)["taken_at"] == instant(START + 6)
    assert said.err.count("\n") == 1
    assert "expected whole frames, found" in said.err and "the other 19 can be replayed" in said.err


def test_watch_passes_over_what_is_damaged_and_says_so(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(path, 7)
    assert run(["status", "--replay", str(path), "--watch", "--json"]) == ExitCode.FINDING
    said = capsys.readouterr()
    assert len(said.out.splitlines()) == 19
    assert "1 snapshot that cannot be read" in said.err and said.err.count("\n") == 1


def test_the_list(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["replay", str(path), "--list"]) == ExitCode.OK
    out = capsys.readouterr().out
    assert f"{instant(START)} to {instant(START + 19)} (19 s)" in out
    assert "20 snapshots, 3 marks" in out and "closed" in out
    assert "#1  2023-11-14T22:13:30.000+00:00    +10.0  kill primary: SIGKILL to pg1" in out
    assert run(["replay", str(path), "--json"]) == ExitCode.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["snapshots"], document["title"], document["damage"]) == (20, "test", None)
    assert document["bytes"] == path.stat().st_size
    assert [mark["snapshot"] for mark in document["marks"]] == [10, 12, 14]


def test_the_list_of_a_damaged_file(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    damage(path, 7)
    assert run(["replay", str(path), "--list"]) == ExitCode.FINDING
    said = capsys.readouterr()
    assert "19 snapshots, 3 marks" in said.out
    assert said.err.count("\n") == 1 and "damaged bytes (from offset" in said.err
    assert run(["status", "--replay", str(path), "--at", "kill"]) == ExitCode.FINDING, "marks still lead there"
    assert "pg1 is down" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["replay", "--list"], ["replay"], ["status", "--replay"]])
def test_no_recording_is_one_sentence_and_exit_two(
    tmp_path: Path, words: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "text").write_text("once upon a time\n")
    for name, said in (("text", "found something else"), ("none", "found no such file"), ("", "Is a directory")):
        assert run([*words, str(tmp_path / name)]) == ExitCode.USAGE
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and said in err


def test_an_empty_recording_is_one_sentence(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written(tmp_path / "r", [])
    assert run(["status", "--replay", str(tmp_path / "r")]) == ExitCode.USAGE
    assert "expected snapshots, found none" in capsys.readouterr().err
    assert run(["replay", str(tmp_path / "r"), "--list"]) == ExitCode.OK
    assert "0 snapshots, 0 marks" in capsys.readouterr().out


def test_without_a_terminal_replay_names_what_there_is_for_scripts(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["replay", str(path)]) == ExitCode.USAGE
    assert "status --replay" in capsys.readouterr().err


def test_hostile_text_is_printed_as_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Writer(tmp_path / "r", title="\x1b[2Jevil", interval=1.0) as writer:
        writer.mark("\x1b]0;owned\x07")
        writer.add(replace(cluster(), taken_at=START))
    assert run(["replay", str(tmp_path / "r"), "--list"]) == ExitCode.OK
    assert "\x1b" not in capsys.readouterr().out
