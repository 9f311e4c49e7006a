"""Connection strings against psql itself: the servers we reach are the ones it reaches, with the same passwords.

Two servers that only SCRAM opens, each with a password of its own. The second is read-only by default, so psql can be
sent to either host of a list by target_session_attrs.
"""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest
from psycopg import AsyncConnection

from pgreplterm.cluster.connecting.connect import WrongDSN, targets
from pgreplterm.cluster.connecting.resolve import Resolver
from pgreplterm.lab.account import server_account
from pgreplterm.lab.binaries import prepare
from pgreplterm.lab.ports import Reservation
from tests.wal.servers import EDGES, require_bin, scratch_folder

from .replicas import Node

IDENTITY = (
    "select concat_ws(' ', current_setting('cluster_name'), current_user, current_database(),"
    " coalesce(host(inet_server_addr()), 'socket'), current_setting('port'))"
)
PASSWORDS = {"a": r"it's:a\b", "b": "b @/?&="}
_HBA = "local all postgres trust\nlocal all all scram-sha-256\nhost all all all scram-sha-256\n"


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


@dataclass(frozen=True)
class Pair:
    """The two servers, and how a user's files and variables name them."""

    nodes: dict[str, Node]
    folder: Path
    psql: Path

    def filled(self, template: str) -> str:
        """A template with ports, folders and passwords."""
        a, b = self.nodes["a"], self.nodes["b"]
        quoted = {name: word.replace("\\", "\\\\").replace("'", "\\'") for name, word in PASSWORDS.items()}
        return template.format(
            a=a.port, b=b.port, da=a.folder, db=b.folder, ua=str(a.folder).replace("/", "%2F"),
            ub=str(b.folder).replace("/", "%2F"), qa=quoted["a"], services=self.folder / "services",
            passfile=self.folder / "passfile", other=self.folder / "otherpass"
        )  # fmt: skip

    def run_psql(self, dsn: str, **variables: str) -> str | None:
        """What psql reaches; None when it reaches nothing."""
        environment = {"PATH": os.environ["PATH"], "HOME": str(self.folder), **variables}
        command = [self.psql, "-XAtwq", "-c", IDENTITY, *(["-d", dsn] if dsn else [])]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        return done.stdout.strip() if done.returncode == 0 else None


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    with scratch_folder() as scratch, ExitStack() as stack:
        source = require_bin(request.param)
        binaries = prepare(source, server_account(), scratch / "runtime").directory
        reserved = Reservation(2)
        ports = reserved.ports
        reserved.release()
        nodes = {name: _start(stack, binaries, scratch / name, port) for name, port in zip("ab", ports, strict=True)}
        made = Pair(nodes, scratch, source / "psql" if (source / "psql").exists() else Path("psql"))
        _write_files(made)
        yield made


def _start(stack: ExitStack, binaries: Path, folder: Path, port: int) -> Node:
    folder.mkdir(mode=0o755)
    account = server_account()
    account.own(folder)
    addresses = "127.0.0.1,127.0.0.2" + (",::1" if _has_ipv6() else "")
    settings = {"cluster_name": folder.name, "port": port, "listen_addresses": addresses}
    node = Node(binaries, folder, account, settings, name=folder.name, port=port)
    node.initdb()
    (node.data / "pg_hba.conf").write_text(_HBA)
    stack.callback(node.stop)
    node.start()
    password = PASSWORDS[node.name].replace("'", "''")
    node.sql(
        f"create role monitor login password '{password}'",
        "create role root login superuser password 'root'",
        "create database monitor",
        'create database "odd name"',
    )
    if node.name == "b":
        node.sql("alter system set default_transaction_read_only = on", "select pg_reload_conf()")
        node.wait_for("current_setting('default_transaction_read_only') = 'on'")
    return node


