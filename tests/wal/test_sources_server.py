"""The WAL of a running server through SQL, by roles that may and roles that may not."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.cli.wal_source import open_any
from pgreplterm.cluster.connecting.connect import WrongDSN
from pgreplterm.cluster.decoded.wal_files import open_server
from pgreplterm.errors import CannotConnect, ExitCode, NoPrivilege
from pgreplterm.wal import WalError, open_source
from pgreplterm.wal.errors import WalDeniedError
from pgreplterm.wal.source import first_page_state

from .servers import EDGES, Server, throwaway_server
from .test_sources_files import facts

_READ = "pg_read_binary_file(text, bigint, bigint, boolean)"
ROLES = {
    "nothing": (),
    "lists": ("grant pg_monitor to lists",),
    "reads": (f"grant execute on function {_READ} to reads",),
    "member": ("grant pg_read_server_files to member", "grant pg_monitor to member"),
    "both": ('grant pg_monitor to "both"', f'grant execute on function {_READ} to "both"'),
}


@pytest.fixture(scope="module", params=EDGES)
def server(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Server]:
    """A server with some WAL, at rest, and one role for each set of grants."""
    with throwaway_server(request.param, scratch / "asked", "--wal-segsize=1") as server:
        with server.connect() as session:
            for role, grants in ROLES.items():
                session.execute(f'create role "{role}" login')
                for grant in grants:
                    session.execute(grant)
            session.execute("create table filler as select n, repeat('f', 100) from generate_series(1, 20000) n")
            session.execute("checkpoint")
            session.execute("select pg_switch_wal()")
            session.execute("create table more as select n from generate_series(1, 500) n")
        yield server


def _dsn(server: Server, role: str = "postgres") -> str:
    return f"host={server.folder} user={role} dbname=postgres"


@pytest.mark.parametrize("role", ["postgres", "both"])
def test_it_reads_as_the_folder_does(server: Server, role: str) -> None:
    remote, local = open_server(_dsn(server, role)), open_source(server.data)
    assert [segment.file_name for segment in remote.segments] == [segment.file_name for segment in local.segments]
    assert [first_page_state(remote, each) for each in remote.segments] == [
        first_page_state(local, each) for each in local.segments
    ]
    assert (remote.server_state, remote.block_size) == ("in production", 8192)
    before, after = facts(local), facts(open_source(server.data))
    (found,) = facts(remote)
    assert before[0][3] <= found[3] <= facts(open_source(server.data))[0][3]  # type: ignore[operator]
    assert found[0:3] == after[0][0:3]


def test_the_bytes_are_the_files(server: Server) -> None:
    """Whole, from an offset, and across the end."""
    remote, local = open_server(_dsn(server)), open_source(server.data)
    mine, theirs = remote.segments[0], local.segments[0]
    with mine.open() as ours, theirs.open() as files:
        assert ours.read() == files.read()
    with mine.open(700_001) as ours, theirs.open(700_001) as files:
        assert ours.read() == files.read()
    assert mine.read_at(remote.segment_size - 10, 100) == theirs.read_at(remote.segment_size - 10, 100)


@pytest.mark.parametrize(
    ("role", "function"),
    [
        ("nothing", "pg_ls_waldir"),
        ("lists", "pg_read_binary_file"),
        ("reads", "pg_ls_waldir"),
        ("member", "pg_read_bin"),
    ],
)
def test_a_role_that_may_not_is_told_what_it_lacks(server: Server, role: str, function: str) -> None:
    """pg_read_server_files alone is not enough: it lifts the limit to the data directory, not the function's own."""
    with pytest.raises(WalDeniedError) as refused:
        open_server(_dsn(server, role))
    assert refused.value.exit_code == ExitCode.NO_PRIVILEGE
    said = str(refused.value)
    assert f"may call {function}" in said
    assert f"GRANT EXECUTE ON FUNCTION {_READ}" in said
    assert "GRANT pg_monitor" in said
    assert "\n" not in said


def test_the_grants_named_are_the_ones_that_help(server: Server) -> None:
    """What the sentence says to grant is what the role "both" has."""
    assert list(wal.verify(open_server(_dsn(server, "both"))))


def test_a_role_that_does_not_exist(server: Server) -> None:
    with pytest.raises(NoPrivilege, match="refused the session"):
        open_server(_dsn(server, "nobody_at_all"))


def test_no_server(tmp_path: Path) -> None:
    with pytest.raises(CannotConnect, match=r"expected a server that answers; .*\.$"):
        open_server(f"host={tmp_path} user=postgres")


def test_a_password_is_never_shown(tmp_path: Path) -> None:
    source = f"postgresql://someone:hunter2@localhost:1/db?host={tmp_path}"
    with pytest.raises(CannotConnect) as refused:
        open_any(source)
    assert "hunter2" not in str(refused.value)


def test_a_segment_that_is_recycled_while_it_is_read(server: Server) -> None:
    """The name is gone, or is another segment's by now; here it is gone."""
    source = open_server(_dsn(server))
    segment = source.segments[0]
    path = server.wal / segment.file_name
    with segment.open() as stream:
        assert stream.read(10)
        hidden = path.rename(path.with_name("hidden"))
        try:
            with pytest.raises(WalError, match=rf"{segment.file_name}: this segment is gone .* look again\.$"):
                while stream.read(1 << 20):
                    pass
                segment.read_at(0, 10)
        finally:
            hidden.rename(path)


def test_the_session_writes_nothing_and_crosses_to_another_process(server: Server) -> None:
    source = open_server(_dsn(server))
    copied = pickle.loads(pickle.dumps(source))
    assert copied.segments[0].read_at(0, 40) == source.segments[0].read_at(0, 40)
    with server.connect() as session:
        rows = session.execute(
            "select count(*) from pg_stat_activity where application_name = 'pgreplterm' and backend_xid is not null"
        ).fetchone()
    assert rows == (0,)


def test_a_server_that_restarts_is_one_sentence(scratch: Path) -> None:
    with throwaway_server(EDGES[0], scratch / "restarted", "--wal-segsize=1") as server:
        source = open_server(_dsn(server))
        server.stop()
        with pytest.raises(CannotConnect, match=r"expected a server that answers"):
            source.segments[0].read_at(0, 10)
        server.start()
        assert source.segments[0].read_at(0, 10)


def test_several_hosts_are_refused() -> None:
    with pytest.raises(WrongDSN, match="the connection string names 2: h1:5432, h2:5432"):
        open_any("host=h1,h2")
