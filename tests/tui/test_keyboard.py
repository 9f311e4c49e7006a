"""Bytes that are no keys."""

from __future__ import annotations

import pytest

from pgreplterm.tui.keyboard import KeyBytes


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"j", "j"),
        ("ö●".encode(), "ö●"),
        (b"\xffj\xfe", "j"),
        (b"\x1b[A", "\x1b[A"),
        (b"\x1b[M !!", ""),  # a click
        (b"a\x1b[M \xff\xffb", "ab"),  # a click past column 95
        (b"\x1b[M qDj", "j"),  # a click whose position spells commands
        (b"\x1b", "\x1b"),
    ],
)
def test_only_keys_come_out(data: bytes, text: str) -> None:
    assert KeyBytes().decode(data) == text


def test_reports_and_characters_cut_anywhere_come_out_the_same() -> None:
    data = b"x\x1b[M" + b" \xe1\xe2" + "é".encode() + b"\x1b[Bq"
    for cut in range(len(data) + 1):
        keys = KeyBytes()
        told = keys.decode(data[:cut]) + keys.decode(data[cut:])
        assert told.replace("\x1bé", "é") == "xé\x1b[Bq"


def test_one_byte_at_a_time_only_the_escape_of_a_report_is_told() -> None:
    keys = KeyBytes()
    data = b"j\x1b[M !!k\x1b[A\x1b\x1bq"
    assert "".join(keys.decode(bytes([byte])) for byte in data) == "j\x1bk\x1b[A\x1b\x1bq"
