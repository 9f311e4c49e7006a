"""The signals of an engine.

Owns: turning the first SIGTERM or SIGINT into Aborted, and outliving the terminal. Must not: heal.
"""

from __future__ import annotations

import signal
from types import FrameType

from pgreplterm.drill.control import Aborted
from pgreplterm.drill.engine.tail import Event

_NO_WAY_BACK = ("healing", "done", "failed")


class AbortSignals:
    """Raises Aborted in the main thread, once, and never while things are being taken back already."""

    def __init__(self) -> None:
        self._over = False

    def install(self) -> None:
        """Listen from now on. SIGHUP gets a handler that does nothing: to ignore it would be inherited by servers."""
        signal.signal(signal.SIGTERM, self._abort)
        signal.signal(signal.SIGINT, self._abort)
        signal.signal(signal.SIGHUP, lambda *_: None)

    def heard(self, event: Event) -> None:
        """Told every event: once healing has begun, or the last word was said, there is nothing left to abort."""
        if event["event"] in _NO_WAY_BACK:
            self._over = True

    def _abort(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        if not self._over:
            self._over = True
            raise Aborted("aborted by the user")
