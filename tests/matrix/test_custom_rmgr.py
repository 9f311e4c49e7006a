"""Records of a resource manager that an extension brings: pg_waldump cannot name them, and neither can we.

The extension is custom_rmgr.c here, compiled for each installation that brings its server's headers.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.wal.corpus import MB, Corpus
from tests.wal.truth import assert_same_output, run_ours

from .corpus import MatrixCorpus
from .majors import MAJORS, Installation, require_installation

SOURCE = Path(__file__).with_name("custom_rmgr.c")
SINCE = 15


def _headers(installation: Installation) -> Path:
    """The folder of postgres.h, or skip."""
    prefix = installation.bin.parent
    places = [prefix / "include" / "server", prefix / "include" / "postgresql" / "server"]
    if prefix.parent.name == "postgresql":  # as Debian lays packages out
        places.append(prefix.parents[2] / "include" / "postgresql" / str(installation.major) / "server")
    found = next((place for place in places if (place / "postgres.h").exists()), None)
    if found is None:
        pytest.skip(f"this PostgreSQL {installation.major} comes without its server's headers")
    return found


def _built(installation: Installation, folder: Path) -> Path:
    library = folder / "custom_rmgr.so"
    flags = ["-shared", "-fPIC", "-O1", f"-I{_headers(installation)}"]
    subprocess.run(["cc", *flags, "-o", library, SOURCE], check=True, capture_output=True, text=True)
    library.chmod(0o755)
    return library


@pytest.mark.parametrize("major", [major for major in MAJORS if major >= SINCE])
def test_records_of_an_unknown_resource_manager(major: int) -> None:
    installation = require_installation(major)
    with installation.scratch() as scratch:
        library = _built(installation, scratch)
        with installation.server(scratch / "server", "--wal-segsize=1", shared_preload_libraries=library) as server:
            server.start()
            with server.connect() as session:
                session.execute(f"create function write_payload(int, text) returns pg_lsn as '{library}' language c")
                for info, size in ((0x00, 1), (0x10, 300), (0xF0, 20_000)):
                    session.execute("select write_payload(%s, repeat('p', %s))", (info, size))
            server.stop()
            shutil.copytree(server.wal, scratch / "wal")
        corpus = MatrixCorpus(installation, Corpus(major, MB, scratch / "wal"))
        folder = corpus.wal.only(1)
        ours = run_ours("dump", folder)
        assert ours.count(b"rmgr: custom128 ") == 3
        assert_same_output(ours, corpus.waldump(1), corpus.programs)
        assert_same_output(run_ours("dump", "-b", folder), corpus.waldump(1, "-b"), corpus.programs)
        for by, option in (("rmgr", "--stats"), ("record", "--stats=record")):
            table = corpus.waldump(1, option)
            assert_same_output(run_ours("stat", "--by", by, folder), table, corpus.programs)
