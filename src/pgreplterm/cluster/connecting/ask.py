"""Questions to one server, one statement at a time, in a session that cannot write.

Owns: that short session. Must not: be given a statement from outside this program.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from pgreplterm.cluster.connecting.connect import Target, scrub, secrets_of
from pgreplterm.errors import CannotConnect

Ask = Callable[[str], Sequence[Sequence[Any]] | None]


@contextmanager
def asking(target: Target) -> Iterator[Ask]:
    """Rows of each statement; None when the server refuses that one. Raises CannotConnect.

    The session is read-only and impatient, as every session of a Target is.
    """
    try:
        session = psycopg.connect(target.conninfo, autocommit=True)
    except psycopg.Error as error:
        said = scrub(str(error).strip().splitlines()[0], *secrets_of(target.conninfo))
        raise CannotConnect(f"{target.name} cannot be reached: {said}") from None

    def ask(statement: str) -> Sequence[Sequence[Any]] | None:
        try:
            return session.execute(statement.encode()).fetchall()
        except psycopg.Error:
            return None

    with session:
        yield ask
