"""LSNs, segment names and history files: text in, values out, and the sentence when the text is wrong."""

from __future__ import annotations

import pytest

from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.segment import parse_segment_name, segment_name
from pgreplterm.wal.timeline import Fork, TimelineHistory, TimelineSwitch, fork_point, parse_history

MB = 1 << 20


@pytest.mark.parametrize(
    ("text", "value"),
    [("0/0", 0), ("0/3000060", 0x3000060), ("16/B374D848", 0x16B374D848), ("FFFFFFFF/FFFFFFFF", 2**64 - 1)],
)
def test_lsn_round_trip(text: str, value: int) -> None:
    assert LSN.parse(text) == value
    assert LSN.parse(str(LSN(value))) == value


def test_lsn_prints_as_pg_waldump_does() -> None:
    assert str(LSN(0x3000060)) == "0/03000060"


@pytest.mark.parametrize("text", ["", "0", "0/", "/0", "0/123456789", "g/0", "0/0/0"])
def test_what_is_no_lsn(text: str) -> None:
    with pytest.raises(ValueError, match="expected an LSN"):
        LSN.parse(text)


@pytest.mark.parametrize("size", [1 * MB, 16 * MB, 64 * MB, 1024 * MB])
@pytest.mark.parametrize("number", [0, 1, 3, 4, 255, 256, 4095, 4096, 123456])
def test_segment_names_count_as_the_server_does(size: int, number: int) -> None:
    name = parse_segment_name(segment_name(7, number, size))
    assert name is not None
    assert (name.timeline, name.number(size)) == (7, number)
    assert name.start(size) == number * size
    assert name.low < (1 << 32) // size


@pytest.mark.parametrize(
    ("text", "partial", "compression"),
    [
        ("00000001000000000000000A", False, None),
        ("00000001000000000000000A.partial", True, None),
        ("00000001000000000000000A.gz", False, "gz"),
        ("00000001000000000000000A.partial.zst", True, "zst"),
        ("00000001000000000000000A-" + "ab" * 20 + ".gz", False, "gz"),
    ],
)
def test_segment_name_suffixes(text: str, partial: bool, compression: str | None) -> None:
    name = parse_segment_name(text)
    assert name is not None
    assert (name.partial, name.compression) == (partial, compression)


@pytest.mark.parametrize(
    "text", ["00000002.history", "00000001000000000000000a", "0000000100000000000000", "archive_status", ""]
)
def test_what_is_no_segment(text: str) -> None:
    assert parse_segment_name(text) is None


def test_history_with_blank_lines_comments_and_a_reason_over_two_lines() -> None:
    text = (
        "# kept by hand\n\n1\t0/3000000\tno recovery target specified\n\n"
        "2\t0/05000060\tbefore 2026-01-01 00:00:00+00\nand more of the reason\n"
    )
    assert parse_history(3, text) == TimelineHistory(
        3,
        (
            TimelineSwitch(1, LSN(0x3000000), "no recovery target specified"),
            TimelineSwitch(2, LSN(0x5000060), "before 2026-01-01 00:00:00+00 and more of the reason"),
        ),
    )


@pytest.mark.parametrize("text", ["x\n", "2\t0/1\tself\n", "1\t0/1\ta\n1\t0/2\tagain\n", "1\tzzz\treason\n"])
def test_history_that_cannot_be(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        parse_history(2, text)


def switches(*steps: tuple[int, int]) -> tuple[TimelineSwitch, ...]:
    return tuple(TimelineSwitch(timeline, LSN(lsn), "") for timeline, lsn in steps)


def test_fork_of_an_old_primary_and_its_successor() -> None:
    old, new = TimelineHistory(1), TimelineHistory(2, switches((1, 100)))
    assert fork_point(old, LSN(140), new, LSN(900)) == Fork(1, LSN(100))
    assert fork_point(old, LSN(80), new, LSN(900)) == Fork(1, LSN(80))


def test_fork_of_two_children_of_one_parent() -> None:
    left, right = TimelineHistory(2, switches((1, 100))), TimelineHistory(3, switches((1, 150)))
    assert fork_point(left, LSN(300), right, LSN(400)) == Fork(1, LSN(100))


def test_fork_deep_in_a_shared_line() -> None:
    left = TimelineHistory(4, switches((1, 100), (2, 200)))
    right = TimelineHistory(3, switches((1, 100), (2, 250)))
    assert fork_point(left, LSN(300), right, LSN(400)) == Fork(2, LSN(200))


def test_lineages_without_a_common_timeline() -> None:
    assert fork_point(TimelineHistory(5), LSN(1), TimelineHistory(6), LSN(1)) is None
