"""The lists of the WAL place: nodes, segments, records, fields, bytes.

Owns: what each list holds and how its rows are asked for.
Must not: read files; the place gives them what was read.
"""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.message import Message

from pgreplterm.tui.ink import Ink, Row, cell, row
from pgreplterm.tui.rowlist import RowList
from pgreplterm.tui.wal import rows
from pgreplterm.tui.wal.anatomy import Anatomy, Place
from pgreplterm.tui.wal.library import OpenSegment, Shelf


@dataclass(frozen=True, slots=True)
class Folder:
    """Somewhere WAL can be read: a node's data directory, or a path the user named."""

    name: str
    note: str
    path: Path


class FolderList(RowList):
    """Whose WAL."""

    folders: Sequence[Folder] = ()

    def count(self) -> int:
        """How many folders."""
        return len(self.folders)

    def line(self, index: int) -> Row:
        """Name, what it is, where."""
        folder = self.folders[index]
        return row(f" {cell(folder.name, 14)}{cell(folder.note, 12)}", (str(folder.path), Ink.DIM))

    def heading(self) -> list[Row]:
        """The column titles."""
        return [row((f" {'NODE':<14}{'ROLE':<12}DATA DIRECTORY", Ink.BOLD))]


class SegmentList(RowList):
    """The segments of one folder, by timeline, then position."""

    shelf: Shelf | None = None
    ends: Mapping[tuple[int, int], Sequence[str]] = MappingProxyType({})

    def count(self) -> int:
        """How many segments."""
        return len(self.shelf.entries) if self.shelf is not None else 0

    def line(self, index: int) -> Row:
        """One segment, with the nodes whose WAL ends in it."""
        assert self.shelf is not None
        entry = self.shelf.entries[index]
        return rows.segment_row(entry, self.ends.get((entry.segment.timeline, entry.segment.number), ()))

    def heading(self) -> list[Row]:
        """The column titles."""
        return [rows.SEGMENT_HEADING]


class RecordList(RowList):
    """The records of one segment, or those a filter lets through."""

    opened: OpenSegment | None = None
    kept: array[int] | None = None

    def count(self) -> int:
        """How many records."""
        if self.opened is None:
            return 0
        return self.opened.count if self.kept is None else len(self.kept)

    def number(self, index: int) -> int:
        """The record's number in its segment."""
        return index if self.kept is None else self.kept[index]

    def line(self, index: int) -> Row:
        """One record."""
        assert self.opened is not None
        return rows.record_row(self.opened, self.number(index))

    def heading(self) -> list[Row]:
        """The column titles."""
        return [rows.RECORD_HEADING]


class FieldList(RowList):
    """Every field of one record and of its pages."""

    anatomy: Anatomy | None = None

    def count(self) -> int:
        """How many fields."""
        return len(self.anatomy.spots) if self.anatomy is not None else 0

    def line(self, index: int) -> Row:
        """One field."""
        assert self.anatomy is not None
        return rows.field_row(self.anatomy.spots[index])

    def heading(self) -> list[Row]:
        """The column titles."""
        return [rows.FIELD_HEADING]


class HexView(RowList):
    """The bytes; the cursor is on one of them, the marked ones are the field's under the other cursor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("h,left", "byte(-1)", "byte left", show=False),
        Binding("l,right", "byte(1)", "byte right", show=False),
    ]

    class ByteMoved(Message):
        """The byte under the cursor is another one."""

        def __init__(self, chunk: int, byte: int) -> None:
            super().__init__()
            self.chunk = chunk
            self.byte = byte

    anatomy: Anatomy | None = None
    marked: tuple[Place, ...] = ()
    column = 0

    def count(self) -> int:
        """How many lines."""
        return len(self.anatomy.rows) if self.anatomy is not None else 0

    def line(self, index: int) -> Row:
        """One line of the dump."""
        assert self.anatomy is not None
        at = self.column if index == self.cursor and self.has_focus else None
        return rows.hex_row(self.anatomy, self.anatomy.rows[index], self.marked, at)

    def cursor_line(self, index: int) -> Row:
        """The cursor is a byte, not the row."""
        return self.line(index)

    def on_focus(self) -> None:
        """Start where the marked field does."""
        if self.anatomy is not None and self.marked:
            self.move_to(self.anatomy.row_of(self.marked[0]))
            self.column = self.marked[0].start - self.anatomy.rows[self.cursor].start
            self.refresh_changed()

    def on_resize(self) -> None:
        """The marked field stays visible at another height."""
        self.mark(self.marked)

    def mark(self, places: tuple[Place, ...]) -> None:
        """Light up a field, and bring it into view unless the user is moving here."""
        self.marked = places
        if self.anatomy is not None and places and not self.has_focus:
            self.show_row(self.anatomy.row_of(places[0]))
        self.refresh_changed()

    def action_byte(self, step: int) -> None:
        """One byte left or right, within the line."""
        if self.anatomy is not None and self.count():
            last = max(self.anatomy.rows[self.cursor].length - 1, 0)
            self.column = max(min(self.column + step, last), 0)
            self.tell()
            self.refresh_changed()

    def tell(self) -> None:
        """Say which byte the cursor is on; a title line has none."""
        if self.anatomy is not None and self.count():
            line = self.anatomy.rows[self.cursor]
            if line.length:
                self.post_message(self.ByteMoved(line.chunk, line.start + min(self.column, line.length - 1)))
