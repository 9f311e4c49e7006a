"""WAL written by a real server, set aside, together with what that server's own pg_waldump says of it.

Owns: the folder of segments (one per major and segment size) and pg_waldump's lines, unparsed.
Must not: import pgreplterm; this is the truth the reader is held against.
"""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path

from . import workload
from .servers import Server, require_bin, throwaway_server

MB = 1 << 20

_REFUSED = re.compile(r"(?:invalid record length|incorrect prev-link [0-9A-F/]+) at ([0-9A-F]+/[0-9A-F]+)")


def lsn_of(text: str) -> int:
    """The LSN that ``X/X`` spells."""
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


@dataclass(frozen=True)
class Waldump:
    """What pg_waldump printed: lines of stdout, and its last words on stderr."""

    lines: list[str]
    complaint: str

    @property
    def end_lsn(self) -> int | None:
        """The first LSN it refused as a record, where its complaint says so."""
        match = _REFUSED.search(self.complaint)
        return lsn_of(match[1]) if match else None


@dataclass(frozen=True)
class Corpus:
    """Two timelines of one server. ``folder`` is a copy of its pg_wal taken after a clean stop."""

    major: int
    segment_size: int
    folder: Path

    def segments(self, timeline: int) -> list[Path]:
        """That timeline's segments that hold WAL, oldest first: recycled ones, named for the future, are left out."""
        found = sorted(self.folder.glob(f"{timeline:08X}" + "[0-9A-F]" * 16))
        return [path for path in found if self._page_address(path) == self._first_lsn(path)]

    def only(self, timeline: int) -> Path:
        """A folder that holds one timeline's segments and nothing else."""
        into = self.folder.with_name(f"timeline-{timeline}")
        into.mkdir(exist_ok=True)
        for path in self.segments(timeline):
            with suppress(FileExistsError):  # another process of the run may be doing the same
                (into / path.name).hardlink_to(path)
        return into

    def copied(self, into: Path) -> Corpus:
        """The same as files of its own, for a test that damages them: all processes of a run share a corpus."""
        shutil.copytree(self.folder, into)
        return replace(self, folder=into)

    def waldump(self, timeline: int, *options: str) -> Waldump:
        """pg_waldump's word on everything it can read of that timeline."""
        return _corpus_waldump(self, timeline, options)

    def _first_lsn(self, path: Path) -> int:
        log, number = int(path.name[8:16], 16), int(path.name[16:], 16)
        return (log << 32) + number * self.segment_size

    @staticmethod
    def _page_address(path: Path) -> int:
        with path.open("rb") as segment:
            return int.from_bytes(segment.read(16)[8:], "little")


def waldump(major: int, *args: str | Path) -> Waldump:
    """Run pg_waldump. It exits 1 at every end of WAL, so only an empty answer is a failure."""
    command = [require_bin(major) / "pg_waldump", *args]
    done = subprocess.run(command, capture_output=True, text=True, errors="surrogateescape", check=False)
    assert done.stdout, done.stderr
    return Waldump(done.stdout.splitlines(), done.stderr)


@lru_cache(maxsize=2)  # the two timelines of the corpus in hand, which never changes
def _corpus_waldump(corpus: Corpus, timeline: int, options: tuple[str, ...]) -> Waldump:
    segments = corpus.segments(timeline)
    return waldump(corpus.major, *options, "-p", corpus.folder, segments[0].name, segments[-1].name)


def make(major: int, segment_mb: int, folder: Path, scratch: Path) -> Corpus:
    """Run the workload on a new server of that major, cross to timeline 2, and set its pg_wal aside in ``folder``.

    The two sizes are two kinds of server: 16 MB as most are; 1 MB with checksums (hint-bit images) and
    wal_level=logical (new-cid, invalidation and top-level-xid records).
    """
    small = segment_mb == 1
    settings = {
        "wal_level": "logical" if small else "replica",
        "max_prepared_transactions": 5,
        "track_commit_timestamp": "on",
    }
    initdb = (f"--wal-segsize={segment_mb}", *(["--data-checksums"] if small else []))
    with throwaway_server(major, scratch, *initdb, **settings) as server:
        _pgbench(server)
        workload.everything(server)
        _crash_and_change_parameters(server)
        write_on_timeline_2(server)
        server.stop()
        shutil.copytree(server.wal, folder)
    return Corpus(major, segment_mb * MB, folder)


def _pgbench(server: Server) -> None:
    at = ("-h", server.folder, "-U", "postgres", "postgres")
    server.run("pgbench", "-i", "-q", *at)
    server.run("pgbench", "-n", "-c", "2", "-t", "100", *at)


def _crash_and_change_parameters(server: Server) -> None:
    """An immediate stop and crash recovery, then the PARAMETER_CHANGE record a restart writes."""
    server.stop(signal.SIGQUIT)
    server.configure(max_connections=30)
    server.start()
    server.stop()


def write_on_timeline_2(server: Server) -> None:
    """Promote, and write past a segment boundary."""
    server.promote()
    with server.connect() as session:
        session.execute("create table on_two as select generate_series(1, 500) n")
        session.execute("select pg_switch_wal()")
        session.execute("insert into on_two select generate_series(1, 500) n")
