"""Time ranges: against a server that remembers when each transaction committed, and on clocks that misbehave."""

from __future__ import annotations

import random
import struct
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import IO

import pytest

from pgreplterm.lab.binaries import environment
from pgreplterm.wal import Choice, WalError, WalSource, open_source, parse_time, read
from pgreplterm.wal.parts import parts
from pgreplterm.wal.stores.local import LocalFolder
from pgreplterm.wal.times import timestamp_of

from .builder import Record, Wal, noop_of
from .corpus import MB
from .servers import EDGES, scratch_folder, throwaway_server

COMMITS = 400
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Committed:
    """A pg_wal, and the server's own word on when its transactions committed, in the order of their commits."""

    folder: Path
    times: dict[int, datetime]


@pytest.fixture(scope="module", params=EDGES)
def committed(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Committed]:
    """A dozen segments: single rows, loads that fill a segment without a commit, aborts, two-phase commits."""
    settings = {"track_commit_timestamp": "on", "max_prepared_transactions": "2"}
    with (
        scratch_folder() as copy,
        throwaway_server(request.param, scratch / "timed", "--wal-segsize=1", **settings) as server,
    ):
        with server.connect() as session:
            session.execute("create table timed (id int, body text)")
            for number in range(COMMITS):
                rows = 20_000 if number % 90 == 0 else 1
                session.execute(f"insert into timed select {number}, repeat('t', 100) from generate_series(1, {rows})")
                if number % 50 == 0:
                    session.execute("begin")
                    session.execute("insert into timed values (-1, '')")
                    session.execute("prepare transaction 'two'" if number % 100 else "rollback")
                    session.execute("commit prepared 'two'" if number % 100 else "select 1")
            found = session.execute(
                "select xmin::text::bigint, pg_xact_commit_timestamp(xmin) at time zone 'UTC' from timed "
                "group by xmin order by 2, 1"
            ).fetchall()
            session.execute("select pg_switch_wal()")
        server.stop()
        (copy / "wal").mkdir()
        for path in server.wal.glob("0*"):
            (copy / "wal" / path.name).write_bytes(path.read_bytes())
        yield Committed(copy / "wal", {xid: time.replace(tzinfo=UTC) for xid, time in found})


def _ended(source: WalSource, since: datetime | None, until: datetime | None) -> list[tuple[int, datetime]]:
    """The transactions of the user's table whose end lies in what a time range reads."""
    return [
        (record.xid or int(record.description.split(":")[0].split()[-1]), record.time)
        for record in read(source, Choice(rmgrs=frozenset({1}), since=since, until=until))
        if record.time is not None
    ]


def test_the_range_holds_what_the_server_says_committed_in_it(committed: Committed) -> None:
    source = open_source(committed.folder)
    everything = _ended(source, None, None)
    assert committed.times.items() <= dict(everything).items()
    assert [time for _, time in everything] == sorted(time for _, time in everything), "one session commits in order"
    choose = random.Random(18)
    moments = sorted(committed.times.values())
    for _ in range(25):
        since, until = sorted(choose.sample(moments, 2))
        expected = [each for each in everything if since <= each[1] <= until]
        assert _ended(source, since, until) == expected, "both ends belong to it"
        assert _ended(source, since + MICROSECOND, until - MICROSECOND) == [
            each for each in expected if since < each[1] < until
        ]
        assert _ended(source, since, None) == [each for each in everything if since <= each[1]]
        assert _ended(source, None, until) == [each for each in everything if each[1] <= until]


