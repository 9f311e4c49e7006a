"""Compiles csrc/ into pgreplterm._walscan (cffi, API mode, one abi3 binary for every Python from 3.11 on).

The only place that knows how to compile. The contract is csrc/walscan.h and rows.h themselves: their declarations are
handed to cffi as they stand, so there is no second copy to keep in step.
"""

import re
from pathlib import Path

from cffi import FFI

CSRC = Path(__file__).parent / "csrc"


def declarations(header: str) -> str:
    """The header without what cffi does not read: preprocessor lines and comments."""
    without_comments = re.sub(r"/\*.*?\*/", "", header, flags=re.DOTALL)
    return "\n".join(line for line in without_comments.splitlines() if not line.startswith("#"))


ffibuilder = FFI()
for name in ("walscan.h", "rows.h"):
    text = declarations((CSRC / name).read_text(encoding="utf-8"))
    ffibuilder.cdef(text.replace("WALSCAN_HEAD_MAX];", "1024];"))
ffibuilder.set_source(
    "pgreplterm._walscan",
    '#include "rows.h"',
    sources=[f"csrc/{path.relative_to(CSRC)}" for path in sorted(CSRC.rglob("*.c"))],
    include_dirs=["csrc"],
    depends=[f"csrc/{path.relative_to(CSRC)}" for path in sorted(CSRC.rglob("*.h"))],
    extra_compile_args=["-std=c11", "-O3", "-fvisibility=hidden"],
    define_macros=[("Py_LIMITED_API", "0x030B0000")],
)
