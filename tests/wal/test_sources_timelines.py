"""Reading across promotions: every record once, up to each switchpoint from the parent and behind it from the child."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.cli.wal_source import open_any
from pgreplterm.wal import WalError, WalSource
from pgreplterm.wal.follow import follow
from pgreplterm.wal.report import EndKind
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch, parse_history

from .builder import Wal, noop_of
from .corpus import MB, lsn_of, waldump
from .servers import EDGES, Server, scratch_folder, throwaway_server

_LSN = re.compile(r"lsn: ([0-9A-F]+/[0-9A-F]+)")


@dataclass(frozen=True)
class Promoted:
    """A server that was promoted twice: its pg_wal, its archive, and what pg_waldump reads of each timeline."""

    major: int
    wal: Path
    archive: Path

    def switchpoint(self, child: int) -> int:
        """Where that timeline left its parent."""
        text = (self.wal / f"{child:08X}.history").read_text()
        return parse_history(child, text).ancestors[-1].switchpoint

    def lsns(self, timeline: int) -> list[int]:
        """Every record in that timeline's files, by pg_waldump."""
        names = sorted(path.name for path in self.wal.glob(f"{timeline:08X}" + "[0-9A-F]" * 16) if _is_written(path))
        lines = waldump(self.major, "-p", self.wal, names[0], names[-1]).lines
        return [lsn_of(match[1]) for line in lines if (match := _LSN.search(line))]

    def expected(self, last: int) -> list[int]:
        """What recovery to that timeline reads: of each timeline what lies before the next one's switchpoint.

        A child's first file repeats the parent's records, whose own file may be a .partial that pg_waldump refuses.
        """
        found = set(self.lsns(3))
        for timeline in (1, 2):
            found |= {lsn for lsn in self.lsns(timeline) if lsn < self.switchpoint(timeline + 1)}
        end = self.switchpoint(last + 1) if last < 3 else 1 << 62
        return sorted(lsn for lsn in found if lsn < end)


def _is_written(path: Path) -> bool:
    with path.open("rb") as segment:
        return int.from_bytes(segment.read(16)[8:], "little") == lsn_of(f"{path.name[8:16]}/{path.name[16:]}00000")


def _write(server: Server) -> None:
    """Three segments and a part of one."""
    with server.connect() as session:
        for _ in range(3):
            session.execute("insert into filler select n, repeat('f', 100) from generate_series(1, 500) n")
            session.execute("select pg_switch_wal()")
        session.execute("insert into filler select n, repeat('g', 100) from generate_series(1, 900) n")


@pytest.fixture(scope="module", params=EDGES)
def promoted(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Promoted]:
    archive = scratch / "promoted" / "archive"
    settings = {"archive_mode": "on", "archive_command": f"cp %p {archive}/%f"}
    with scratch_folder() as kept:
        with throwaway_server(request.param, scratch / "promoted", "--wal-segsize=1", **settings) as server:
            archive.mkdir()
            server.account.own(archive)
            with server.connect() as session:
                session.execute("create table filler (n int, body text)")
            _write(server)
            for _ in range(2):
                server.promote()
                _write(server)
            server.stop()  # the archiver finishes first
            shutil.copytree(server.wal, kept / "pg_wal")
            shutil.copytree(archive, kept / "archive")
        yield Promoted(request.param, kept / "pg_wal", kept / "archive")


def _lsns(source: WalSource) -> list[int]:
    return [row.lsn for run in source.runs for row in wal.scan_run(source, run).index]


def _timelines(source: WalSource) -> list[int]:
    return [segment.timeline for segment in source.segments]


@pytest.mark.parametrize("timeline", [None, 3, 2, 1])
def test_one_run_holds_every_record_of_the_lineage_once(promoted: Promoted, timeline: int | None) -> None:
    source = follow(wal.open_source(promoted.wal), timeline)
    (run,) = source.runs
    target = timeline or 3
    assert run.timeline == target
    assert _timelines(source) == sorted(_timelines(source))
    assert set(_timelines(source)) == set(range(1, target + 1))
    lsns = _lsns(source)
    assert lsns == promoted.expected(target)
    assert lsns == sorted(set(lsns))


