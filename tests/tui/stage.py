"""The application on a scripted source, headless, with its screen as text."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from textual.pilot import Pilot

from pgreplterm.tui.app import ReplTermApp
from pgreplterm.tui.drills.runner import DrillRunner
from pgreplterm.tui.options import TuiOptions

from .snapshots import ScriptedSource

PATIENCE = 30.0  # seconds; generous, a test that needs them fails anyway


@dataclass
class Stage:
    """A running application."""

    app: ReplTermApp
    source: ScriptedSource
    pilot: Pilot[None]

    @property
    def lines(self) -> list[str]:
        """What is painted now."""
        return [strip.text.rstrip() for strip in self.app.screen._compositor.render_strips()]

    @property
    def text(self) -> str:
        """What is painted now, as one text."""
        return "\n".join(self.lines)

    async def press(self, *keys: str) -> None:
        """Press keys and let the application come to rest."""
        await self.pilot.press(*keys)
        await self.pilot.pause()

    async def sees(self, condition: str | Callable[[str], bool]) -> str:
        """The screen once it shows that text or fulfils that condition."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            text = self.text
            if condition in text if isinstance(condition, str) else condition(text):
                return text
            await asyncio.sleep(0.01)
            await self.pilot.pause()
        raise AssertionError(f"expected {condition!r} on the screen, found:\n{self.text}")


@asynccontextmanager
async def stage(
    width: int = 80,
    height: int = 24,
    *,
    source: ScriptedSource | None = None,
    drills: bool = False,
    runner: DrillRunner | None = None,
    options: TuiOptions | None = None,
) -> AsyncIterator[Stage]:
    """Run the application at that size."""
    source = source or ScriptedSource()
    options = options or TuiOptions(ascii_only=False)
    app = ReplTermApp(source, drills=drills, options=options, runner=runner)
    async with app.run_test(size=(width, height)) as pilot:
        yield Stage(app, source, pilot)