def test_it_is_bisected(committed: Committed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each end costs the first commits of a few segments, not of all, and the two segments around it."""
    source = open_source(committed.folder)
    moment = sorted(committed.times.values())[COMMITS // 2]
    opened: list[str] = []
    plain = LocalFolder.open

    def noted(store: LocalFolder, name: str, offset: int = 0) -> IO[bytes]:
        opened.append(name)
        return plain(store, name, offset)

    monkeypatch.setattr(LocalFolder, "open", noted)
    (part,) = parts(source, Choice(since=moment, until=moment))
    segments = len(source.segments)
    assert segments > 12
    assert part.choice.start is not None and part.choice.end is not None
    assert len(set(opened)) < segments * 2 / 3, sorted(set(opened))


def test_before_behind_and_between(committed: Committed) -> None:
    source = open_source(committed.folder)
    moments = sorted(committed.times.values())
    with pytest.raises(WalError, match=r"expected transactions that ended up to 1999-.*; found none in 0/.*\.$"):
        parts(source, Choice(until=datetime(1999, 1, 1, tzinfo=UTC)))
    (tail,) = parts(source, Choice(since=moments[-1] + timedelta(days=1)))
    assert tail.choice.end is None, "what was written since may be as late as that"
    assert _ended(source, moments[-1] + timedelta(days=1), None) == []
    (whole,) = parts(source, Choice(since=moments[0] - timedelta(days=9), until=moments[-1] + timedelta(days=9)))
    assert (whole.choice.start, whole.choice.end) == (None, None)
    between = (moments[5] + MICROSECOND, moments[6] - MICROSECOND)
    with pytest.raises(WalError, match="found none"):
        parts(source, Choice(since=between[0], until=between[1]))


def test_the_commands_say_which_lsns_it_became(committed: Committed) -> None:
    moments = sorted(committed.times.values())
    since, until = f"{moments[30]:%Y-%m-%dT%H:%M:%S.%f}", f"{moments[60]:%Y-%m-%d %H:%M:%S.%f}"
    for command, *options in (("dump", "-r", "Transaction"), ("stat", "--by", "xid")):
        argv = [sys.executable, "-m", "pgreplterm", "wal", command, *options, str(committed.folder)]
        done = subprocess.run(
            [*argv, "--since", since, "--until", until],
            capture_output=True, text=True, check=True, env=environment() | {"TZ": "UTC"},
        )  # fmt: skip
        assert done.stderr.startswith("pgreplterm: transactions of timeline 1 that ended from "), done.stderr
        assert " lie from LSN 0/" in done.stderr.splitlines()[0]
        assert len(done.stderr.splitlines()) == 1
        if command == "dump":
            commits = [line for line in done.stdout.splitlines() if "desc: COMMIT" in line]
            assert len([time for time in moments if moments[30] <= time <= moments[60]]) == len(commits) == 31
            assert f"{moments[30]:%H:%M:%S.%f}" in commits[0]
            assert f"{moments[60]:%H:%M:%S.%f}" in commits[-1]


# ---- clocks ----


def _commit(time: int, xid: int = 700) -> Record:
    return Record(rmgr=1, xid=xid, main=struct.pack("<q", time))


def _clocked(folder: Path, times: list[int], *, bare_segments: tuple[int, ...] = ()) -> WalSource:
    """1 MB segments of commits at those times (seconds from now on), ten a segment; some segments hold none."""
    built = Wal(18, start=5 * MB, segment_size=MB)
    for number, time in enumerate(times):
        built.append(noop_of(1000))
        built.append(_commit(NOW + time * 1_000_000))
        if number % 10 == 9:
            built.switch()
            while built.position // MB - 5 in bare_segments:
                built.append(noop_of(5000))
                built.switch()
    built.write(folder)
    return open_source(folder)


NOW = timestamp_of(datetime(2026, 10, 17, 8, 0, tzinfo=UTC))


def _at(seconds: float) -> datetime:
    return datetime(2026, 10, 17, 8, 0, tzinfo=UTC) + timedelta(seconds=seconds)


def _seconds(source: WalSource, since: float, until: float) -> list[int]:
    choice = Choice(rmgrs=frozenset({1}), since=_at(since), until=_at(until))
    return [round((record.time - _at(0)).total_seconds()) for record in read(source, choice) if record.time]


def test_segments_without_a_commit(tmp_path: Path) -> None:
    source = _clocked(tmp_path, list(range(100)), bare_segments=(3, 4, 8))
    for since, until in ((0, 99), (25, 35), (29, 30), (30, 30), (55, 71), (99, 99)):
        assert _seconds(source, since, until) == list(range(since, until + 1))


@pytest.mark.parametrize("seed", range(5))
def test_sessions_that_commit_at_once_lose_nothing(seed: int, tmp_path: Path) -> None:
    """Times out of order by less than a segment's worth: all that ended in the range is there, and little else."""
    choose = random.Random(seed)
    times = sorted(range(200), key=lambda time: time + choose.uniform(0, 8))
    source = _clocked(tmp_path, times)
    for _ in range(15):
        since, until = sorted(choose.sample(range(200), 2))
        found = _seconds(source, since, until)
        assert set(range(since, until + 1)) <= set(found)
        assert min(found) >= since - 9
        assert max(found) <= until + 9


def test_a_clock_that_was_set_back_is_said(tmp_path: Path) -> None:
    source = _clocked(tmp_path, [*range(120), *range(60, 140)])
    (part,) = parts(source, Choice(since=_at(30), until=_at(130)))
    assert part.remarks[-1].startswith("commit times go backwards: 2026-10-17 08:01:"), part.remarks
    assert _seconds(source, 30, 130) == [*range(30, 120), *range(60, 131)]


# ---- as people write them ----


def test_times_are_iso_8601_and_local_unless_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = datetime(2026, 10, 17, 8, 31, 5, 250_000, tzinfo=UTC)
    for text in ("2026-10-17T08:31:05.25Z", "2026-10-17 10:31:05.250+02:00", "20261017T083105.25+0000"):
        assert parse_time(text) == expected
    local = parse_time("2026-10-17 08:31")
    assert local.utcoffset() == datetime(2026, 10, 17, 8, 31).astimezone().utcoffset()
    assert local.replace(tzinfo=None) == datetime(2026, 10, 17, 8, 31)
    assert parse_time("2026-10-17").replace(tzinfo=None) == datetime(2026, 10, 17)
    assert parse_time("2026-10-17T08:31+05:45").astimezone(UTC) == datetime(2026, 10, 17, 2, 46, tzinfo=UTC)


@pytest.mark.parametrize("text", ["", "now", "10:30", "2026-10-17T25:00", "17.10.2026", "1792224000"])
def test_nonsense_is_one_sentence(text: str) -> None:
    with pytest.raises(WalError, match=r"^expected a time such as .* found '.*'\.$"):
        parse_time(text)
