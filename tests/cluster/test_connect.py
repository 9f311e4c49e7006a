"""Connection strings: what psql takes, one target per host, and no password anywhere."""

from __future__ import annotations

import os
import re
import traceback
from pathlib import Path

import pytest
from psycopg.conninfo import conninfo_to_dict

from pgreplterm.cluster.connecting.connect import WrongDSN, named_target, scrub, secrets_of, targets
from pgreplterm.errors import ExitCode


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if re.match(r"PG(?!REPLTERM)", name)]:
        monkeypatch.delenv(name)


def addresses(*dsns: str) -> list[str]:
    return [target.address for target in targets(dsns)]


def test_one_target_per_host() -> None:
    assert addresses("host=a,b port=1,2") == ["a:1", "b:2"]
    assert addresses("host=a,b port=7") == ["a:7", "b:7"]
    assert addresses("postgresql://u@a:1,b:2/db?target_session_attrs=read-write") == ["a:1", "b:2"]
    assert addresses("postgres://u@[::1]:5/db") == ["::1:5"]
    assert addresses("host=/run/pg port=6543") == ["/run/pg:6543"]


def test_a_port_left_out_of_a_list_is_the_default() -> None:
    assert addresses("postgresql://h1,h2/") == ["h1:5432", "h2:5432"]
    assert addresses("postgresql://h1:5433,h2/db") == ["h1:5433", "h2:5432"]
    assert addresses("postgresql://h1,h2:5433/db") == ["h1:5432", "h2:5433"]
    assert addresses("host=h1,h2 port=,") == ["h1:5432", "h2:5432"]


def test_a_port_left_out_of_a_list_is_not_pgport(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "6000")
    assert addresses("host=h1,h2") == ["h1:6000", "h2:6000"]
    assert addresses("postgresql://h1,h2/") == ["h1:5432", "h2:5432"]


def test_a_uri_is_decoded() -> None:
    assert addresses("postgresql://%2Frun%2Fpg:6543,[fe80::1%25eth0]:7/db") == ["/run/pg:6543", "fe80::1%eth0:7"]
    (target,) = targets(["postgresql://u%40x:a%3Db@h/d%20b?sslmode=require&connect_timeout=9"])
    parts = conninfo_to_dict(target.conninfo)
    named = {"user": "u@x", "password": "a=b", "dbname": "d b", "sslmode": "require", "connect_timeout": "9"}
    assert named.items() <= parts.items()


def test_one_name_at_two_addresses_is_two_servers() -> None:
    assert addresses("host=db,db hostaddr=10.0.0.1,10.0.0.2") == ["10.0.0.1:5432", "10.0.0.2:5432"]
    assert addresses("host=db hostaddr=10.0.0.1", "hostaddr=10.0.0.1") == ["db:5432"]


