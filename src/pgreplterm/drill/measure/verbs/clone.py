"""What a new standby costs: a base backup of a node, read to its end and thrown away.

Owns: clone. Must not: make a node (the drill add-standby does), or keep the copy.
"""

from __future__ import annotations

import subprocess
import time
from pathlib import Path

from pgreplterm.cluster.words import printable
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.binaries import environment

_PIECE = 1 << 20

SECONDS = Pattern(
    "clone_seconds", "Clone took", "s", "pg_basebackup of that node from its start to its end, the checkpoint included"
)
BYTES = Pattern(
    "clone_bytes", "Clone", "bytes", "the tar it sent, without WAL", "what a standby then needs: WAL comes on top"
)
RATE = Pattern("clone_bytes_per_second", "Clone, a second", "bytes/s", "those bytes over that time")
DATABASES = Pattern("databases_bytes:NODE", "Databases of NODE", "bytes", "the sum of pg_database_size()")
ALL_DATABASES = "SELECT sum(pg_database_size(oid))::int8 FROM pg_database"


def _clone(context: Context, options: Options) -> tuple[Figure, ...]:
    source = context.node(options.text("node"))
    seconds, size = _read(context.stage.lab.tool("pg_basebackup"), context.stage.lab.dsn(source))
    how = f"pg_basebackup of {source}, read and thrown away"
    return (
        SECONDS.figure(seconds, how=f"{how}; its checkpoint included"),
        BYTES.figure(size, how=f"the tar it sent, without WAL; {how}"),
        RATE.figure(size / seconds),
        DATABASES.figure(int(context.value(source, ALL_DATABASES)), source),
    )


def _read(tool: Path, dsn: str) -> tuple[float, int]:
    """Seconds and bytes. Raises DrillFailed. The DSN names a password file, and holds no password."""
    begun, size = time.monotonic(), 0
    command = [str(tool), "-d", dsn, "-D", "-", "-F", "tar", "-X", "none", "-c", "fast", "--no-manifest"]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment()
        ) as process:
            assert process.stdout is not None and process.stderr is not None
            while piece := process.stdout.read(_PIECE):
                size += len(piece)
            said = process.stderr.read().decode(errors="replace").strip().splitlines()
    except OSError as error:
        raise DrillFailed(f"{tool}: expected to run it, {error.strerror}.") from None
    if process.returncode != 0:
        raise DrillFailed(f"pg_basebackup failed: {printable((said or ['it said nothing'])[-1])}")
    return time.monotonic() - begun, size


MEASURES = (
    Measure(
        "clone",
        "what a base backup of a node costs in time and bytes; the copy is thrown away",
        (SECONDS, BYTES, RATE, DATABASES),
        _clone,
        {"node": Parameter("of which", "primary")},
    ),
)
