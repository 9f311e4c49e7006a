"""The life of a server that leaves every kind of WAL record its major can write, on two timelines.

Owns: what needs more than sessions: restarts, another wal_level, a crash that loses WAL, a promotion.
Must not: import pgreplterm.wal; what this leaves is the truth the reader is held against.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.wal import workload
from tests.wal.corpus import MB, Corpus, write_on_timeline_2
from tests.wal.servers import Server
from tests.wal.truth import run_waldump

from .majors import Installation

# The first of a file of the commit log, three files in: once all is frozen, the server removes the files before it.
_FIRST_XID = 3 << 20


@dataclass(frozen=True)
class MatrixCorpus:
    """WAL of one server, and the installation that wrote it."""

    installation: Installation
    wal: Corpus

    @property
    def programs(self) -> Path:
        """That installation's programs, as they can be run."""
        return self.installation.runnable(self.wal.folder.parent)

    def waldump(self, timeline: int, *options: str) -> bytes:
        """What that major's pg_waldump prints of everything it can read of the timeline."""
        segments = self.wal.segments(timeline)
        return run_waldump(self.programs, *options, "-p", self.wal.folder, segments[0].name, segments[-1].name)


@contextmanager
def written(installation: Installation, segment_mb: int) -> Iterator[MatrixCorpus]:
    """Run a server of that major through its life; its WAL stays until the end of the block.

    1 MB segments come from a server at wal_level=replica without checksums, 16 MB ones from one at logical with them.
    """
    logical = segment_mb == 16
    checksums = ["--data-checksums"] if logical else ["--no-data-checksums"] if installation.major >= 18 else []
    settings = {"max_prepared_transactions": 5, "track_commit_timestamp": "on"}
    with installation.scratch() as scratch:
        wal = scratch / "wal"
        initdb = (f"--wal-segsize={segment_mb}", *checksums)
        with installation.server(scratch / "server", *initdb, **settings) as server:
            if installation.has("pg_resetwal"):
                server.run("pg_resetwal", "-x", str(_FIRST_XID), "-D", server.data)
            _live(server, "logical" if logical else "replica")
            shutil.copytree(server.wal, wal)
        for path in (wal, *wal.iterdir()):
            path.chmod(0o755 if path.is_dir() else 0o644)
        yield MatrixCorpus(installation, Corpus(installation.major, segment_mb * MB, wal))


def _live(server: Server, wal_level: str) -> None:
    _minimal(server)
    server.configure(wal_level=wal_level, max_wal_senders=10)
    server.start()
    _pgbench(server)
    with server.connect() as session:
        session.execute("select pg_create_restore_point(E'two\\nlines\\ttab')")
    workload.everything(server)
    _lose_the_end(server)
    _change_parameters(server)
    write_on_timeline_2(server)
    server.stop()


def _minimal(server: Server) -> None:
    """Build an index in the transaction that made its table: no page is logged, only the LSNs it takes."""
    server.configure(wal_level="minimal", max_wal_senders=0)
    server.start()
    with server.connect() as session, session.transaction():
        session.execute("create table built_unlogged (spot point)")
        session.execute("create index on built_unlogged using gist (spot)")
        session.execute("insert into built_unlogged select point(n, n % 7) from generate_series(1, 3000) n")
    server.stop()


def _pgbench(server: Server) -> None:
    """pgbench's load, where the installation has it; the workload has every kind of record it makes."""
    at = ("-h", server.folder, "-U", "postgres", "postgres")
    if (server.bin / "pgbench").exists():
        server.run("pgbench", "-i", "-q", *at)
        server.run("pgbench", "-n", "-c", "4", "-t", "300", *at)


def _lose_the_end(server: Server) -> None:
    """Crash in a message of two segments, lose the second, recover: the server gives the message up and says so."""
    with server.connect() as session:
        session.execute("select pg_switch_wal()")
        row = session.execute("select pg_walfile_name(pg_current_wal_insert_lsn())").fetchone()
        assert row is not None
        size = "pg_size_bytes(current_setting('wal_segment_size'))"
        session.execute(f"select pg_logical_emit_message(true, '', repeat('x', ({size} * 1.3)::int))")
    server.stop(signal.SIGQUIT)
    for segment in server.wal.glob("0000*"):
        if segment.name > row[0]:
            segment.unlink()
    server.start()


def _change_parameters(server: Server) -> None:
    """What a restart logs of changed settings, and a crash without loss."""
    server.stop(signal.SIGQUIT)
    server.configure(max_connections=30, wal_log_hints="on", track_commit_timestamp="off", max_worker_processes=9)
    server.start()
    server.stop()
