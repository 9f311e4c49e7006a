"""The files a lab keeps: settings, addresses, journals. No server."""

from __future__ import annotations

from pathlib import Path

import psycopg.conninfo
import pytest

from pgreplterm.lab import conninfo, tools
from pgreplterm.lab.config import MIB, postgresql_conf
from pgreplterm.lab.journal import Attempt, Outcome, client_of, read_journal

ATTEMPT = Attempt(7, 10.5, 1700000000.25, 10.75, Outcome.ERROR, None, "connection\n\tfailed:  refused")


def test_a_journal_reads_back_and_a_torn_last_line_is_no_attempt(tmp_path: Path) -> None:
    path = tmp_path / "probe-12.tsv"
    path.write_text(ATTEMPT.line() + ATTEMPT.line()[:20])
    (read,) = read_journal(path)
    assert read.reason == "connection failed: refused"
    assert (read.id, read.sent_at, read.ended_at, read.outcome, read.port) == (7, 10.5, 10.75, Outcome.ERROR, None)
    assert client_of(path) == 12
    path.write_text("nonsense\n")
    with pytest.raises(ValueError, match=r"probe-12\.tsv:1: expected a probe attempt"):
        read_journal(path)


@pytest.mark.parametrize("folder", ["/dev/shm/lab", "/tmp/a b/it's", "/tmp/back\\slash/?&=%"])
def test_addresses_survive_any_folder_name(folder: str) -> None:
    passfile = Path(folder) / "pgpass"
    by_uri = psycopg.conninfo.conninfo_to_dict(conninfo.dsn(5433, passfile))
    by_words = psycopg.conninfo.conninfo_to_dict(conninfo.keywords(5433, passfile))
    assert by_uri == by_words
    assert by_uri["passfile"] == str(passfile)
    assert by_uri["port"] == "5433"


@pytest.mark.parametrize("segment", [1, 16, 64, 1024])
def test_wal_sizes_are_at_least_two_segments(segment: int) -> None:
    text = postgresql_conf("pg1", 5433, Path("/lab/it's"), segment * MIB, None)
    settings = dict(line.split(" = ", 1) for line in text.splitlines() if " = " in line)
    for name in ("min_wal_size", "max_wal_size", "wal_keep_size"):
        assert int(settings[name].strip("'").removesuffix("MB")) >= 2 * segment
    assert settings["data_directory"] == "'/lab/it''s/data'"
    assert "primary_conninfo" not in settings


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        ("", "it said nothing"),
        ("a\nb\n", "b"),
        ("initdb: error: no\ninitdb: hint: do\n", "error: no"),
        (
            "2026 [1] FATAL:  bad\n2026 [1] LOG:  shut down\n2026 [2] FATAL:  the database system is starting up",
            "FATAL:  bad",
        ),
        (
            'LOG:  unrecognized configuration parameter "x" in file "c" line 3\n'
            'FATAL:  configuration file "c" contains errors\n',
            'unrecognized configuration parameter "x" in file "c" line 3',
        ),
    ],
)
def test_the_telling_line_of_a_program(output: str, reason: str) -> None:
    assert tools.last_line(output) == reason
