"""Which CRC-32C kernel this processor gets.

Owns: its name. Must not: compute a checksum.
"""

from __future__ import annotations

from pgreplterm._walscan import ffi, lib

_PREFIX = "WALSCAN_CRC_"


def kernel_name() -> str:
    """The fastest one there is here: the one that WALSCAN_CRC_BEST stands for."""
    best = lib.walscan_crc_kernel_of(lib.WALSCAN_CRC_BEST)
    for name in sorted(name for name in dir(lib) if name.startswith(_PREFIX) and name != "WALSCAN_CRC_BEST"):
        kernel = lib.walscan_crc_kernel_of(getattr(lib, name))
        if kernel != ffi.NULL and kernel == best:
            return name.removeprefix(_PREFIX).lower()
    return "unknown"
