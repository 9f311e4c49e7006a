"""The ledger's file: a line that says what it is, and a line of JSON that holds its rows.

Owns: reading it back or saying why not, and writing it whole or not at all.
Must not: believe a file because of its name; delete what it cannot read.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pgreplterm.wal.errors import WalError
from pgreplterm.wal.ledger_json import Kept, kept_from_json, kept_to_json
from pgreplterm.wal.source import WalSource

FORMAT, VERSION = "pgreplterm WAL ledger", 1
_IDENTITY = ("PostgreSQL", "system identifier", "segment size", "page size", "block size")


class UnusableLedger(Exception):
    """Why a ledger is ignored: a clause."""


def read_ledger(path: Path, source: WalSource) -> list[Kept]:
    """The rows; none where there is no file. Raises UnusableLedger when it is damaged, or of another source."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError) as error:
        raise UnusableLedger(f"expected a ledger that can be read; {error}") from error
    head, _, body = text.partition("\n")
    body = body.removesuffix("\n")
    with _said("expected a ledger"):
        found = json.loads(head)
        if found["format"] != FORMAT:
            raise ValueError(f"found format {found['format']!r}")
        if found["version"] != VERSION:
            raise ValueError(f"found one of version {found['version']!r}, not {VERSION}")
        if found["sha256"] != hashlib.sha256(body.encode()).hexdigest():
            raise ValueError("its checksum is wrong, so it is damaged")
        identity, rows = json.loads(body)
    with _said("expected a ledger of this source"):
        _compare(_identity(source), identity)
        return [kept_from_json(row, source.segment_size) for row in rows]


def write_ledger(path: Path, source: WalSource, rows: Iterable[Kept], *, set_aside: bool) -> None:
    """Replace the file at once; with set_aside what was there is renamed, for it may be no ledger at all.

    Raises WalError when it cannot be written.
    """
    body = json.dumps([_identity(source), [kept_to_json(kept) for kept in rows]], separators=(",", ":"))
    digest = hashlib.sha256(body.encode()).hexdigest()
    head = json.dumps({"format": FORMAT, "version": VERSION, "sha256": digest})
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        try:
            with draft.open("w", encoding="utf-8") as stream:
                stream.write(f"{head}\n{body}\n")
                stream.flush()
                os.fsync(stream.fileno())
            if set_aside:
                path.rename(_free_name(path))
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as error:
        raise WalError(f"{path}: expected a ledger that can be written; {error.strerror}.") from error


def _free_name(path: Path) -> Path:
    number = 1
    while (name := path.with_name(f"{path.name}.old{number}")).exists():
        number += 1
    return name


def _identity(source: WalSource) -> list[int]:
    return [source.format.major, source.system_identifier, source.segment_size, source.page_size, source.block_size]


def _compare(expected: list[int], found: list[Any]) -> None:
    for name, mine, theirs in zip(_IDENTITY, expected, found, strict=True):
        if mine != theirs:
            raise ValueError(f"found one of {name} {theirs}, not {mine}")


@contextlib.contextmanager
def _said(expected: str) -> Iterator[None]:
    try:
        yield
    except (ValueError, TypeError, KeyError) as error:
        reason = f"it has no {error}" if isinstance(error, KeyError) else error
        raise UnusableLedger(f"{expected}; {reason}") from error
