"""The glyphs a screen is drawn with, and their ASCII twins.

Owns: one Glyphs value per character set, and the choice between them.
Must not: know states or colours; a glyph always stands beside the word it illustrates.
"""

from __future__ import annotations

import locale
import sys
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Glyphs:
    """One character set. ``blocks`` are the graph's eighths, lowest first, without the empty one."""

    healthy: str
    partial: str
    down: str
    unknown: str
    broken: str
    stale: str
    done: str
    running: str
    served: str
    rule: str
    lane: str
    fork: str
    turn: str
    tip: str
    branch: str
    last_branch: str
    trunk: str
    ellipsis: str
    blocks: str


UNICODE = Glyphs(
    healthy="●",
    partial="◐",
    down="○",
    unknown="?",
    broken="!",
    stale="…",
    done="✓",
    running="▶",
    served="▪",
    rule="─",
    lane="─",
    fork="┬",
    turn="└",
    tip="●",
    branch="├─ ",
    last_branch="└─ ",
    trunk="│  ",
    ellipsis="…",
    blocks="▁▂▃▄▅▆▇█",
)

ASCII = Glyphs(
    healthy="*",
    partial="~",
    down="o",
    unknown="?",
    broken="!",
    stale=".",
    done="+",
    running=">",
    served="=",
    rule="-",
    lane="-",
    fork="+",
    turn="`",
    tip="*",
    branch="|- ",
    last_branch="`- ",
    trunk="|  ",
    ellipsis="..",
    blocks="_.:-=+*#",
)


def for_terminal(ascii_only: bool | None = None) -> Glyphs:
    """The set this terminal can show; ascii_only decides when given, else the locale and stderr's encoding."""
    if ascii_only is None:
        encodings = (locale.getpreferredencoding(False), getattr(sys.__stderr__, "encoding", None) or "")
        ascii_only = not all("utf" in name.lower() for name in encodings)
    return ASCII if ascii_only else UNICODE
