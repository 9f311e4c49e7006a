"""Connection strings: from what a user types to one target per server.

Owns: reading a DSN as psql does, splitting a multi-host one, the options of every session, and ``scrub``.
Must not: connect. A password lives only inside ``Target.conninfo``, which no repr shows.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, ConnStatus, PGconn

from pgreplterm.errors import ExitCode, PgReplTermError

# A server this slow to answer is unwatchable; the sampler's own timeout is shorter and does the real work.
STATEMENT_TIMEOUT_MS = 5000
SESSION_SETTINGS = {
    "default_transaction_read_only": "on",
    "statement_timeout": str(STATEMENT_TIMEOUT_MS),
    "lock_timeout": "1000",
    "idle_in_transaction_session_timeout": "10000",
    "search_path": "pg_catalog",
    "jit": "off",
}
_SOCKET_FOLDERS = ("/var/run/postgresql", "/tmp")
_SECRET_OPTIONS = ("password", "sslpassword", "oauth_client_secret", "scram_client_key", "scram_server_key")


class WrongDSN(PgReplTermError):
    """A connection string libpq cannot read."""

    exit_code = ExitCode.USAGE


@dataclass(frozen=True, slots=True)
class Target:
    """One server to watch.

    name is the alias the user or a lab gave, or host:port; address is host:port, or the socket's folder and
    port. conninfo is complete, session options and any password included, and therefore never shown.
    """

    name: str
    address: str
    conninfo: str = field(repr=False)
    has_alias: bool = False


def targets(dsns: Sequence[str]) -> tuple[Target, ...]:
    """One target per host of each DSN, each server once; no DSN means libpq's defaults and PG* variables.

    Raises WrongDSN.
    """
    found: dict[str, Target] = {}
    for dsn in dsns or ("",):
        for target in _expand(dsn):
            found.setdefault(target.address, target)
    return tuple(found.values())


def named_target(name: str, dsn: str) -> Target:
    """The target of a DSN that names one server, under a name that sampling will not replace. Raises WrongDSN."""
    expanded = _expand(dsn)
    if len(expanded) != 1:
        raise WrongDSN(f"the connection string of {name} names {len(expanded)} hosts; give one per node")
    return Target(name, expanded[0].address, expanded[0].conninfo, has_alias=True)


def scrub(text: str, *secrets: str) -> str:
    """The text without passwords: those given, those in ``key=value`` form, and those inside URIs."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    options = "|".join(_SECRET_OPTIONS)
    quoted_or_bare = r"(?:'(?:[^'\\]|\\.)*'?|\"[^\"]*\"?|[^\s&'\"]+)"
    text = re.sub(rf"(?i)\b({options})(\s*=\s*){quoted_or_bare}", r"\1\2***", text)
    return re.sub(r"(?i)(\bpostgres(?:ql)?://[^\s/?#:@]*):[^\s]*@", r"\1:***@", text)


def secrets_of(conninfo: str) -> tuple[str, ...]:
    """The passwords inside a conninfo, for ``scrub``."""
    parts = conninfo_to_dict(conninfo)
    return tuple(str(parts[key]) for key in _SECRET_OPTIONS if parts.get(key))


def _expand(dsn: str) -> list[Target]:
    parts = _parse(dsn)
    _check(parts)
    defaults = _defaults(parts.get("service"))
    hosts = _split(parts.get("host") or ("" if parts.get("hostaddr") else defaults.get("host", "")))
    addresses = _split(parts.get("hostaddr") or ("" if parts.get("host") else defaults.get("hostaddr", "")))
    ports = _split(parts.get("port") or defaults.get("port") or "5432")
    count = max(len(hosts), len(addresses))
    if len(ports) == 1:
        ports = ports * count
    if len(ports) != count or min(len(hosts), len(addresses)) not in (1, count):
        raise WrongDSN(f"a connection string needs one port for all hosts or one each; found {len(ports)} for {count}")
    hosts, addresses = _pad(hosts, count), _pad(addresses, count)
    return [_target(parts, *each) for each in zip(hosts, addresses, ports, strict=True)]


def _target(parts: dict[str, str], host: str, hostaddr: str, port: str) -> Target:
    host = host or hostaddr or _socket_folder(port)
    options = " ".join(f"-c {key}={value}" for key, value in SESSION_SETTINGS.items())
    session: dict[str, str | None] = {
        "host": host,
        "hostaddr": hostaddr or None,
        "port": port,
        "target_session_attrs": "any",
        "replication": None,
        "application_name": "pgreplterm",
        "client_encoding": "UTF8",
        "connect_timeout": parts.get("connect_timeout") or "5",
        "tcp_user_timeout": "5000",
        "keepalives_idle": "10",
        "keepalives_interval": "2",
        "keepalives_count": "3",
        "options": f"{parts.get('options', '')} {options}".strip(),
    }
    address = f"{host}:{port}"
    return Target(address, address, make_conninfo("", **{**parts, **session}))


def _parse(dsn: str) -> dict[str, str]:
    """As psql: a word that is neither URI nor keywords is a database name."""
    if dsn and "=" not in dsn and not re.match(r"postgres(ql)?://", dsn):
        return {"dbname": dsn}
    try:
        return {key: str(value) for key, value in conninfo_to_dict(dsn).items()}
    except ProgrammingError as error:
        raise WrongDSN(_wrong(str(error), dsn)) from None


def _check(parts: dict[str, str]) -> None:
    """Let libpq itself judge the values (service, sslmode, port...), on a socket that cannot exist."""
    nowhere = {**parts, "host": "/nonexistent/pgreplterm", "hostaddr": "", "port": "5432"}
    attempt = PGconn.connect_start(make_conninfo("", **nowhere).encode())
    message = attempt.error_message.decode("utf-8", "replace")
    attempt.finish()
    if attempt.status == ConnStatus.BAD and "/nonexistent/pgreplterm" not in message:
        raise WrongDSN(_wrong(message, " ".join(parts)))
    for port in _split(parts.get("port", "5432")):
        if port and not (port.isdigit() and 0 < int(port) < 65536):
            raise WrongDSN(f"a connection string needs ports from 1 to 65535; found {port!r}")


def _wrong(message: str, dsn: str) -> str:
    """libpq quotes the piece it stumbled on, which may be a piece of a password: then the quote is left out."""
    line = message.strip().splitlines()[0] if message.strip() else "it cannot be read"
    if "password" in dsn or "@" in dsn:
        line = re.sub(r'"[^"]*"?', '"..."', line)
    return f"wrong connection string: {scrub(line)}; give a URI, keyword=value pairs or service=NAME"


def _defaults(service: str | None) -> dict[str, str]:
    """libpq's defaults: PG* variables, and the service file of that service, as libpq itself reads them."""
    with _environment("PGSERVICE", service):
        options = Conninfo.get_defaults()
    return {option.keyword.decode(): option.val.decode() for option in options if option.val}


@contextmanager
def _environment(name: str, value: str | None) -> Iterator[None]:
    before = os.environ.get(name)
    if value is not None:
        os.environ[name] = value
    try:
        yield
    finally:
        if before is not None:
            os.environ[name] = before
        elif value is not None:
            del os.environ[name]


def _split(text: str) -> list[str]:
    return text.split(",")


def _pad(items: list[str], count: int) -> list[str]:
    return items if len(items) == count else items * count


def _socket_folder(port: str) -> str:
    """Where psql would look for a local server: the folder that holds its socket, Debian's before upstream's."""
    holding = [folder for folder in _SOCKET_FOLDERS if Path(folder, f".s.PGSQL.{port}").exists()]
    return (holding or list(_SOCKET_FOLDERS))[0]
