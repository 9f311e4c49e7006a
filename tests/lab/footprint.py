"""What a lab leaves on the machine, looked for without the lab's own means of finding it."""

from __future__ import annotations

import re
from pathlib import Path

import psutil

from pgreplterm.lab.process import wait_until

SHARED_MEMORY = Path("/dev/shm")
SEGMENTS = Path("/proc/sysvipc/shm")


class Footprint:
    """The machine before a lab; left(directory) names what is there afterwards and was not before."""

    def __init__(self) -> None:
        self._segments = _unattached_segments()
        self._files = _dsm_files()

    def assert_nothing_left(self, directory: Path) -> None:
        """No folder, no process naming it, no segment without a user, no dynamic shared memory file."""
        assert not directory.exists()
        staying = set(self.left(directory))

        def none_stays() -> bool:  # what other programs of this machine create meanwhile comes and goes
            staying.intersection_update(self.left(directory))
            return not staying

        assert wait_until(none_stays, 10.0, pause=0.05), f"left behind: {', '.join(sorted(staying))}"

    def left(self, directory: Path) -> list[str]:
        """One line a leftover."""
        found = [f"process {pid}" for pid in _processes_naming(directory)]
        found += [f"segment {segment}" for segment in _unattached_segments() - self._segments]
        found += [f"file {name}" for name in _dsm_files() - self._files if not _mapped(name)]
        return found


def _processes_naming(directory: Path) -> list[int]:
    found = []
    for process in psutil.process_iter(["cmdline", "cwd", "status"]):
        words = [*(process.info["cmdline"] or []), process.info["cwd"] or ""]
        named = any(re.search(rf"{re.escape(str(directory))}(/|$| )", word) for word in words)
        if named and process.info["status"] != psutil.STATUS_ZOMBIE:
            found.append(process.pid)
    return found


def _unattached_segments() -> set[int]:
    """Identifiers of the System V segments of PostgreSQL's size class that nobody is attached to (Linux)."""
    if not SEGMENTS.exists():
        return set()
    rows = [line.split() for line in SEGMENTS.read_text().splitlines()]
    columns = {name: rows[0].index(name) for name in ("shmid", "size", "nattch")}
    return {
        int(row[columns["shmid"]])
        for row in rows[1:]
        if row[columns["nattch"]] == "0" and int(row[columns["size"]]) < 4096
    }


def _dsm_files() -> set[str]:
    return {entry.name for entry in SHARED_MEMORY.glob("PostgreSQL.*")} if SHARED_MEMORY.is_dir() else set()


def _mapped(name: str) -> bool:
    """Whether some live process, of a server that is none of ours, uses that file."""
    for maps in Path("/proc").glob("[0-9]*/maps"):
        try:
            if name in maps.read_text():
                return True
        except OSError:
            continue
    return False
