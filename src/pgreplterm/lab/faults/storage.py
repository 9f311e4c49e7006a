"""Faults of storage: a disk that is full, and one that is slow.

Owns: the list of them. Must not: know how either is done.
"""

from __future__ import annotations

from pgreplterm.lab.faults.disk_full import DiskFull
from pgreplterm.lab.faults.fault import Fault
from pgreplterm.lab.faults.slow_disk import SlowDisk

FAULTS: tuple[Fault, ...] = (DiskFull(), SlowDisk())
