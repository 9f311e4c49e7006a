"""The compiled contract is csrc/walscan.h; pgreplterm.wal.walker is its only typed door."""

from typing import Any

ffi: Any
lib: Any
