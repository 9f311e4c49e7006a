"""The load as a process of its own: ``python -m pgreplterm.lab.load LAB_FOLDER PROGRESS_FILE PLAN [PGBENCH]``.

Owns: its arguments and SIGTERM. Must not: do anything else. It also ends by itself when the lab is gone.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

from pgreplterm.lab.load.engine import Load
from pgreplterm.lab.load.plan import from_json


async def run(directory: Path, path: Path, plan: str, pgbench: Path | None) -> None:
    """Run one load until SIGTERM, the end of its time, or of the lab."""
    load = Load(directory, path, from_json(plan), pgbench)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, load.shared.stop.set)
    await load.run()


def main() -> None:
    """Run the load named on the command line."""
    directory, path, plan, *pgbench = sys.argv[1:]
    asyncio.run(run(Path(directory), Path(path), plan, Path(pgbench[0]) if pgbench else None))


if __name__ == "__main__":
    main()
