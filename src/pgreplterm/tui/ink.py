"""The few ways a span of text may look, and rows made of such spans.

Owns: ``Ink`` (a meaning, not a colour), spans and rows as plain values, fitting a row to a width in cells.
Must not: import Textual; colours are chosen where strips are painted, so that builders stay pure.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from rich.cells import cell_len, chop_cells, set_cell_size


class Ink(StrEnum):
    """What a span means. Every meaning is also said in words or by a glyph, never by colour alone."""

    PLAIN = "plain"
    DIM = "dim"
    BOLD = "bold"
    HEALTHY = "healthy"
    WARNING = "warning"
    CRITICAL = "critical"
    KEY = "key"
    HEADING = "heading"
    CURSOR = "cursor"
    MARK = "mark"  # the bytes or fields another pane's cursor points at


Span = tuple[str, Ink]
Row = tuple[Span, ...]

BLANK: Row = ()

# Control and format characters in server text would otherwise reach the terminal as commands:
# C0, DEL, C1, line separators, and the bidirectional overrides.
_HOSTILE = dict.fromkeys(
    (
        *(*range(0x20), *range(0x7F, 0xA0), 0x2028, 0x2029),
        *(0x061C, 0x200E, 0x200F, *range(0x202A, 0x202F), *range(0x2066, 0x206A), 0xFEFF),
    ),
    "·",
)


def clean(text: str) -> str:
    """The text with every character that could steer the terminal replaced by a dot."""
    return text if text.isascii() and text.isprintable() else text.translate(_HOSTILE)


def row(*parts: str | Span) -> Row:
    """A row from plain strings and spans, empty ones left out, all of them clean."""
    spans = (part if isinstance(part, tuple) else (part, Ink.PLAIN) for part in parts)
    return tuple((clean(text), ink) for text, ink in spans if text)


def width_of(line: Row) -> int:
    """The width of a row in cells."""
    return sum(cell_len(text) for text, _ in line)


def fit(line: Row, width: int) -> Row:
    """The row cut to exactly width cells, or padded with blanks."""
    spans: list[Span] = []
    left = width
    for text, ink in line:
        size = cell_len(text)
        if size > left:
            text, size = set_cell_size(text, left), left
        if text:
            spans.append((text, ink))
        left -= size
        if left <= 0:
            return tuple(spans)
    return (*spans, (" " * left, Ink.PLAIN)) if left else tuple(spans)


def cell(text: str, width: int, *, right: bool = False) -> str:
    """One table cell: exactly width cells, cut with ``~`` when the text is longer."""
    text = clean(text)
    size = cell_len(text)
    if size > width:
        return set_cell_size(text, max(width - 1, 0)) + "~" if width else ""
    blanks = " " * (width - size)
    return blanks + text if right else text + blanks


def spread(left: Row, right: Row, width: int) -> Row:
    """Two rows on one line: left flush left, right flush right, right cut first when both do not fit."""
    room = width - width_of(left)
    if room <= 0:
        return fit(left, width)
    return (*left, *fit(((" " * max(room - width_of(right), 0), Ink.PLAIN), *right), room))


def recolour(line: Row, ink: Ink) -> Row:
    """The same text, all in one ink (the cursor row)."""
    return (("".join(text for text, _ in line), ink),)


def plain(lines: Iterable[Row]) -> str:
    """The text alone, for tests and for copying."""
    return "\n".join("".join(text for text, _ in line).rstrip() for line in lines)


def wrap(text: str, width: int, ink: Ink = Ink.PLAIN, *, indent: str = "") -> list[Row]:
    """Prose broken at blanks into rows of at most width cells; a word longer than that (a path) is broken anywhere."""
    rows: list[Row] = []
    current = indent
    most = max(width - cell_len(indent), 1)
    for word in (part for whole in clean(text).split(" ") for part in chop_cells(whole, most) or [""]):
        joined = f"{current} {word}" if current.strip() else indent + word
        if cell_len(joined) > width and current.strip():
            rows.append(((current, ink),))
            current = indent + word
        else:
            current = joined
    return [*rows, ((current, ink),)]
