"""pg_control: what a data directory says of itself.

Owns: the fields the program needs, their offsets by pg_control_version, and the CRC check.
Must not: decide anything from the timeline in it, which lags a promotion until the next checkpoint.

Offsets are those of ControlFileData (src/include/catalog/pg_control.h) on 64-bit machines.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from pathlib import Path

from pgreplterm._walscan import ffi, lib
from pgreplterm.wal.errors import WalError, unreadable
from pgreplterm.wal.lsn import LSN

STATES = (
    "starting up",
    "shut down",
    "shut down in recovery",
    "shutting down",
    "in crash recovery",
    "in archive recovery",
    "in production",
)
_FULL_PAGE_WRITES = 56
_CHECKSUMS_ON = 1  # 19 has further numbers while they are being switched


@dataclass(frozen=True, slots=True)
class _Offsets:
    block_size: int
    wal_page_size: int
    min_recovery: int
    wal_log_hints: int
    checksums: int
    crc: int


_LAYOUTS = {
    1300: _Offsets(216, 224, 136, 176, 252, 288),
    1700: _Offsets(216, 224, 136, 176, 252, 288),
    1800: _Offsets(216, 224, 136, 176, 252, 292),
    1902: _Offsets(224, 236, 144, 184, 264, 304),
    1903: _Offsets(224, 236, 144, 184, 268, 308),
    1905: _Offsets(224, 236, 144, 184, 268, 308),
}


@dataclass(frozen=True, slots=True)
class ControlFile:
    """Sizes in bytes; state is pg_controldata's word. full_page_writes is that of the last checkpoint."""

    system_identifier: int
    version: int
    state: str
    checkpoint: LSN
    redo: LSN
    timeline: int
    min_recovery_end: LSN
    min_recovery_timeline: int
    block_size: int
    wal_page_size: int
    wal_segment_size: int
    full_page_writes: bool
    wal_log_hints: bool
    has_checksums: bool


def read_control(data_directory: Path) -> ControlFile:
    """Read ``global/pg_control``. Raises WalError when it is missing, of another layout, or fails its CRC."""
    path = data_directory / "global" / "pg_control"
    try:
        data = path.read_bytes()
    except OSError as error:
        raise unreadable(path, "the control file of a data directory", error) from error
    return parse_control(data, str(path))


def parse_control(data: bytes, where: str) -> ControlFile:
    """The fields of a control file's bytes. Raises WalError, whose sentence begins with where."""
    if len(data) < 512:
        raise WalError(f"{where}: expected a control file of 8192 bytes, found {len(data)}.")
    version = struct.unpack_from("<I", data, 8)[0]
    layout = _LAYOUTS.get(version)
    if layout is None:
        known = ", ".join(str(number) for number in _LAYOUTS)
        raise WalError(f"{where}: expected pg_control_version {known}; found {version}.")
    stored = struct.unpack_from("<I", data, layout.crc)[0]
    computed = lib.walscan_crc32c(lib.WALSCAN_CRC_BEST, ffi.from_buffer(data), layout.crc)
    if stored != computed:
        raise WalError(f"{where}: expected CRC {computed:08X}, found {stored:08X}: torn or damaged.")
    state = struct.unpack_from("<I", data, 16)[0]
    minimum, minimum_timeline = struct.unpack_from("<QI", data, layout.min_recovery)
    wal_page_size, wal_segment_size = struct.unpack_from("<II", data, layout.wal_page_size)
    checkpoint, redo, timeline = struct.unpack_from("<QQI", data, 32)
    return ControlFile(
        system_identifier=struct.unpack_from("<Q", data, 0)[0],
        version=version,
        state=STATES[state] if state < len(STATES) else f"state {state}",
        checkpoint=LSN(checkpoint),
        redo=LSN(redo),
        timeline=timeline,
        min_recovery_end=LSN(minimum),
        min_recovery_timeline=minimum_timeline,
        block_size=struct.unpack_from("<I", data, layout.block_size)[0],
        wal_page_size=wal_page_size,
        wal_segment_size=wal_segment_size,
        full_page_writes=bool(data[_FULL_PAGE_WRITES]),
        wal_log_hints=bool(data[layout.wal_log_hints]),
        has_checksums=struct.unpack_from("<I", data, layout.checksums)[0] == _CHECKSUMS_ON,
    )
