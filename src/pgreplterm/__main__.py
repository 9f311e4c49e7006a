"""The front door: joins the command line to the terminal, which otherwise never meet.

Owns: that wiring. Must not: import Textual before a screen is wanted.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pgreplterm.cli.terminal import Look, Prepare
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.lab.lab import Lab
    from pgreplterm.recording.reader import Recording


class _Screens:
    """pgreplterm.cli.terminal.Terminal, by way of pgreplterm.tui."""

    def watch_servers(self, targets: Sequence[Target], title: str, look: Look) -> int:
        from pgreplterm import tui
        from pgreplterm.tui.options import TuiOptions
        from pgreplterm.tui.sources import DsnSource

        source = DsnSource(targets, title, look.interval, look.discover)
        options = TuiOptions(ascii_only=look.ascii_only or None, limits=look.limits)
        return tui.run(source, drills=False, lab_name=None, options=options)

    def watch_lab(self, title: str, prepare: Prepare, look: Look) -> tuple[int, Lab | None]:
        from pgreplterm import tui
        from pgreplterm.tui.options import TuiOptions
        from pgreplterm.tui.sources import LabSource

        source = LabSource(title, prepare, look.interval)
        options = TuiOptions(ascii_only=look.ascii_only or None, limits=look.limits)
        status = tui.run(source, drills=True, lab_name=title, options=options)
        return status, source.finish()

    def watch_recording(self, recording: Recording, number: int, ascii_only: bool) -> int:
        from pgreplterm import tui
        from pgreplterm.tui.options import TuiOptions
        from pgreplterm.tui.replay import Player

        options = TuiOptions(ascii_only=ascii_only or None)
        return tui.run(Player(recording, number), drills=False, lab_name=None, options=options)


def main() -> None:
    """Run the command line; the exit status is an ExitCode."""
    from pgreplterm.cli import run

    sys.exit(run(sys.argv[1:], _Screens()))


if __name__ == "__main__":
    main()
