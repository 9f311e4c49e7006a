"""A record whose tail was lost and then overwritten, made by real servers as 026_overwrite_contrecord.pl makes it."""

from __future__ import annotations

import shutil
import signal
from pathlib import Path

import pytest

from pgreplterm import wal

from .corpus import MB, Corpus
from .servers import MAJORS, throwaway_server
from .truth import assert_same_lines


def _with_a_lost_tail(major: int, scratch: Path, folder: Path) -> Corpus:
    """Crash with a message in two segments, lose the second, recover: the server gives the message up and says so."""
    with throwaway_server(major, scratch / "server", "--wal-segsize=1") as server:
        with server.connect() as session:
            session.execute("create table before_it (id int)")
            session.execute("select pg_switch_wal()")
            row = session.execute("select pg_walfile_name(pg_current_wal_insert_lsn() + 1)").fetchone()
            session.execute("select pg_logical_emit_message(true, '', repeat('x', 1300000))")
            assert row is not None
        server.stop(signal.SIGQUIT)
        for segment in server.wal.glob("0000*"):
            if segment.name > row[0]:
                segment.unlink()
        server.start()
        with server.connect() as session:
            session.execute("create table after_it (id int)")
        server.stop()
        shutil.copytree(server.wal, folder)
    return Corpus(major, MB, folder)


@pytest.mark.parametrize("major", MAJORS)
def test_a_lost_tail_is_no_damage(major: int, scratch: Path, tmp_path: Path) -> None:
    corpus = _with_a_lost_tail(major, scratch, tmp_path / "wal")
    truth = corpus.waldump(1)
    (told,) = (line for line in truth.lines if "OVERWRITE_CONTRECORD" in line)
    source = wal.open_source(corpus.only(1))
    (run,) = source.runs
    assert_same_lines(wal.dump_lines(wal.scan_run(source, run).index, major), truth.lines)
    (report,) = wal.verify(source)
    assert (report.damages, report.is_finding) == ((), False), report.sentence
    assert report.end in (wal.EndKind.CLEAN, wal.EndKind.RECYCLED)
    assert report.end_lsn == truth.end_lsn
    assert "desc: OVERWRITE_CONTRECORD lsn 0/" in told


@pytest.mark.parametrize("major", MAJORS[:1])
def test_before_recovery_the_tail_is_a_missing_segment(major: int, scratch: Path, tmp_path: Path) -> None:
    """The same crash, looked at before the server starts again."""
    corpus = _with_a_lost_tail(major, scratch, tmp_path / "wal")
    (told,) = (line for line in corpus.waldump(1).lines if "OVERWRITE_CONTRECORD" in line)
    lost = int(told.split("OVERWRITE_CONTRECORD lsn 0/")[1].split(";")[0], 16)
    folder = tmp_path / "crashed"
    folder.mkdir()
    for segment in corpus.segments(1):
        if int(segment.name[16:], 16) <= lost // MB:
            shutil.copy(segment, folder)
    (report,) = wal.verify(wal.open_source(folder))
    assert (report.end, report.end_lsn) == (wal.EndKind.MISSING_SEGMENT, lost), report.sentence
    assert report.is_finding
