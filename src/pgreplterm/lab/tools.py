"""PostgreSQL's own programs, run to their end as the servers' account.

Owns: starting them and turning a bad end into one sentence with the program's own last line.
Must not: know what they are run for.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pgreplterm.lab import places
from pgreplterm.lab.account import Account
from pgreplterm.lab.binaries import environment
from pgreplterm.lab.errors import LabError, ToolFailed

_ERROR = re.compile(r"(?:error|FATAL|PANIC):.*")
_BAD_SETTING = re.compile(r"configuration file .* contains errors")
_NO_SPACE = os.strerror(errno.ENOSPC)
_NOT_YET = "the database system is"
"""starting up, shutting down: what a server tells clients that come at the wrong moment."""


@dataclass(frozen=True, slots=True)
class RunningTool:
    """A program that was started; purpose completes "while ...ing" in the sentence of a failure."""

    process: subprocess.Popen[str]
    name: str
    purpose: str

    def finish(self) -> str:
        """Wait; what it printed on both streams. Raises ToolFailed."""
        output, _ = self.process.communicate()
        if self.process.returncode != 0:
            raise ToolFailed(failure(self.name, self.purpose, output))
        return output

    def abandon(self) -> None:
        """End it before its time if it has not ended, and let go of its output."""
        if self.process.stdout is not None and not self.process.stdout.closed:
            self.process.terminate()
            self.process.communicate()


def start(argv: Sequence[str], account: Account, purpose: str) -> RunningTool:
    """Start a program in its own session, so that a Ctrl-C in the terminal does not reach it. Raises LabError."""
    name = Path(argv[0]).name
    try:
        process = subprocess.Popen(
            list(argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            cwd="/",
            env=environment(),
            start_new_session=True,
            **account.spawn_options,
        )
    except OSError as error:
        raise LabError(f"{argv[0]} cannot be started as {account.name}: {error.strerror}") from None
    return RunningTool(process, name, purpose)


def run(argv: Sequence[str], account: Account, purpose: str) -> str:
    """Start and finish in one."""
    tool = start(argv, account, purpose)
    try:
        return tool.finish()
    finally:
        tool.abandon()


def finish_all(tools: Sequence[RunningTool]) -> None:
    """Wait for all; the first failure ends the others and is raised."""
    try:
        for tool in tools:
            tool.finish()
    finally:
        for tool in tools:
            tool.abandon()


def failure(name: str, purpose: str, output: str) -> str:
    """The sentence on a program that ended badly, from what it printed."""
    reason = last_line(output)
    remedy = f"; {places.MORE_SPACE}" if _NO_SPACE in reason else ""
    return f"{name} failed while {purpose}: {reason}{remedy}"


def last_line(output: str) -> str:
    """The line that says why: the last error if there is one, since hints and clean-up notes follow it."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [found[0] for line in lines if (found := _ERROR.search(line)) and _NOT_YET not in line]
    if telling and _BAD_SETTING.search(telling[-1]):  # which setting, the server has said before
        telling += [line.partition("LOG:")[2].strip() for line in lines if "LOG:" in line][:1]
    return (telling or lines or ["it said nothing"])[-1]
