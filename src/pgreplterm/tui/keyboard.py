"""Bytes from the terminal to text that is safe to parse as keys.

Owns: dropping what is no key: bytes that are no UTF-8, and X10 mouse reports.
Must not: read a descriptor or know Textual.

Why: tmux re-attaching and editors reloading drop the SGR mouse mode; the terminal then sends X10 reports, whose
three bytes are the position plus 32. Past column 95 they are no UTF-8 (a strict decoder dies); before it they are
letters, so a click would type commands into a program where upper-case letters act (Textual issue 6668).
"""

from __future__ import annotations

from codecs import getincrementaldecoder

_X10 = b"\x1b[M"
_REPORT = len(_X10) + 3


class KeyBytes:
    """An incremental decoder; ``decode`` never raises."""

    def __init__(self) -> None:
        self._decoder = getincrementaldecoder("utf-8")("ignore")
        self._pending = b""
        self._escape_told = False  # the first pending byte has been returned already

    def decode(self, data: bytes) -> str:
        """The text of these bytes. A mouse report cut in two is held until its rest arrives.

        An escape that ends a read is returned at once, because it is the Esc key more often than not, and still
        remembered as what may turn out to have begun a report.
        """
        data = self._pending + data
        kept, self._pending = _without_reports(data)
        if self._escape_told and kept and not data.startswith(_X10):
            kept = kept[1:]
        self._escape_told = self._escape_told and self._pending == data
        if not self._pending and kept.endswith(_X10[:1]):
            self._pending, self._escape_told = _X10[:1], True
        return self._decoder.decode(kept)


def _without_reports(data: bytes) -> tuple[bytes, bytes]:
    """The bytes outside mouse reports, and an unfinished report at the end."""
    kept = bytearray()
    while (start := data.find(_X10)) >= 0:
        kept += data[:start]
        if len(data) - start < _REPORT:
            return bytes(kept), data[start:]
        data = data[start + _REPORT :]
    cut = len(data) - 2 if data.endswith(_X10[:2]) else len(data)
    return bytes(kept + data[:cut]), data[cut:]
