"""The password file against libpq's own reading of it, and the default socket whoever built libpq."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import PGconn

from pgreplterm.cluster.connecting import connect, hosts
from pgreplterm.cluster.connecting.connect import targets
from pgreplterm.cluster.connecting.pgpass import password_of

FOLDER = "/nonexistent"


def by_libpq(path: Path, who: tuple[str, str, str, str]) -> str:
    """The password it would use; it is looked up before connecting, which fails at once."""
    host, port, dbname, user = who
    conninfo = make_conninfo("", host=host, port=port, dbname=dbname, user=user, passfile=str(path))
    attempt = PGconn.connect_start(conninfo.encode())
    found = (attempt.password or b"").decode()
    attempt.finish()
    return found


def secret(path: Path, text: str) -> Path:
    path.touch(0o600)
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    "text",
    [
        f"{FOLDER}:5432:db:u:plain\n",
        "*:*:*:*:any\n",
        f"other:5432:db:u:no\n# {FOLDER}:5432:db:u:comment\n{FOLDER}:5432:db:u:second\n",
        f"{FOLDER}:5433:*:*:no\n{FOLDER}:*:*:*:first\n{FOLDER}:*:*:*:later\n",
        f"{FOLDER}:5432:db:u:it\\:is\\\\odd:rest\n",
        f"{FOLDER}:5432:d\\b:u:escaped letter\n",
        f"{FOLDER}:5432:db:u\n",
        f"{FOLDER}:5432:db:u:no newline",
        "",
    ],
)
def test_a_file_reads_as_libpq_reads_it(text: str, tmp_path: Path) -> None:
    path = secret(tmp_path / "passfile", text)
    who = (FOLDER, "5432", "db", "u")
    assert (password_of(path, who) or "") == by_libpq(path, who)


@pytest.mark.parametrize("seed", range(20))
def test_so_does_any_file(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    pieces = ["*", "/a", "/a\\:b", "1", "2", "d", "d\\\\", "u", "\\", ":", "#", ""]
    for number in range(20):
        lines = [
            ":".join(chance.choice(pieces) for _ in range(chance.choice([4, 5, 5, 5, 6])))
            for _ in range(chance.randrange(6))
        ]
        path = secret(tmp_path / str(number), "\n".join(lines))
        for host in ("/a", "/a:b"):
            for dbname in ("d", "d\\"):
                who = (host, chance.choice("12"), dbname, "u")
                assert (password_of(path, who) or "") == by_libpq(path, who), (lines, who)


@pytest.mark.filterwarnings("ignore")
def test_a_file_that_others_may_read_does_not_count(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = secret(tmp_path / "passfile", "*:*:*:*:any\n")
    path.chmod(0o640)
    who = (FOLDER, "5432", "db", "u")
    assert password_of(path, who) is None
    assert by_libpq(path, who) == ""
    assert "passfile" in capfd.readouterr().err


def test_the_default_socket_is_localhost_in_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (hosts, connect):
        monkeypatch.setattr(module, "SOCKET_FOLDERS", (str(tmp_path),))
    monkeypatch.delenv("PGPASSWORD", raising=False)
    monkeypatch.setenv("PGPASSFILE", str(secret(tmp_path / "passfile", "localhost:5432:db:u:hunter2\n")))

    def password(dsn: str) -> object:
        (target,) = targets([dsn])
        return conninfo_to_dict(target.conninfo).get("password")

    assert password("dbname=db user=u") == "hunter2"
    assert password(f"host={tmp_path} dbname=db user=u") == "hunter2"
    assert password("dbname=db user=u password=own") == "own"
    assert password("dbname=db user=other") is None
    assert password("host=/elsewhere dbname=db user=u") is None
    secret(tmp_path / "passfile", f"{tmp_path}:*:*:*:by folder\nlocalhost:*:*:*:hunter2\n")
    assert password("dbname=db user=u") is None
