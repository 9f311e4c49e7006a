"""The compiled contract is csrc/walscan.h and rows.h; the modules of pgreplterm.wal are its typed doors."""

from typing import Any

ffi: Any
lib: Any
