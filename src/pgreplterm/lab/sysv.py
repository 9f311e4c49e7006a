"""The System V shared-memory segment a crashed server leaves behind.

Owns: removing that one segment. Must not: touch a segment whose key does not match the lock file.

Every postmaster holds a 56-byte segment as its interlock (src/backend/port/sysv_shmem.c). A clean or immediate
stop removes it and so does the next start in the same directory; deleting the directory of a killed server
would leak it for the life of the machine.
"""

from __future__ import annotations

import ctypes

_IPC_RMID = 0


def remove_segment(key: int, identifier: int) -> bool:
    """Remove the segment when key still leads to identifier; whether something was removed."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.shmget(ctypes.c_int(key), ctypes.c_size_t(0), ctypes.c_int(0)) != identifier:
        return False
    return bool(libc.shmctl(ctypes.c_int(identifier), ctypes.c_int(_IPC_RMID), None) == 0)
