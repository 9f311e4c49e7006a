"""The question asked when the user quits while a drill runs.

Owns: its words and its three answers.
Must not: stop the drill.
"""

from __future__ import annotations

from pgreplterm.tui.choice import Choice, ChoicePage

HEAL, LEAVE = "heal", "leave"


class LeavePage(ChoicePage):
    """Heal and quit, leave it running, or stay."""

    def __init__(self, what: str) -> None:
        super().__init__(
            f"{what} is running, in a process of its own.",
            "Leaving does not stop it, unless this is a demo, whose lab goes when you leave.",
            (
                Choice("X", "X", "abort it, take back what was done, then quit", HEAL),
                Choice("enter", "Enter", "quit and leave it running; drill attach finds it again", LEAVE),
            ),
            "stay",
        )
