"""What a lab is built on, before there is one: programs, and what the backend prepares besides files.

Owns: the contract, and the local half, which prepares nothing. Must not: build.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pgreplterm.lab import binaries
from pgreplterm.lab.account import Account
from pgreplterm.lab.backend import Backend
from pgreplterm.lab.binaries import Binaries
from pgreplterm.lab.local import LocalBackend
from pgreplterm.lab.state import LabState


class Ground(Protocol):
    """One backend before the lab; the methods are called in this order, once each."""

    def programs(self, directory: Path) -> Binaries:
        """PostgreSQL as the servers will have it; copied below the lab's folder if need be. Raises LabError."""
        ...

    def backend(self, name: str, directory: Path) -> Backend:
        """The backend of the lab that is to be."""
        ...

    def prepare(self, lab: LabState) -> Iterator[LabState]:
        """Make what servers need besides files; the lab after each step, to be recorded before the next.

        The first one comes before anything was made, so that what is half made can be found and removed.
        """
        ...


@dataclass(slots=True)
class LocalGround:
    """This machine: a bin directory, and the account that executes it."""

    origin: Path
    account: Account
    _bindir: Path | None = None

    def programs(self, directory: Path) -> Binaries:
        """See Ground."""
        found = binaries.prepare(self.origin, self.account, directory / "runtime")
        self._bindir = found.directory
        return found

    def backend(self, name: str, directory: Path) -> LocalBackend:  # noqa: ARG002
        """See Ground."""
        return LocalBackend(self.account, self._bindir or self.origin)

    def prepare(self, lab: LabState) -> Iterator[LabState]:
        """Nothing."""
        yield lab
