"""The keys at the head of a scenario file, and those that every step has.

Owns: these lists, which docs/scenarios.md prints. Must not: read a file, or know a verb's keys (``verbs``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pgreplterm.drill.scenario.expectation import BACKENDS, BACKENDS_KIND
from pgreplterm.drill.scenario.keys import FIGURE_NAME, LINE, SWITCH, TEXT, TEXTS, Key, Kind, number, one_of
from pgreplterm.drill.scenario.model import Level

_STAGE = re.compile(r"[A-Za-z0-9][A-Za-z0-9 _.-]{0,39}\Z")
_NAME = re.compile(r"[a-z][a-z0-9-]{0,47}\Z")


def _name(value: Any) -> str:
    if not isinstance(value, str) or not _NAME.match(value):
        raise ValueError
    return value


def _figures(value: Any) -> tuple[str, ...]:
    found: tuple[str, ...] = TEXTS.read(value)
    if not all(FIGURE_NAME.match(each) for each in found):
        raise ValueError
    return found


def _stage(value: Any) -> str:
    if not isinstance(value, str) or not _STAGE.match(value):
        raise ValueError
    return value


STAGE = Kind("a name of at most 40 letters, digits, blanks, -, _ and .", _stage)
HEAD_KEYS: Mapping[str, Key] = {
    "name": Key(Kind("a word of a-z, 0-9 and -", _name), "its name on the command line", required=True),
    "number": Key(number(1, 99, whole=True), "its place in the course; yours have none"),
    "title": Key(LINE, "what it is called; its name unless said"),
    "level": Key(one_of(*Level), "how much the reader should know before", default="beginner"),
    "minutes": Key(number(0, 600), "about how long it takes", default=1),
    "summary": Key(TEXT, "what happens, in a sentence or two", default=""),
    "teaches": Key(TEXT, "what the reader comes away with", default=""),
    "mysql": Key(TEXT, "what it is in MySQL; shown with `--mysql`", default=""),
    "backends": Key(BACKENDS_KIND, "where it can run", default=BACKENDS),
    "figures": Key(
        Kind("a list of keys of figures", _figures), "without each of these measured a run is inconclusive", default=()
    ),
    "may_lose": Key(
        SWITCH,
        "acknowledged rows may be lost, as in a failover of asynchronous standbys: only your expectations judge it",
        default=False,
    ),
}
TABLES = ("lab", "load", "clients", "step", "expect")
STEP_KEYS: Mapping[str, Key] = {
    "name": Key(LINE, "what the report calls it; no two steps have the same", required=True),
    "explain": Key(TEXT, "why, for a learner; shown before the step", default=""),
    "stage": Key(
        STAGE,
        "opens a stage of that name just before the step acts, until the next one; measures have figures of each stage",
        default="",
    ),
}
