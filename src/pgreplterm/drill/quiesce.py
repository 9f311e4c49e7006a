"""Clients kept from writing while a primary is handed over.

Owns: refusing new writes on a primary, waiting for those under way, and ending the rest. Must not: stop the server, or
believe that this is a fence: default_transaction_read_only is a default, which any session may override.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pgreplterm.lab import process

if TYPE_CHECKING:
    from pgreplterm.lab.lab import Lab

SETTING = "default_transaction_read_only"
PATIENCE = 2.0
"""Seconds a transaction that writes may take to end by itself."""

_WRITERS = (
    "FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"
    " AND backend_xid IS NOT NULL"
)
_OFF = ("off", "false", "no", "0")
_LOOKS = 2
"""In a row that must find no writer: a session takes the new setting only with its next statement."""


def refuse_writes(lab: Lab, node: str) -> int:
    """Have a primary refuse new writes, and return when none is under way: how many had to be ended. Raises LabError.

    A transaction that is refused knows that nothing was written. One that is ended does not know its outcome, which
    is why it gets a moment to end by itself.
    """
    with lab.connection(node) as link:
        link.execute(f"ALTER SYSTEM SET {SETTING} = 'on'")
        link.execute("SELECT pg_reload_conf()")
        if _await_quiet(link):
            return 0
        row = link.execute(f"SELECT count(pg_terminate_backend(pid)) {_WRITERS}").fetchone()
        _await_quiet(link)
    return int(row[0]) if row is not None else 0


def allow_writes_at_next_start(lab: Lab, node: str, before: str | None) -> None:
    """Give back the setting in the file and leave the running server as it is. Raises LabError."""
    with lab.connection(node) as link:
        if before is None:
            link.execute(f"ALTER SYSTEM RESET {SETTING}")
        else:
            link.execute(f"ALTER SYSTEM SET {SETTING} = {'off' if before in _OFF else 'on'}")


def _await_quiet(link: Any) -> bool:
    looks = 0

    def quiet() -> bool:
        nonlocal looks
        row = link.execute(f"SELECT count(*) {_WRITERS}").fetchone()
        looks = looks + 1 if row == (0,) else 0
        return looks >= _LOOKS

    return process.wait_until(quiet, PATIENCE)
