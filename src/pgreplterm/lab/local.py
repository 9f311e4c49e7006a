"""The local backend: servers as processes of this machine.

Owns: starting postmasters, signalling them and their children, and knowing that they are gone. Must not: know the
files of a node beyond the lock that forbids a second postmaster on them.

Each postmaster inherits a lock on ``postmaster.lock`` in its node's folder, and so do its children: while any of them
lives, nobody starts another there. PostgreSQL's own interlock does not see into containers.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pgreplterm.lab import process, server, tools
from pgreplterm.lab.account import Account
from pgreplterm.lab.backend import require_running
from pgreplterm.lab.binaries import environment
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.state import LabState, NodeRecord

STOP_TIMEOUT = 60.0
"""Seconds a stop may take; a primary first sends all WAL to standbys that still answer."""

KILL_TIMEOUT = 10.0


class LocalBackend:
    """See ``backend.Backend``."""

    def __init__(self, account: Account, bindir: Path) -> None:
        """The servers run as that account, from that bin directory."""
        self._account = account
        self._bindir = bindir

    def is_running(self, node: NodeRecord) -> bool:
        """See Backend."""
        return process.is_running(node.process)

    def is_frozen(self, node: NodeRecord) -> bool:
        """See Backend."""
        return process.is_frozen(node.process)

    def postmaster_pid(self, node: NodeRecord) -> int | None:
        """See Backend."""
        return node.process.pid if node.process is not None and self.is_running(node) else None

    def pids(self, node: NodeRecord) -> tuple[int, ...]:
        """See Backend."""
        return () if node.process is None else tuple(member.pid for member in process.tree(node.process))

    def launch(self, nodes: Sequence[NodeRecord]) -> Iterator[NodeRecord]:
        """See Backend."""
        return map(self._launch, nodes)

    def stop(self, node: NodeRecord) -> None:
        """See Backend."""
        self._end(node, signal.SIGINT)

    def crash(self, node: NodeRecord) -> None:
        """See Backend."""
        self._end(node, signal.SIGQUIT)

    def kill(self, node: NodeRecord) -> None:
        """See Backend."""
        if node.process is not None:
            victims = process.tree(node.process)
            process.send(victims, signal.SIGKILL)
            process.await_gone(victims, KILL_TIMEOUT)
        stragglers = process.working_inside(Path(node.data_directory))  # forked while we were enumerating
        process.send(stragglers, signal.SIGKILL)
        if process.await_gone(stragglers, KILL_TIMEOUT):
            raise LabError(f"{node.name} still has processes {KILL_TIMEOUT:.0f} s after SIGKILL")

    def reload(self, node: NodeRecord) -> None:
        """See Backend."""
        postmaster = process.find(node.process)
        if postmaster is not None:
            process.send([postmaster], signal.SIGHUP)

    def freeze(self, node: NodeRecord) -> None:
        """See Backend."""
        process.freeze_tree(self._running(node))

    def freeze_postmaster(self, node: NodeRecord) -> None:
        """See Backend."""
        process.send(process.tree(self._running(node))[:1], signal.SIGSTOP)

    def freeze_backend(self, node: NodeRecord, pid: int) -> None:
        """See Backend."""
        members = [member for member in process.tree(self._running(node))[1:] if member.pid == pid]
        if not members:
            raise LabError(f"{node.name} has no process {pid} now")
        process.send(members, signal.SIGSTOP)

    def thaw(self, node: NodeRecord) -> None:
        """See Backend."""
        process.thaw_tree(self._running(node))

    def make_node(self, lab: LabState, node: NodeRecord) -> NodeRecord:  # noqa: ARG002
        """Nothing besides files."""
        return node

    def remove_node(self, node: NodeRecord) -> None:
        """Nothing besides files."""

    def start_tool(self, argv: Sequence[str], purpose: str) -> tools.RunningTool:
        """See Backend."""
        return tools.start(argv, self._account, purpose)

    def remove(self) -> None:
        """Nothing besides processes and files, which are found by the lab's folder (``demolish``)."""

    def _launch(self, node: NodeRecord) -> NodeRecord:
        argv = [str(self._bindir / "postgres"), *server.arguments(node)]
        with server.interlock(node) as lock, server.log_file(node).open("ab") as log:
            try:
                identity = process.spawn(
                    argv, account=self._account, output=log, environment=environment(), inherited=(lock,)
                )
            except OSError as error:
                raise LabError(f"{node.name} cannot be started: {error.strerror}") from None
        return replace(node, process=identity)

    def _running(self, node: NodeRecord) -> ProcessId:
        require_running(self, node)
        assert node.process is not None  # a node without a process does not run
        return node.process

    def _end(self, node: NodeRecord, number: signal.Signals) -> None:
        if self.is_frozen(node):
            raise LabError(f"{node.name} is frozen and cannot stop: thaw it first, or kill it")
        postmaster = process.find(node.process)
        if postmaster is None:
            return
        members = process.tree(self._running(node))
        process.send([postmaster], number)
        if process.await_gone(members, STOP_TIMEOUT):
            log = server.log_file(node)
            raise LabError(f"{node.name} has not stopped after {STOP_TIMEOUT:.0f} s: kill it, or see {log}")
