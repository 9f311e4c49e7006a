"""What a killed primary had: the rows that transactions of its WAL wrote, read from a copy of its files.

The copy is recovered by a single-user server that nobody can connect to, so the node itself stays as the kill left it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from pgreplterm.lab.account import server_account
from pgreplterm.lab.lab import Lab

Row = tuple[int, int]
"""A prober's client and id."""

_VALUE = re.compile(r'\b\d+: found = "(\d+) (\d+)"')


def probe_rows(lab: Lab, node: str, xids: Collection[int]) -> frozenset[Row]:
    """The rows of the probers that these transactions wrote on a node that was killed."""
    wanted = ",".join(map(str, sorted(xids)))
    statement = f"SELECT client || ' ' || id AS found FROM pgreplterm_probe WHERE xmin::text = ANY ('{{{wanted}}}')"
    with _copy(lab, node) as data:
        config = Path(lab.state.node(node).data_directory).parent / "postgresql.conf"
        command = [str(lab.tool("postgres")), "--single", "-D", str(data), "-c", f"config_file={config}"]
        command += ["-c", f"data_directory={data}", "-c", "archive_mode=off", "postgres"]
        done = subprocess.run(
            command,
            input=statement + "\n",
            capture_output=True,
            text=True,
            check=False,
            **server_account().spawn_options,
        )
    assert done.returncode == 0, done.stderr
    return frozenset((int(client), int(number)) for client, number in _VALUE.findall(done.stdout))


@contextmanager
def _copy(lab: Lab, node: str) -> Iterator[Path]:
    source = Path(lab.state.node(node).data_directory)
    copy = source.with_name("copy")
    subprocess.run(["cp", "-a", f"{source}", f"{copy}"], check=True)
    try:
        (copy / "postmaster.pid").unlink(missing_ok=True)
        yield copy
    finally:
        shutil.rmtree(copy)
