"""What travels between the parts of the terminal program.

Owns: the Textual messages that are not private to one widget.
Must not: hold behaviour.
"""

from __future__ import annotations

from textual.message import Message

from pgreplterm.drill.request import Request
from pgreplterm.tui.sources import SourceEvent


class ClusterNews(Message):
    """The source has something new: progress of a lab, a snapshot, or trouble."""

    def __init__(self, event: SourceEvent) -> None:
        super().__init__()
        self.event = event


class TerminalLost(Message):
    """Input has ended: the SSH session or the terminal is gone."""


class StartRun(Message):
    """The user asked for a drill or a scenario to be run, and has seen its plan."""

    def __init__(self, request: Request) -> None:
        super().__init__()
        self.request = request