def test_the_joined_run_verifies_and_ends_as_its_last_timeline_does(promoted: Promoted) -> None:
    whole = wal.open_source(promoted.wal)
    (joined,) = wal.verify(follow(whole))
    *_, last = wal.verify(whole)
    assert joined.damages == ()
    assert not joined.is_finding, joined.sentence
    assert (joined.end, joined.end_lsn, joined.last) == (last.end, last.end_lsn, last.last)


def test_the_abandoned_parent_ends_at_the_switch(promoted: Promoted) -> None:
    (report,) = wal.verify(follow(wal.open_source(promoted.wal), 2))
    assert (report.end, report.end_lsn) == (EndKind.SWITCHED, promoted.switchpoint(3))


def test_an_archive_with_partials_reads_as_pg_wal_does(promoted: Promoted) -> None:
    """The archive has no last segment yet, and a .partial for each switchpoint, which nothing needs."""
    archive = wal.open_source(promoted.archive)
    assert [name.name for name in promoted.archive.glob("*.partial")], "the promotion archived its parent's last file"
    source = follow(archive)
    lsns, everything = _lsns(source), promoted.expected(3)
    assert len(lsns) > len(everything) // 2
    assert lsns == everything[: len(lsns)]
    assert not any(segment.name.partial for segment in source.segments)
    assert {segment.name.partial for segment in source.aside} == {True}


def _first_of(folder: Path, timeline: int) -> Path:
    return min(folder.glob(f"{timeline:08X}" + "[0-9A-F]" * 16))


def test_a_partial_stands_in_until_the_childs_first_file_is_archived(promoted: Promoted, tmp_path: Path) -> None:
    """As in the minutes after a promotion: history and .partial are archived, the child's first segment is not."""
    shutil.copytree(promoted.archive, tmp_path, dirs_exist_ok=True)
    for path in (*tmp_path.glob("00000003*"), *tmp_path.glob("00000002" + "[0-9A-F]" * 16 + "*")):
        path.unlink()
    source = follow(wal.open_source(tmp_path))
    assert source.lineage is not None
    assert (source.lineage.timeline, source.segments[-1].name.partial) == (2, True)
    assert _lsns(source) == [lsn for lsn in promoted.expected(2) if lsn < promoted.switchpoint(2)]
    (report,) = wal.verify(source)
    assert (report.end, report.end_lsn) == (EndKind.SWITCHED, promoted.switchpoint(2))


def test_a_partial_is_not_joined_to_what_follows_it(promoted: Promoted, tmp_path: Path) -> None:
    shutil.copytree(promoted.archive, tmp_path, dirs_exist_ok=True)
    lost = _first_of(tmp_path, 2)
    lost.unlink()
    source = follow(wal.open_source(tmp_path), 2)
    before, after = source.runs
    assert before.segments[-1].name.partial
    assert after.segments[0].timeline == 2
    first, _second = wal.verify(source)
    assert first.end_lsn == promoted.switchpoint(2)


def test_a_whole_file_of_the_parent_never_stands_in(promoted: Promoted, tmp_path: Path) -> None:
    """The old primary may have written on behind the switchpoint: what it wrote is not of this lineage."""
    shutil.copytree(promoted.archive, tmp_path, dirs_exist_ok=True)
    (partial,) = tmp_path.glob("00000001*.partial")
    partial.rename(partial.with_suffix(""))
    lost = _first_of(tmp_path, 2)
    lost.unlink()
    source = follow(wal.open_source(tmp_path), 2)
    before, after = source.runs
    assert source.name_after(before.segments[-1]) == lost.name
    assert (source.later(before), source.later(after)) == ((after,), ())
    assert partial.stem in [segment.file_name for segment in source.aside]
    missing, _whole = wal.verify(source)
    assert missing.end is EndKind.MISSING_SEGMENT
    assert lost.name in missing.sentence


def test_a_missing_history_is_one_sentence(promoted: Promoted, tmp_path: Path) -> None:
    shutil.copytree(promoted.wal, tmp_path, dirs_exist_ok=True)
    (tmp_path / "00000003.history").unlink()
    source = wal.open_source(tmp_path)
    with pytest.raises(WalError, match=r"expected 00000003\.history.* not here"):
        follow(source)
    assert _lsns(follow(source, 2)) == promoted.expected(2)


def test_a_timeline_that_is_not_here(promoted: Promoted) -> None:
    with pytest.raises(WalError, match=r"expected timeline 9; found 1, 2, 3\."):
        follow(wal.open_source(promoted.wal), 9)


