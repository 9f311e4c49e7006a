"""pg_test_fsync on the file system of the lab: how fast each wal_sync_method is there.

Owns: running it for its first table only, and reading that. Must not: leave its file.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path

from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.binaries import environment

_METHODS = ("open_datasync", "fdatasync", "fsync", "fsync_writethrough", "open_sync")
_LINE = re.compile(r"\s+(?P<method>[a-z_]+)\s+(?:(?P<rate>[\d.]+) ops/sec|n/a)")
_FIRST, _NEXT = "one 8kB write", "two 8kB writes"
_IN_MEMORY = ("tmpfs", "ramfs")

OPERATIONS = Pattern(
    "sync_operations_per_second:METHOD",
    "METHOD",
    "1/s",
    "pg_test_fsync: one write of 8 kB and its sync, over and over",
    "commits a second: a commit shares its sync with others (group commit)",
)
MICROSECONDS = Pattern("sync_seconds:METHOD", "One METHOD takes", "s", "1 over those operations a second")
FASTEST = Pattern("fastest_sync_method", "Fastest method", "", "the most operations a second of pg_test_fsync")
FILE_SYSTEM = Pattern("sync_file_system", "File system", "", "of the folder tested, by /proc/self/mountinfo")


def _test_fsync(context: Context, options: Options) -> tuple[Figure, ...]:
    tool = context.stage.lab.tool("pg_test_fsync")
    if not tool.exists():
        why = f"there is no {tool.name} beside the lab's programs"
        return (FASTEST.figure(None, how=why), *(OPERATIONS.figure(None, each, how=why) for each in _METHODS))
    folder = Path(options.text("folder")) if options.text("folder") else _folder(context)
    kind = file_system(folder, Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="replace").splitlines())
    found = _run(tool, folder / f".pgreplterm-fsync-{os.getpid()}", options.whole("seconds"))
    return tuple(_figures(found, kind))


def _folder(context: Context) -> Path:
    """Where the primary's files are, as far as we may write there."""
    data = Path(context.stage.lab.state.node(context.primary().name).data_directory)
    return data.parent if os.access(data.parent, os.W_OK) else context.stage.lab.directory


def _run(tool: Path, scratch: Path, seconds: int) -> dict[str, float | None]:
    """Operations a second by method; what it prints after its first table is not waited for. Raises DrillFailed."""
    try:
        with subprocess.Popen(
            [tool, "-s", str(seconds), "-f", scratch],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            env=environment(),
        ) as process:
            assert process.stdout is not None
            try:
                lines = list(_until(process.stdout, _NEXT))
            finally:
                process.terminate()
    except OSError as error:
        raise DrillFailed(f"{tool}: expected to run it, {error.strerror}.") from None
    finally:
        scratch.unlink(missing_ok=True)
    found = parsed(lines)
    if not found:
        said = (lines or ["nothing"])[-1].strip()
        raise DrillFailed(f"{tool}: expected a table of sync methods, found {said!r}; name another folder.")
    return found


def _until(lines: Iterable[str], end: str) -> Iterator[str]:
    for line in lines:
        if end in line:
            return
        yield line


def parsed(lines: Iterable[str]) -> dict[str, float | None]:
    """The first table of pg_test_fsync; None is a method this platform does not have."""
    found: dict[str, float | None] = {}
    in_table = False
    for line in lines:
        in_table = in_table or _FIRST in line
        row = _LINE.match(line) if in_table else None
        if row is not None and row["method"] in _METHODS:
            found[row["method"]] = float(row["rate"]) if row["rate"] else None
    return found


def file_system(folder: Path, mounts: Iterable[str]) -> str | None:
    """The type of the file system a folder is on, from the lines of mountinfo."""
    found: tuple[int, str] | None = None
    resolved = folder.resolve()
    for line in mounts:
        before, _, after = line.partition(" - ")
        point = Path(before.split()[4].encode().decode("unicode_escape"))
        if resolved.is_relative_to(point) and (found is None or len(str(point)) >= found[0]):
            found = (len(str(point)), after.split()[0])
    return None if found is None else found[1]


def _figures(found: dict[str, float | None], kind: str | None) -> Iterator[Figure]:
    memory = "; it is in memory, where a sync does nothing" if kind in _IN_MEMORY else ""
    known = {method: rate for method, rate in found.items() if rate}
    yield FILE_SYSTEM.figure(kind, how=FILE_SYSTEM.how + memory)
    yield FASTEST.figure(max(known, key=known.__getitem__, default=None), how=FASTEST.how + memory)
    for method, rate in found.items():
        why = memory if rate else "; this platform has none"
        yield OPERATIONS.figure(rate, method, how=OPERATIONS.how + why)
        yield MICROSECONDS.figure(1 / rate if rate else None, method, how=MICROSECONDS.how + why)


MEASURES = (
    Measure(
        "test-fsync",
        "how fast each wal_sync_method is on the lab's file system, by pg_test_fsync",
        (FILE_SYSTEM, FASTEST, OPERATIONS, MICROSECONDS),
        _test_fsync,
        {
            "seconds": Parameter("for each method", 1, "s", least=1),
            "folder": Parameter("another place to try; where the primary's files are unless said", ""),
        },
    ),
)
