"""Which snapshot a user means by a time or by the name of a mark.

Owns: the spellings of ``--at``. Must not: read frames.

``first``, ``last``; ``#3``, the third mark; ``+90`` or ``+1.5``, seconds from the start; an instant in ISO 8601, or a
time of day alone, by this machine's clock unless it names a zone; else the text a mark begins with.
"""

from __future__ import annotations

import re
from datetime import datetime, time

from pgreplterm.recording.reader import Mark, Recording
from pgreplterm.recording.segments import RecordingError

_OFFSET = re.compile(r"\+(\d+(?:\.\d+)?)s?")
_NUMBER = re.compile(r"#(\d+)")


def moment(recording: Recording, text: str | None) -> int:
    """The number of that snapshot; the last one when nothing is asked for. Raises RecordingError."""
    if not len(recording):
        raise RecordingError(f"{recording.path}: expected snapshots, found none.")
    if text is None or text == "last":
        return len(recording) - 1
    if text == "first":
        return 0
    if match := _OFFSET.fullmatch(text):
        return newest_before(recording, recording.at(0) + float(match[1]))
    if match := _NUMBER.fullmatch(text):
        return _numbered(recording, int(match[1])).frame
    at = _instant(recording, text)
    return _named(recording, text).frame if at is None else newest_before(recording, at)


def newest_before(recording: Recording, at: float) -> int:
    """The newest snapshot at that instant, the first when it lies before all; clocks may have been set back."""
    return max((number for number in range(len(recording)) if recording.at(number) <= at), default=0)


def _instant(recording: Recording, text: str) -> float | None:
    try:
        return datetime.fromisoformat(text).timestamp()
    except ValueError:
        pass
    try:
        of_day = time.fromisoformat(text)
    except ValueError:
        return None
    first = datetime.fromtimestamp(recording.at(0)).astimezone(of_day.tzinfo)
    return datetime.combine(first.date(), of_day, of_day.tzinfo or first.tzinfo).timestamp()


def _numbered(recording: Recording, number: int) -> Mark:
    if not 0 < number <= len(recording.marks):
        count = len(recording.marks)
        raise RecordingError(f"{recording.path}: expected a mark from #1 to #{count}, found #{number}.")
    return recording.marks[number - 1]


def _named(recording: Recording, text: str) -> Mark:
    """The mark of exactly that text, or the only one that begins with it."""
    wanted = text.casefold()
    found = [mark for mark in recording.marks if mark.text.casefold().startswith(wanted)]
    exact = [mark for mark in found if mark.text.casefold() == wanted]
    if len(exact or found) == 1:
        return (exact or found)[0]
    what = f"{len(found)} marks that begin so" if found else "neither a time nor the beginning of a mark"
    raise RecordingError(
        f"{recording.path}: expected a time or one mark, found {text!r}, {what}; replay --list shows them, and #N is "
        "the Nth."
    )
