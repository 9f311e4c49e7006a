"""A recorder to be killed: python -m tests.recording.endless FILE LIMIT writes tick after tick and counts on stdout."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from pgreplterm.recording.writer import Writer

from .invent import small

if __name__ == "__main__":
    ticks = small(200)
    writer = Writer(Path(sys.argv[1]), title="endless", interval=0.1, limit=int(sys.argv[2]))
    number = 0
    while True:
        writer.add(ticks[number % len(ticks)])
        number += 1
        os.write(1, b".")
