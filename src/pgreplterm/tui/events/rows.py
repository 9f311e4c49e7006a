"""Events as rows.

Owns: the layout of one noticed change.
Must not: decide what is worth noticing.
"""

from __future__ import annotations

import time

from pgreplterm.tui.glyphs import Glyphs
from pgreplterm.tui.ink import Ink, Row, row
from pgreplterm.tui.overview.changes import Change, Weight

INKS = {Weight.NOTE: Ink.PLAIN, Weight.WARNING: Ink.WARNING, Weight.CRITICAL: Ink.CRITICAL}


def event_row(change: Change, glyphs: Glyphs) -> Row:
    """Local wall-clock time, a mark when it matters, the sentence."""
    clock = time.strftime("%H:%M:%S", time.localtime(change.at))
    mark = glyphs.broken if change.weight else " "
    return row((f" {clock} ", Ink.DIM), (f"{mark} {change.text}", INKS[change.weight]))
