"""The WAL place: a node's segments, their records, one record down to its bytes.

Owns: the way down (Enter) and back (Esc), and starting the reading in threads.
Must not: read a file on the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, TypeVar

from textual import on, work
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.widgets import Input

from pgreplterm.errors import PgReplTermError
from pgreplterm.tui.chrome import Keys
from pgreplterm.tui.desk import Desk
from pgreplterm.tui.ink import Ink, Row, wrap
from pgreplterm.tui.place import Place
from pgreplterm.tui.rowlist import RowList
from pgreplterm.tui.strips import Lines
from pgreplterm.tui.wal.anatomy import lay_open
from pgreplterm.tui.wal.library import Shelf, open_segment, open_shelf
from pgreplterm.tui.wal.lists import FieldList, Folder, FolderList, HexView, RecordList, SegmentList
from pgreplterm.tui.wal.query import matching, parse_query
from pgreplterm.tui.wal.rows import summary

T = TypeVar("T")
LEVELS = ("folders", "segments", "records", "record")
LEVEL_NUMBERS = range(len(LEVELS))
LISTS = (FolderList, SegmentList, RecordList, FieldList)


class Trail(Lines):
    """Where we are, and the result of the last step."""

    def __init__(self) -> None:
        super().__init__()
        self.text, self.ink = "", Ink.PLAIN

    def build(self, width: int) -> list[Row]:
        """Two rows at most."""
        return wrap(self.text, width - 1, self.ink, indent=" ")[:2]

    def say(self, text: str, ink: Ink = Ink.DIM) -> None:
        """Another text."""
        self.text, self.ink = text, ink
        self.rebuild()


class WalPlace(Place):
    """Place 5."""

    mode = "wal"
    CSS_PATH = "wal.tcss"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "back", "back"),
        Binding("slash", "ask", "find", key_display="/"),
        Binding("r", "again", "read again"),
    ]

    def __init__(self, desk: Desk) -> None:
        super().__init__(desk)
        self.level = 0

    def body(self) -> ComposeResult:
        """All lists; the stylesheet shows those that belong to the level and fit."""
        yield Trail()
        with Horizontal(id="shelves"):
            yield FolderList()
            yield SegmentList()
            yield RecordList()
            with Vertical(id="record"):
                yield FieldList()
                yield HexView()
        field = Input(id="find", compact=True, placeholder="LSN to go to, or xid or resource manager to filter by")
        field.cursor_blink = False
        yield field

    def on_mount(self) -> None:
        """Begin with whose WAL."""
        self._show_level(0)

    def show_view(self) -> None:
        """The folders follow the nodes; what has been read stays until it is read again."""
        super().show_view()
        self._collect_folders()
        self._collect_ends()

    def _collect_folders(self) -> None:
        snapshot, folders = self.desk.view.snapshot, []
        for node in snapshot.nodes if snapshot is not None else ():
            path = self.desk.source.data_directory(node.name)
            if path is not None:
                folders.append(Folder(node.name, str(node.role), path))
        if self.desk.wal_path is not None:
            folders.append(Folder("path", "", self.desk.wal_path))
        listed = self.query_one(FolderList)
        if list(listed.folders) != folders:
            listed.folders = folders
            listed.refresh()
        if self.level == 0:
            self.query_one(Trail).say(self._headline())

    def _collect_ends(self) -> None:
        segments, snapshot = self.query_one(SegmentList), self.desk.view.snapshot
        ends: dict[tuple[int, int], list[str]] = {}
        for node in snapshot.nodes if snapshot is not None else ():
            position = node.sample.position if node.sample is not None else None
            if node.sample is not None and node.timeline is not None and position is not None:
                number = position.segment_number(node.sample.wal_segment_size)
                ends.setdefault((node.timeline, number), []).append(node.name)
        segments.ends = ends
        if self.level == 1:
            segments.refresh_changed()

    def _show_level(self, level: int) -> None:
        for number, name in enumerate(LEVELS):
            self.set_class(number == level, f"-{name}")
        self.level = level
        self.query_one(LISTS[level]).focus()
        self.query_one(Keys).rebuild()
        self.query_one(Trail).say(self._headline())

    def _headline(self) -> str:
        """What the level shows, in a line or two."""
        shelf, records = self.query_one(SegmentList).shelf, self.query_one(RecordList)
        if self.level == 1 and shelf is not None:
            size, major = shelf.source.segment_size >> 20, shelf.source.format.major
            return f"{shelf.source.path}: {len(shelf.entries)} segments of {size} MB, PostgreSQL {major}"
        if self.level == 2 and records.opened is not None:
            return summary(records.opened, records.count())
        if self.level == 3 and records.opened is not None:
            number = records.number(records.cursor) + 1
            return f"record {number:,} of {records.opened.segment.file_name}; Tab goes to the bytes"
        if self.query_one(FolderList).count():
            return "Whose WAL?"
        return "No node's files are on this machine; `pgreplterm wal` reads any path."

    @on(RowList.Chosen)
    def _down(self, chosen: RowList.Chosen) -> None:
        match chosen.source:
            case FolderList():
                self._read_folder(chosen.index)
            case SegmentList():
                self._read_segment(chosen.index)
            case RecordList():
                self._read_record(chosen.index)

    @on(RowList.Moved, "RecordList")
    def _another_record(self, moved: RowList.Moved) -> None:
        if self.level == 3:  # both are on the screen: the bytes follow the cursor in the list
            self._read_record(moved.index)

    @on(RowList.Moved, "FieldList")
    def _mark_bytes(self, moved: RowList.Moved) -> None:
        fields = self.query_one(FieldList)
        if fields.anatomy is not None and moved.index < fields.count():
            self.query_one(HexView).mark(fields.anatomy.spots[moved.index].places)

    @on(RowList.Moved, "HexView")
    def _byte_row_moved(self) -> None:
        self.query_one(HexView).tell()

    @on(HexView.ByteMoved)
    def _mark_field(self, moved: HexView.ByteMoved) -> None:
        fields = self.query_one(FieldList)
        spot = fields.anatomy.spot_at(moved.chunk, moved.byte) if fields.anatomy is not None else None
        if spot is not None and self.query_one(HexView).has_focus:
            fields.move_to(spot)

    async def _read(self, what: str, work_: Callable[[], T]) -> T | None:
        """Run blocking work in a thread; its failure is one line."""
        trail = self.query_one(Trail)
        trail.say(f"reading {what}")
        try:
            return await asyncio.to_thread(work_)
        except PgReplTermError as error:
            trail.say(str(error), Ink.CRITICAL)
        except Exception as error:  # whatever a damaged file does to the reader, the place stays open
            trail.say(f"{what}: {type(error).__name__}: {error}", Ink.CRITICAL)
        return None

    @work(exclusive=True, group="wal", exit_on_error=False)
    async def _read_folder(self, index: int) -> None:
        folder = self.query_one(FolderList).folders[index]
        shelf = await self._read(str(folder.path), lambda: open_shelf(folder.path))
        if shelf is not None:
            self._show_shelf(shelf)

    def _show_shelf(self, shelf: Shelf) -> None:
        segments = self.query_one(SegmentList)
        segments.shelf = shelf
        segments.reset(segments.cursor)
        self._show_level(1)

    @work(exclusive=True, group="wal", exit_on_error=False)
    async def _read_segment(self, index: int) -> None:
        shelf = self.query_one(SegmentList).shelf
        assert shelf is not None
        segment = shelf.entries[index].segment
        opened = await self._read(segment.file_name, lambda: open_segment(shelf.source, segment))
        if opened is not None:
            records = self.query_one(RecordList)
            records.opened, records.kept = opened, None
            records.reset()
            self._show_level(2)

    @work(exclusive=True, group="wal", exit_on_error=False)
    async def _read_record(self, index: int) -> None:
        records = self.query_one(RecordList)
        opened, number = records.opened, records.number(index)
        assert opened is not None
        anatomy = await self._read("the record", lambda: lay_open(opened, number))
        if anatomy is not None:
            already = self.level == 3
            fields, view = self.query_one(FieldList), self.query_one(HexView)
            fields.anatomy = view.anatomy = anatomy
            view.column = 0
            view.reset()
            fields.reset()
            if already:
                self.query_one(Trail).say(self._headline())
            else:
                self._show_level(3)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:  # noqa: ARG002
        """Keys that mean nothing at this level are not offered."""
        return self.level in {"ask": (2,), "again": (1, 2), "back": (1, 2, 3)}.get(action, LEVEL_NUMBERS)

    def action_back(self) -> None:
        """One step up; a filter goes first."""
        records = self.query_one(RecordList)
        if self.query_one("#find").has_focus:
            self._close_question()
        elif self.level == 2 and records.kept is not None and records.opened is not None:
            records.kept = None
            records.reset()
            self.query_one(Trail).say(self._headline())
        elif self.level:
            self._show_level(self.level - 1)
            self.show_view()

    def action_again(self) -> None:
        """Read the folder or the segment again: WAL grows."""
        if self.level == 1:
            self._read_folder(self.query_one(FolderList).cursor)
        elif self.level == 2:
            self._read_segment(self.query_one(SegmentList).cursor)

    def action_ask(self) -> None:
        """Open the question under the records."""
        if self.level == 2:
            self.add_class("-asking")
            self.query_one("#find", Input).focus()

    def _close_question(self) -> None:
        self.remove_class("-asking")
        self.query_one(LISTS[self.level]).focus()

    @on(Input.Submitted, "#find")
    def _asked(self, event: Input.Submitted) -> None:
        self._close_question()
        self._find(event.value)

    @work(exclusive=True, group="wal", exit_on_error=False)
    async def _find(self, text: str) -> None:
        records, trail = self.query_one(RecordList), self.query_one(Trail)
        opened = records.opened
        assert opened is not None
        try:
            query = parse_query(text)
        except ValueError as error:
            trail.say(str(error), Ink.CRITICAL)
            return
        if query.lsn is not None:
            records.kept = None
            records.reset(opened.index.find(query.lsn))
        else:
            records.kept = await asyncio.to_thread(matching, opened, query) if query.filters else None
            records.reset()
        trail.say(self._headline())
