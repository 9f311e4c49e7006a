"""Faults of WAL files: a segment that is gone, one with a wrong bit, and an archive that takes none.

Owns: the list of them. Must not: know how any is done.
"""

from __future__ import annotations

from pgreplterm.lab.faults.archiving import ArchiveFailing
from pgreplterm.lab.faults.fault import Fault
from pgreplterm.lab.faults.wal_corrupted import WalCorrupted
from pgreplterm.lab.faults.wal_removed import WalRemoved

FAULTS: tuple[Fault, ...] = (WalRemoved(), WalCorrupted(), ArchiveFailing())