@pytest.mark.parametrize(("value", "runs"), [("latest", 1), ("auto", 1), ("all", 3), (None, 3)])
def test_the_options_values(
    value: str | None, runs: int, promoted: Promoted, capsys: pytest.CaptureFixture[str]
) -> None:
    """What is not read is said: here the two .partial files."""
    assert len(open_any(str(promoted.archive), value).runs) == runs
    said = capsys.readouterr().err
    assert said.count(".partial") == (2 if runs == 1 else 0)
    assert ("--timeline all reads every file" in said) == (runs == 1)


def test_auto_reads_every_file_where_no_history_tells_the_way(promoted: Promoted, tmp_path: Path) -> None:
    shutil.copytree(promoted.wal, tmp_path, dirs_exist_ok=True)
    (tmp_path / "00000003.history").unlink()
    assert len(open_any(str(tmp_path), "auto").runs) == 3


# ---- where the switchpoint lies, in bytes of our own ----


def _stream() -> Wal:
    built = Wal(18, start=5 * MB, segment_size=MB)
    for _ in range(3):
        for _ in range(20):
            built.append(noop_of(1000))
        built.switch()
    for _ in range(20):
        built.append(noop_of(1000))
    return built


def _go_on(built: Wal) -> None:
    for _ in range(20):
        built.append(noop_of(1000))
    built.switch()
    for _ in range(20):
        built.append(noop_of(1000))


def _history(folder: Path, timeline: int, *switches: tuple[int, int]) -> None:
    lines = [
        f"{parent}\t{point >> 32:X}/{point & 0xFFFFFFFF:08X}\tno recovery target specified\n\n"
        for parent, point in switches
    ]
    (folder / f"{timeline:08X}.history").write_text("".join(lines))


def _at_a_page(built: Wal) -> None:
    built.fill_to(0)


def _at_a_segment(built: Wal) -> None:
    built.switch()


@pytest.mark.parametrize("place", [lambda _: None, _at_a_page, _at_a_segment], ids=["mid-page", "page", "segment"])
def test_wherever_the_switchpoint_lies(place: object, tmp_path: Path) -> None:
    built = _stream()
    place(built)  # type: ignore[operator]
    point = built.position
    built.branch(2)
    _go_on(built)
    built.write(tmp_path)
    _history(tmp_path, 2, (1, point))
    source = follow(wal.open_source(tmp_path))
    assert _lsns(source) == built.records
    (report,) = wal.verify(source)
    assert (report.end, report.damages) == (EndKind.CLEAN, ())


def test_two_promotions_inside_one_segment(tmp_path: Path) -> None:
    built = _stream()
    first = built.position
    built.branch(2)
    built.append()
    second = built.position
    built.branch(3)
    _go_on(built)
    built.write(tmp_path)
    _history(tmp_path, 2, (1, first))
    _history(tmp_path, 3, (1, first), (2, second))
    source = follow(wal.open_source(tmp_path))
    assert _lsns(source) == built.records
    assert 2 not in _timelines(source), "the newest timeline's file holds all of it"
    assert {segment.timeline for segment in source.aside} == {1, 2}


def test_what_the_parent_wrote_behind_the_switchpoint_is_left_out(tmp_path: Path) -> None:
    """An old primary that lived on: its last shared segment and the next one hold other records."""
    built = _stream()
    point, shared = built.position, len(built.records)
    forked = _stream()
    for stream, timeline in ((built, 2), (forked, 1)):
        if timeline == 2:
            stream.branch(2)
        stream.append(noop_of(24 + 8 * timeline))
        _go_on(stream)
        stream.write(tmp_path)
    _history(tmp_path, 2, (1, point))
    source = wal.open_source(tmp_path)
    assert _lsns(follow(source)) == built.records
    assert _lsns(follow(source, 1)) == forked.records
    assert built.records[:shared] == forked.records[:shared]
    assert [segment.timeline for segment in follow(source).aside] == [1, 1]


def test_owner_is_the_newest_timeline_begun() -> None:
    history = TimelineHistory(5, (TimelineSwitch(1, wal.LSN(10 * MB), ""), TimelineSwitch(3, wal.LSN(12 * MB + 8), "")))
    assert [history.owner(number, MB) for number in (0, 9, 10, 11, 12, 13)] == [1, 1, 3, 3, 5, 5]
