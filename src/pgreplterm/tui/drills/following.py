"""Keeping up with runs: the one we started, or one that goes on, or was cut off, on the watched lab.

Owns: when to look for one, and what is noted among the events.
Must not: draw, or start one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import TYPE_CHECKING

from pgreplterm.tui.overview.changes import Weight

if TYPE_CHECKING:
    from pgreplterm.tui.desk import Desk

LOOK_FOR = 1.0  # seconds between two looks at whether somebody else runs a drill here


class Following:
    """``async for _ in following.news()``: each time there is something new to show."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._woken = asyncio.Event()

    def wake(self) -> None:
        """A run was started: follow it now."""
        self._woken.set()

    async def news(self) -> AsyncIterator[None]:
        """For ever."""
        runner = self._desk.runner
        while True:
            if runner.due:
                async for progress in runner.follow():
                    if progress.finished:
                        self._note_end()
                    yield
                yield
            elif await self._found():
                yield
            else:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._woken.wait(), LOOK_FOR)
                self._woken.clear()

    async def _found(self) -> bool:
        desk = self._desk
        lab = desk.owned_lab
        found = await asyncio.to_thread(desk.runner.look, lab) if lab is not None else None
        if found is None or lab is None:
            return False
        desk.runner.attach(found)
        desk.view.note(Weight.WARNING, f"the run {found.name} was found on {lab}; D shows it")
        return True

    def _note_end(self) -> None:
        runner = self._desk.runner
        progress = runner.progress
        if progress is None:
            return
        weight = Weight.CRITICAL if progress.failure else Weight.NOTE
        reason = f": {progress.failure}" if progress.failure else ""
        self._desk.view.note(weight, f"{runner.what} {progress.state}{reason}")