def test_every_target_says_the_address_that_a_variable_would_add(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOSTADDR", "10.0.0.1,")
    first, second = (conninfo_to_dict(target.conninfo) for target in targets(["host=a,b"]))
    assert (first["hostaddr"], second["hostaddr"]) == ("10.0.0.1", "")


def test_variables_and_services_keep_their_say(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGOPTIONS", "-c role=monitor")
    monkeypatch.setenv("PGCONNECT_TIMEOUT", "9")
    services = tmp_path / "services.conf"
    services.write_text("[prod]\nhost=p\nreplication=database\nkeepalives_idle=77\npassword=hunter2\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    (target,) = targets(["service=prod"])
    parts = conninfo_to_dict(target.conninfo)
    assert str(parts["options"]).startswith("-c role=monitor -c ")
    assert (parts["connect_timeout"], parts["keepalives_idle"], parts["replication"]) == ("9", "77", "")
    assert secrets_of(target.conninfo) == ("hunter2",)


def test_the_password_of_the_environment_is_a_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    (target,) = targets(["host=h"])
    assert secrets_of(target.conninfo) == ("hunter2",)


def test_a_server_named_twice_is_watched_once() -> None:
    assert addresses("host=a", "postgresql://a:5432/other") == ["a:5432"]


def test_environment_and_service_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PGHOST", "x,y")
    monkeypatch.setenv("PGPORT", "6000")
    assert addresses() == ["x:6000", "y:6000"]

    services = tmp_path / "services.conf"
    services.write_text("[prod]\nhost=p1,p2\nport=6001,6002\nuser=monitor\n")
    monkeypatch.setenv("PGSERVICEFILE", str(services))
    assert addresses("service=prod") == ["p1:6001", "p2:6002"]
    assert "PGSERVICE" not in __import__("os").environ


def test_a_bare_word_is_a_database_as_in_psql() -> None:
    (target,) = targets(["mydb"])
    assert conninfo_to_dict(target.conninfo)["dbname"] == "mydb"


def test_sessions_are_read_only_and_named() -> None:
    (target,) = targets(["host=a options='-c work_mem=1MB' target_session_attrs=primary"])
    parts = conninfo_to_dict(target.conninfo)
    assert parts["application_name"] == "pgreplterm"
    assert parts["target_session_attrs"] == "any"
    options = str(parts["options"])
    assert options.startswith("-c work_mem=1MB ")
    assert "-c default_transaction_read_only=on" in options
    assert "-c search_path=pg_catalog" in options


@pytest.mark.parametrize(
    "dsn",
    [
        "hots=localhost",
        "postgresql://[::1",
        "service=nosuch",
        "host=a port=abc",
        "port=70000",
        "host=a,b,c port=1,2",
        "host=a port=1,2",
        "host=a,b hostaddr=10.0.0.1",
        "postgresql://a:1x,b/",
        "sslmode=foo",
    ],
)
def test_a_wrong_dsn_is_one_sentence(dsn: str) -> None:
    with pytest.raises(WrongDSN) as raised:
        targets([dsn])
    assert raised.value.exit_code is ExitCode.USAGE
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:hunter2%zz@h/db",
        "host=h password=correct hunter2",
        "host=h password='hunter2",
        "host=h password=hunter2 sslmode=foo",
        "host=h password=hunter2 port=x",
    ],
)
def test_no_password_in_any_complaint(dsn: str) -> None:
    with pytest.raises(WrongDSN) as raised:
        targets([dsn])
    assert "hunter2" not in "".join(traceback.format_exception(raised.value))


def test_no_password_in_a_repr() -> None:
    (target,) = targets(["postgresql://u:hunter2@h/db"])
    assert "hunter2" not in repr(target)
    assert secrets_of(target.conninfo) == ("hunter2",)
    assert "hunter2" not in target.address + target.name


@pytest.mark.parametrize(
    "text",
    [
        "host=h password=hunter2 user=u",
        "password = 'it is hunter2'",
        r"password='a\'hunter2' user=u",
        'PASSWORD="hunter2"',
        "sslpassword=hunter2",
        "postgresql://u:hunter2@h:5/db",
        "postgres://:hunter2@h",
        "postgresql://u:p@hunter2@h/db",
        "postgresql://h/db?password=hunter2&sslmode=require",
    ],
)
def test_scrub_finds_passwords(text: str) -> None:
    assert "hunter2" not in scrub(text)


def test_scrub_takes_known_secrets_wherever_they_are_and_leaves_the_rest() -> None:
    assert scrub('FATAL: odd hunter2 in "hunter2"', "hunter2") == 'FATAL: odd *** in "***"'
    harmless = 'password authentication failed for user "u" at postgresql://u@h:5432/db'
    assert scrub(harmless, "") == harmless


def test_an_alias_stands_for_one_server() -> None:
    assert named_target("s1", "host=a port=5").has_alias
    with pytest.raises(WrongDSN, match="names 2 hosts"):
        named_target("s1", "host=a,b")
