"""The lines around every place: header, places, keys.

Owns: what those three lines say at any width.
Must not: hold state; they are built from the desk and from the bindings in force.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from datetime import datetime

from textual.binding import ActiveBinding

from pgreplterm.cluster.model import ClusterSnapshot, NodeState
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.ink import Ink, Row, Span, fit, row, spread
from pgreplterm.tui.replay import Player
from pgreplterm.tui.strips import Lines

PLACES = (
    ("1", "Overview", "overview"),
    ("2", "Lag", None),
    ("3", "Slots", None),
    ("4", "Timelines", "timelines"),
    ("5", "WAL", "wal"),
    ("6", "Drills", "drills"),
    ("7", "Events", "events"),
)

KEY_NAMES = {"enter": "Enter", "escape": "Esc", "space": "Space"}

ANSWERING = frozenset(NodeState) - {
    NodeState.DOWN,
    NodeState.SILENT,
    NodeState.STALE,
    NodeState.STARTING,
    NodeState.UNKNOWN,
}


def coarse(seconds: float) -> str:
    """An age that changes rarely: steps of 1 s to 10 s, of 5 s to a minute, then minutes and hours."""
    if seconds < 60:
        step = 1 if seconds < 10 else 5
        return f"{int(seconds // step * step)}s"
    return f"{int(seconds // 60)}m" if seconds < 3600 else f"{int(seconds // 3600)}h"


def server_versions(snapshot: ClusterSnapshot) -> str:
    """The versions the nodes report, oldest first: ``pg 16.4`` or ``pg 15.8-16.4``; empty when unknown."""
    numbers = sorted({node.sample.server_version_num for node in snapshot.nodes if node.sample})
    names = [f"{number // 10000}.{number % 10000}" for number in (*numbers[:1], *numbers[1:][-1:])]
    return f"pg {'-'.join(names)}" if names else ""


def header_row(desk: Desk, width: int) -> Row:
    """Name, permission, version, nodes up, whether the evidence is fresh."""
    view = desk.view
    left = row(" ", ("pgreplterm", Ink.BOLD), f"  {view.title}  ", _permission(desk))
    right: list[str | Span] = []
    if view.snapshot is not None:
        nodes = view.snapshot.nodes
        up = sum(node.state in ANSWERING for node in nodes)
        right += [server_versions(view.snapshot), "   "]
        right += [(f"{up}/{len(nodes)} up", Ink.PLAIN if up == len(nodes) else Ink.WARNING), "   "]
    right.append(_freshness(desk))
    return spread(left, row(*right, " "), width)


def _permission(desk: Desk) -> Span:
    if desk.player is not None:
        return "RECORDING", Ink.WARNING
    armed = desk.drills_armed and desk.owned_lab is not None
    return ("DRILLS ARMED", Ink.WARNING) if armed else ("READ-ONLY", Ink.DIM)


def _freshness(desk: Desk) -> Span:
    silence = desk.view.silence(desk.clock())
    if desk.view.fatal:
        return "stopped", Ink.CRITICAL
    if desk.view.snapshot is None:
        return "waiting", Ink.DIM
    if desk.player is not None:
        return ("playing", Ink.PLAIN) if desk.player.playing else ("paused", Ink.PLAIN)
    if silence is not None:
        return f"{desk.glyphs.stale} nothing new for {coarse(silence)}", Ink.WARNING
    if desk.paused:
        return "paused", Ink.WARNING
    return "live", Ink.DIM


def tabs_row(here: str, width: int) -> Row:
    """The places on their digits; those that do not exist yet are dim."""
    parts: list[str | Span] = []
    for digit, title, mode in PLACES:
        ink = Ink.CURSOR if mode == here else Ink.PLAIN if mode else Ink.DIM
        parts += [" ", (f"{digit} {title}", ink), " "]
    return fit(row(*parts), width)


def keys_row(bindings: Iterable[ActiveBinding], refused: Container[str], width: int) -> Row:
    """The keys in force, generated; a refused action's stays in its place, dim. What does not fit is under ``?``."""
    shown: dict[str, ActiveBinding] = {}
    for active in bindings:
        if active.binding.show:
            shown.setdefault(active.binding.action, active)
    for action in ("pause", "nowhere", *reversed(shown)):
        if sum(len(_key(active)) for active in shown.values()) < width:
            break
        if action not in ("help", "leave"):
            shown.pop(action, None)
    parts: list[Span] = [(" ", Ink.PLAIN)]
    for active in shown.values():
        key, _, what = _key(active).partition(" ")
        on = active.enabled and active.binding.action not in refused
        parts += [(key, Ink.KEY if on else Ink.DIM), (f" {what}", Ink.PLAIN if on else Ink.DIM)]
    return row(*parts)


def _key(active: ActiveBinding) -> str:
    binding = active.binding
    return f"{binding.key_display or KEY_NAMES.get(binding.key, binding.key)} {binding.description}  "


def play_row(player: Player) -> Row:
    """The shown snapshot's instant by this machine's clock, its number, the speed, the mark that was passed."""
    clock = datetime.fromtimestamp(player.at).isoformat(" ", "milliseconds")
    mark = player.mark
    passed = "" if mark is None else f"  #{mark[0]} {mark[1]}"
    where = f"  {player.number + 1}/{len(player)}  {player.speed:g}x"
    return row(" ", (clock, Ink.WARNING), where, (passed, Ink.DIM))


class Header(Lines):
    """The first line."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def build(self, width: int) -> Sequence[Row]:
        """One row."""
        return [header_row(self._desk, width)]


class Tabs(Lines):
    """The second line."""

    def __init__(self, here: str) -> None:
        super().__init__()
        self._here = here

    def build(self, width: int) -> Sequence[Row]:
        """One row."""
        return [tabs_row(self._here, width)]


class Keys(Lines):
    """The last line."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk

    def build(self, width: int) -> Sequence[Row]:
        """One row, from the bindings of the screen it is on."""
        refused = ("drill",) if self._desk.drill_refusal() is not None else ()
        return [keys_row(self.screen.active_bindings.values(), refused, width)]


class Rule(Lines):
    """A horizontal line, with a title when given one."""

    def __init__(self, desk: Desk, title: str = "") -> None:
        super().__init__()
        self._desk = desk
        self.title = title

    def build(self, width: int) -> Sequence[Row]:
        """One row."""
        glyph = self._desk.glyphs.rule
        text = f"{glyph}{glyph} {self.title} " if self.title else ""
        return [row((text + glyph * max(width - len(text), 0), Ink.DIM))]


class PlayLine(Lines):
    """In place of a rule: where in a recording the screen is."""

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player

    def build(self, width: int) -> Sequence[Row]:
        """One row."""
        return [fit(play_row(self._player), width)]