def _write_files(pair: Pair) -> None:
    escaped = {name: word.replace("\\", "\\\\").replace(":", "\\:") for name, word in PASSWORDS.items()}
    lines = [
        f"{host}:{node.port}:*:monitor:{escaped[name]}\n"
        for name, node in pair.nodes.items()
        for host in ("127.0.0.1", "127.0.0.2", "localhost", r"\:\:1", node.folder, "nowhere.invalid")
    ]
    _secret(pair.folder / "passfile", "# hosts\n" + "".join(lines))
    _secret(pair.folder / "otherpass", f"*:{pair.nodes['a'].port}:*:*:{escaped['a']}\n")
    services = (
        "[both]\nhost=127.0.0.1,127.0.0.2\nport={a},{b}\nuser=monitor\ndbname=postgres\n\n"
        "[first]\nhost=127.0.0.1\nport={a}\nuser=monitor\npassword={pa}\noptions=-c work_mem=3MB\n"
        "sslmode=disable\n"
    )
    filled = services.replace("{pa}", PASSWORDS["a"]).format(a=pair.nodes["a"].port, b=pair.nodes["b"].port)
    (pair.folder / "services").write_text(filled)


def _secret(path: Path, text: str) -> None:
    path.write_text(text)
    path.chmod(0o600)


WITH_PASSFILE = {"PGPASSFILE": "{passfile}", "PGUSER": "monitor"}
SERVICES = {"PGPASSFILE": "{passfile}", "PGSERVICEFILE": "{services}"}
STRINGS: dict[str, tuple[str, dict[str, str], str]] = {
    "keywords": ("host=127.0.0.1 port={a} user=monitor dbname=postgres", {"PGPASSFILE": "{passfile}"}, "a"),
    "user gives the database": ("host=127.0.0.1 port={a} user=monitor", {"PGPASSFILE": "{passfile}"}, "a"),
    "two ports": ("host=127.0.0.1,127.0.0.1 port={a},{b} dbname=postgres", WITH_PASSFILE, "ab"),
    "one port, two addresses": ("host=127.0.0.1,127.0.0.2 port={a} dbname=postgres", WITH_PASSFILE, "aa"),
    "uri, two ports": ("postgresql://monitor@127.0.0.1:{a},127.0.0.1:{b}/postgres", WITH_PASSFILE, "ab"),
    "uri, short scheme": ("postgres://monitor@127.0.0.1:{b}/postgres", WITH_PASSFILE, "b"),
    "uri, names": ("postgresql://localhost:{a},localhost:{b}/postgres", WITH_PASSFILE, "ab"),
    "uri, password": ("postgresql://monitor:it%27s%3Aa%5Cb@127.0.0.1:{a}/postgres", {}, "a"),
    "uri, other password": ("postgresql://monitor:b%20%40%2F%3F%26%3D@127.0.0.1:{b}/postgres", {}, "b"),
    "uri, odd database": ("postgresql://127.0.0.1:{a}/odd%20name", WITH_PASSFILE, "a"),
    "uri, sockets in hosts": ("postgresql://{ua}:{a},{ub}:{b}/postgres", WITH_PASSFILE, "ab"),
    "uri, sockets in parameters": ("postgresql:///postgres?host={da},{db}&port={a},{b}", WITH_PASSFILE, "ab"),
    "uri, hostaddr": (
        "postgresql://nowhere.invalid,nowhere.invalid/postgres?hostaddr=127.0.0.1,127.0.0.1&port={a},{b}",
        WITH_PASSFILE,
        "ab",
    ),
    "uri, ports in parameters win": ("postgresql://127.0.0.1:1/postgres?port={a}", WITH_PASSFILE, "a"),
    "uri, a port of no host": ("postgresql://:{a}/postgres", {**WITH_PASSFILE, "PGHOST": "127.0.0.1"}, "a"),
    "socket and address": ("host={da},127.0.0.1 port={a},{b} dbname=postgres", WITH_PASSFILE, "ab"),
    "hostaddr alone": ("hostaddr=127.0.0.2 port={a} dbname=postgres", WITH_PASSFILE, "a"),
    "quoted password": ("host=127.0.0.1 port={a} user=monitor password='{qa}' dbname=postgres", {}, "a"),
    "passfile in the string": ("host=127.0.0.1 port={a} user=monitor passfile={other} dbname=postgres", {}, "a"),
    "sslmode": ("host=127.0.0.1 port={a} sslmode=disable dbname=postgres", WITH_PASSFILE, "a"),
    "bare database": ("postgres", {**WITH_PASSFILE, "PGHOST": "127.0.0.1", "PGPORT": "{a}"}, "a"),
    "nothing": ("", {**WITH_PASSFILE, "PGHOST": "127.0.0.1,127.0.0.2", "PGPORT": "{a},{b}"}, "ab"),
    "PGHOST of sockets": ("dbname=postgres", {**WITH_PASSFILE, "PGHOST": "{da},{db}", "PGPORT": "{a},{b}"}, "ab"),
    "PGPORT with hosts": ("postgresql://127.0.0.1,127.0.0.2/postgres?port={a}", {**WITH_PASSFILE, "PGPORT": "1"}, "aa"),
    "PGHOSTADDR goes before host": (
        "host=nowhere.invalid port={a} dbname=postgres",
        {**WITH_PASSFILE, "PGHOSTADDR": "127.0.0.1"},
        "a",
    ),
    "PGPASSWORD, PGDATABASE": (
        "host=127.0.0.1 port={a}",
        {"PGUSER": "monitor", "PGPASSWORD": PASSWORDS["a"], "PGDATABASE": "odd name"},
        "a",
    ),
    "service": ("service=both", SERVICES, "ab"),
    "service in a uri": ("postgresql://?service=both", SERVICES, "ab"),
    "PGSERVICE": ("", {"PGSERVICE": "both", **SERVICES}, "ab"),
    "the string before the service": ("service=both host=127.0.0.1 port={b}", SERVICES, "b"),
    "the service before PG*": ("service=both", {**SERVICES, "PGHOST": "nowhere.invalid", "PGPORT": "1"}, "ab"),
    "a service with its password": ("service=first dbname=postgres", {"PGSERVICEFILE": "{services}"}, "a"),
    "ipv6": ("host=::1 port={a} dbname=postgres", WITH_PASSFILE, "a"),
    "uri, ipv6": ("postgresql://[::1]:{a},[::1]:{b}/postgres", WITH_PASSFILE, "ab"),
    "no password": ("host=127.0.0.1 port={a} user=monitor dbname=postgres", {}, ""),
    "one port too few": ("host=127.0.0.1,127.0.0.1,127.0.0.1 port={a},{b}", WITH_PASSFILE, ""),
    "one address too few": ("host=127.0.0.1,127.0.0.1 hostaddr=127.0.0.1 port={a}", WITH_PASSFILE, ""),
    "no such service": ("service=none host=127.0.0.1 port={a}", {"PGSERVICEFILE": "{services}"}, ""),
    "no such passfile": ("host=127.0.0.1 port={a} passfile=/nonexistent", WITH_PASSFILE, ""),
}


