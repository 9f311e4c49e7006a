"""Rows as plain values: fitting, cutting, and what hostile text may not do."""

from __future__ import annotations

import pytest

from pgreplterm.tui.ink import Ink, cell, clean, fit, plain, row, spread, width_of, wrap


@pytest.mark.parametrize(
    "hostile",
    ["\x1b[2Jgone", "a\x9b31m", "left\u202eright", "two\nlines", "\x07bell", "nul\x00", "del\x7f", "\u2028"],
)
def test_no_control_character_of_server_text_reaches_a_row(hostile: str) -> None:
    (text, _), *_ = row(hostile)
    assert text.replace("·", "").isprintable()
    assert len(text) == len(hostile)


def test_markup_is_text() -> None:
    assert row("[red]x[/red]") == (("[red]x[/red]", Ink.PLAIN),)


@pytest.mark.parametrize("width", range(12))
def test_a_row_is_cut_or_padded_to_its_width(width: int) -> None:
    assert width_of(fit(row("pg1", ("数据", Ink.BOLD), "!"), width)) == width


def test_a_wide_character_is_never_cut_in_half() -> None:
    assert plain([fit(row("数据"), 3)]) == "数"
    assert width_of(fit(row("数据"), 3)) == 3


def test_a_cell_that_is_cut_says_so() -> None:
    assert cell("standby-with-a-long-name", 8) == "standby~"
    assert cell("s1", 4, right=True) == "  s1"


def test_spread_keeps_the_left_side_when_both_do_not_fit() -> None:
    assert plain([spread(row("left"), row("right"), 20)]) == "left           right"
    assert plain([spread(row("left side"), row("right"), 10)]) == "left sider"


def test_wrap_breaks_at_blanks_and_keeps_the_indent() -> None:
    assert plain(wrap("one two three", 8, indent=" ")) == " one two\n three"


def test_clean_leaves_ordinary_text_alone() -> None:
    assert clean("schön 数据 ●") == "schön 数据 ●"
