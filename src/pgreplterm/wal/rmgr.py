"""Names of resource managers, record types and forks.

Owns: a typed view of the C library's tables (csrc/names.c). Must not: hold names of its own.
"""

from __future__ import annotations

from functools import cache

from pgreplterm._walscan import ffi, lib

FORK_NAMES = ("main", "fsm", "vm", "init")


@cache
def rmgr_name(rmgr: int) -> str:
    """The resource manager's name; custom ones as pg_waldump names them."""
    name = lib.walscan_rmgr_name(rmgr)
    return f"custom{rmgr:03d}" if name == ffi.NULL else ffi.string(name).decode()


@cache
def record_name(major: int, rmgr: int, info: int) -> str:
    """What pg_waldump of that major calls the record: a name, or ``UNKNOWN (hex)``."""
    name = lib.walscan_record_name(major, rmgr, info)
    return f"UNKNOWN ({info & 0xF0:x})" if name == ffi.NULL else ffi.string(name).decode()
