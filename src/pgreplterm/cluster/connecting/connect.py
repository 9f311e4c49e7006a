"""Connection strings: from what a user types to one target per server.

Owns: reading a DSN as psql does, a target for each of its hosts, the options of every session, and ``scrub``.
Must not: connect. A password lives only inside ``Target.conninfo``, which no repr shows.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Conninfo, ConnStatus, PGconn

from pgreplterm.cluster.connecting.hosts import SOCKET_FOLDERS, Place, places
from pgreplterm.cluster.connecting.pgpass import passfile, password_of
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
# How soon a dead link is noticed, unless the user says otherwise.
_PATIENCE = {
    "connect_timeout": "5",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "10",
    "keepalives_interval": "2",
    "keepalives_count": "3",
}
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
    discovered: bool = False  # found through a neighbour, not named by the user


def targets(dsns: Sequence[str]) -> tuple[Target, ...]:
    """One target per host of each DSN, each server once; no DSN means libpq's defaults and PG* variables.

    Raises WrongDSN.
    """
    found: dict[str, Target] = {}
    for dsn in dsns or ("",):
        for place, target in _expand(dsn):
            found.setdefault(place.reached_at, target)
    shared = Counter(target.address for target in found.values())
    return tuple(
        target if shared[target.address] == 1 else replace(target, name=reached_at, address=reached_at)
        for reached_at, target in found.items()
    )


def named_target(name: str, dsn: str) -> Target:
    """The target of a DSN that names one server, under a name that sampling will not replace. Raises WrongDSN."""
    expanded = _expand(dsn)
    if len(expanded) != 1:
        raise WrongDSN(f"the connection string of {name} names {len(expanded)} hosts; give one per node")
    return replace(expanded[0][1], name=name, has_alias=True)


def scrub(text: str, *secrets: str) -> str:
    """The text without passwords: those given, those in ``key=value`` form, and those inside URIs."""
    for secret in filter(None, secrets):
        text = text.replace(secret, "***")
    options = "|".join(_SECRET_OPTIONS)
    quoted_or_bare = r"(?:'(?:[^'\\]|\\.)*'?|\"[^\"]*\"?|[^\s&'\"]+)"
    text = re.sub(rf"(?i)\b({options})(\s*=\s*){quoted_or_bare}", r"\1\2***", text)
    return re.sub(r"(?i)(\bpostgres(?:ql)?://[^\s/?#:@]*):[^\s]*@", r"\1:***@", text)


def secrets_of(conninfo: str) -> tuple[str, ...]:
    """The passwords that go with a conninfo, for ``scrub``: also those of PGPASSWORD and of its service."""
    given = _parse(conninfo)
    parts = {**_defaults(given.get("service")), **given}
    return tuple(str(parts[key]) for key in _SECRET_OPTIONS if parts.get(key))


def shown(dsn: str) -> str:
    """The connection string without its passwords; one that cannot be read is not shown at all."""
    try:
        parts = _parse(dsn)
    except WrongDSN:
        return "(a connection string that cannot be read)"
    hidden = {key: "***" for key in _SECRET_OPTIONS if parts.get(key)}
    return make_conninfo("", **{**parts, **hidden}) if hidden else dsn


def libpq_version() -> str:
    """The libpq that speaks to servers, and how psycopg comes by it."""
    major, minor = divmod(pq.version(), 10000)
    return f"{major}.{minor} (psycopg's {pq.__impl__})"


def _expand(dsn: str) -> list[tuple[Place, Target]]:
    parts = _parse(dsn)
    _check(parts)
    everything = {**_defaults(parts.get("service")), **parts}
    try:
        found = places(everything)
    except ValueError as error:
        raise WrongDSN(str(error)) from None
    return [(place, _target(parts, everything, place)) for place in found]


def _target(parts: dict[str, str], everything: dict[str, str], place: Place) -> Target:
    """parts are what the string says; what it leaves to PG* variables and the service file, libpq itself adds again.

    So what must not be added again is said empty.
    """
    options = " ".join(f"-c {key}={value}" for key, value in SESSION_SETTINGS.items())
    session: dict[str, str | None] = {
        "host": place.host,
        "hostaddr": place.hostaddr or ("" if everything.get("hostaddr") else None),
        "port": place.port,
        "target_session_attrs": "any",
        "replication": "" if everything.get("replication") else None,
        "application_name": "pgreplterm",
        "client_encoding": "UTF8",
        "options": f"{everything.get('options', '')} {options}".strip(),
    }
    if place.host in SOCKET_FOLDERS and not everything.get("password"):
        parts = {**parts, **_password_by_localhost(everything, place)}
    patience = {key: everything.get(key) or value for key, value in _PATIENCE.items()}
    return Target(place.address, place.address, make_conninfo("", **{**parts, **patience, **session}))


def _password_by_localhost(everything: dict[str, str], place: Place) -> dict[str, str]:
    """libpq calls its default socket localhost in the password file, but only the folder it was built with."""
    who = (place.port, everything.get("dbname") or everything.get("user", ""), everything.get("user", ""))
    path = passfile(everything.get("passfile"))
    if password_of(path, (place.host, *who)) is not None:
        return {}
    password = password_of(path, ("localhost", *who))
    return {} if password is None else {"password": password}


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
