"""A question with a few answers, each a key.

Owns: that page. Must not: know what is asked.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.screen import ModalScreen

from pgreplterm.tui.ink import BLANK, Ink, Row, row, wrap
from pgreplterm.tui.strips import Lines


@dataclass(frozen=True, slots=True)
class Choice:
    """An answer: the key as Textual names it, as it is shown, what it does, and what the page answers then."""

    key: str
    shown: str
    what: str
    value: str


class ChoiceRows(Lines):
    """The question and its answers."""

    DEFAULT_CSS = "ChoiceRows { height: 1fr; }"

    def __init__(self, title: str, text: str, choices: Sequence[Choice], away: str) -> None:
        super().__init__()
        self._title, self._text, self._choices, self._away = title, text, choices, away

    def build(self, width: int) -> Sequence[Row]:
        """An answer a row."""
        rows = [BLANK, *wrap(self._title, width - 2, Ink.BOLD, indent=" ")]
        rows += [*wrap(self._text, width - 2, indent=" ")] if self._text else []
        rows.append(BLANK)
        rows += [row((f" {choice.shown:<7}", Ink.KEY), choice.what) for choice in self._choices]
        return [*rows, row((f" {'Esc':<7}", Ink.KEY), self._away)]


class ChoicePage(ModalScreen[str]):
    """Answers the value of the choice whose key was pressed, or nothing. Opaque: nothing under it is repainted."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", "back")]
    DEFAULT_CSS = "ChoicePage { background: ansi_default; }"

    def __init__(self, title: str, text: str, choices: Sequence[Choice], away: str = "back") -> None:
        super().__init__()
        self._rows = ChoiceRows(title, text, choices, away)
        self._values = {choice.key: choice.value for choice in choices}

    def compose(self) -> ComposeResult:
        """The rows."""
        yield self._rows

    def on_key(self, event: events.Key) -> None:
        """A key that is an answer."""
        if event.key in self._values:
            event.stop()
            self.dismiss(self._values[event.key])
