"""What a person has to type on a machine that we cannot reach.

Owns: those commands, quoted for a shell, without any password. Must not: run one.

libpq finds the password in the file of passwords of whoever runs the command (~/.pgpass): never in an argument, which
every account of the machine can read.
"""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote

from pgreplterm.cluster.words import printable


@dataclass(frozen=True, slots=True)
class Command:
    """One line for a shell on the machine of a node, as the account that owns the data directory."""

    node: str
    line: str


def stop(node: str, folder: str) -> Command:
    """Fast: it ends sessions, sends all WAL to its standbys, and writes a shutdown checkpoint."""
    return Command(node, f"pg_ctl stop -m fast -D {_word(folder)}")


def stop_at_once(node: str, folder: str) -> Command:
    """Immediate: nothing is sent, nothing is flushed; for a primary that must not come back."""
    return Command(node, f"pg_ctl stop -m immediate -D {_word(folder)}")


def start(node: str, folder: str) -> Command:
    """The log goes beside the data."""
    return Command(node, f"pg_ctl start -D {_word(folder)} -l {_word(folder)}.log")


def standby_signal(node: str, folder: str) -> Command:
    """The next start is as a standby."""
    return Command(node, f"touch {_word(folder)}/standby.signal")


def rewind(node: str, folder: str, source: str) -> Command:
    """The server must be down; postgresql.conf and pg_hba.conf in the directory become the source's."""
    return Command(node, f"pg_rewind --target-pgdata={_word(folder)} --source-server={_word(source)} --progress")


def keep_files(node: str, folder: str) -> Command:
    """The node's own settings: port, socket, name, whom it follows."""
    return Command(node, f"mkdir -p {_word(folder)}.conf && cp -p {_word(folder)}/*.conf {_word(folder)}.conf/")


def give_files_back(node: str, folder: str, kept: str) -> Command:
    """Over those that came from the source."""
    return Command(node, f"cp -p {_word(folder)}.{kept}/*.conf {_word(folder)}/")


def set_aside(node: str, folder: str) -> Command:
    """Nothing is deleted."""
    return Command(node, f"mv {_word(folder)} {_word(folder)}.aside")


def base_backup(node: str, folder: str, source: str, slot: str | None) -> Command:
    """A new copy, which will start as a standby."""
    of_slot = f" -S {_word(slot)}" if slot else ""
    return Command(
        node, f"pg_basebackup -D {_word(folder)} -d {_word(source)} -X stream -c fast -R{of_slot} --progress"
    )


def append_settings(node: str, folder: str, settings: dict[str, str]) -> Command:
    """postgresql.auto.conf is read last; a server that is down knows no ALTER SYSTEM."""
    lines = " ".join(_word(f"{name} = '{_doubled(value)}'") for name, value in settings.items())
    return Command(node, f"printf '%s\\n' {lines} >> {_word(folder)}/postgresql.auto.conf")


def conninfo(host: str, port: int, user: str | None, **more: str) -> str:
    """Keywords without a password."""
    words = {"host": host, "port": str(port), **({"user": user} if user else {}), **more}
    return " ".join(f"{name}={_quoted(value)}" for name, value in words.items() if value)


def _word(text: str) -> str:
    """One word of a shell; server text cannot add another."""
    return quote(printable(text))


def _quoted(value: str) -> str:
    if value and not set(value) & set(" '\\"):
        return value
    escaped = value.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def _doubled(value: str) -> str:
    return value.replace("'", "''")