async def reached(dsn: str) -> list[str]:
    """What each target of a string reaches, connected to as sampling does."""
    found = []
    for target in targets([dsn] if dsn else []):
        conninfo = await Resolver(target.conninfo).conninfo()
        async with await AsyncConnection.connect(conninfo, autocommit=True) as session:
            row = await (await session.execute(IDENTITY.encode())).fetchone()
            assert row is not None
            found.append(str(row[0]))
    return found


@pytest.mark.parametrize("name", STRINGS)
async def test_we_reach_what_psql_reaches(name: str, pair: Pair, monkeypatch: pytest.MonkeyPatch) -> None:
    template, variables, servers = STRINGS[name]
    if "ipv6" in name and not _has_ipv6():
        pytest.skip("this machine has no ::1")
    dsn = pair.filled(template)
    variables = {key: pair.filled(text) for key, text in variables.items()}
    for key in [key for key in os.environ if key.startswith("PG") and not key.startswith("PGREPLTERM")]:
        monkeypatch.delenv(key)
    for key, text in {**variables, "HOME": str(pair.folder)}.items():
        monkeypatch.setenv(key, text)

    theirs = pair.run_psql(dsn, **variables)
    if not servers:
        assert theirs is None
        with pytest.raises((WrongDSN, psycopg.OperationalError)):
            await reached(dsn)
        return
    ours = await reached(dsn)
    assert "".join(one[0] for one in ours) == servers
    assert ours[0] == theirs
    if "b" in servers:
        assert ours[servers.index("b")] == pair.run_psql(dsn, PGTARGETSESSIONATTRS="read-only", **variables)
