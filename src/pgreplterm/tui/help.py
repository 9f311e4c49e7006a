"""The help page: every key in force where it was opened, generated from the bindings.

Owns: that page.
Must not: list a key by hand.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import ActiveBinding, Binding, BindingType
from textual.screen import ModalScreen

from pgreplterm.tui.ink import BLANK, Ink, Row, fit, row
from pgreplterm.tui.strips import Lines

FRAME = 4  # rows around the keys
COLUMN = 40  # cells


class HelpRows(Lines):
    """One key a row."""

    DEFAULT_CSS = "HelpRows { height: 1fr; }"

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        keys: dict[str, tuple[list[str], bool]] = {}
        for active in bindings:
            binding = active.binding
            if binding.description and not binding.system:
                names, _ = keys.setdefault(binding.description, ([], active.enabled))
                names.append(binding.key_display or binding.key.replace("question_mark", "?"))
        self._keys = [(", ".join(names), what, on) for what, (names, on) in keys.items()]

    def build(self, width: int) -> Sequence[Row]:
        """Keys in the order of the bindings, in two columns where one is too long for the screen."""
        heading = row((" KEYS HERE", Ink.BOLD), "     lower case looks, UPPER CASE acts")
        room = self.app.size.height - FRAME
        fits = len(self._keys) <= room or width < 2 * COLUMN
        rows = [fit(_key_row(key, 20), width) for key in self._keys]
        if not fits:
            half = (len(self._keys) + 1) // 2
            narrow = [fit(_key_row(key, 17), COLUMN) for key in self._keys]
            rows = [left + right for left, right in zip_longest(narrow[:half], narrow[half:], fillvalue=BLANK)]
        return [heading, BLANK, *rows, BLANK, row((" Esc back", Ink.DIM))]


def _key_row(key: tuple[str, str, bool], width: int) -> Row:
    names, what, on = key
    return row((f" {names:<{width}} ", Ink.KEY if on else Ink.DIM), (what, Ink.PLAIN if on else Ink.DIM))


class HelpPage(ModalScreen[None]):
    """Opaque, so that nothing under it is repainted."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark", "dismiss", "back")]
    DEFAULT_CSS = "HelpPage { background: ansi_default; }"

    def __init__(self, bindings: Iterable[ActiveBinding]) -> None:
        super().__init__()
        self._keys = list(bindings)

    def compose(self) -> ComposeResult:
        """The rows."""
        yield HelpRows(self._keys)
