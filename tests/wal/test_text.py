"""csrc/text.c's writers against Python's: numbers, LSNs, and times as pg_waldump's timestamptz_to_str writes them."""

from __future__ import annotations

import ctypes
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

CSRC = Path(__file__).parents[2] / "csrc"
EPOCH = datetime(2000, 1, 1, tzinfo=UTC)
MICROSECONDS = 1_000_000

# Summer time of an hour, of half an hour, and none in a zone that is no whole hour from UTC and has no letters.
ZONES = ("America/New_York", "Australia/Lord_Howe", "Asia/Kathmandu")

# put_u and put_d are inline in text.h: a file of the test's own gives every writer an address.
_WRAPPERS = """
#include "text.h"
#define WRAP(name, type) \\
    size_t wrap_##name(char *at, size_t room, type n, int width) { \\
        text t = {at, at + room, 0, 0, "", ""}; \\
        (void) width; \\
        CALL_##name; \\
        return t.full ? (size_t) -1 : (size_t) (t.at - at); \\
    }
#define CALL_u put_u(&t, n)
#define CALL_d put_d(&t, n)
#define CALL_padded put_padded(&t, n, (size_t) width)
#define CALL_hex put_hex(&t, n, width)
#define CALL_HEX put_HEX(&t, n, width)
#define CALL_lsn put_lsn(&t, n)
#define CALL_lsn08 put_lsn08(&t, n)
#define CALL_time put_time(&t, n)
WRAP(u, uint64_t) WRAP(d, int64_t) WRAP(padded, uint64_t) WRAP(hex, uint64_t) WRAP(HEX, uint64_t)
WRAP(lsn, uint64_t) WRAP(lsn08, uint64_t) WRAP(time, int64_t)

/* Times one after the other into the same text, each with a newline: the second looked up last is kept there. */
size_t wrap_times(char *at, size_t room, const int64_t *times, size_t count)
{
    text t = {at, at + room, 0, 0, "", ""};

    for (size_t i = 0; i < count; i++) {
        put_time(&t, times[i]);
        put_char(&t, '\\n');
    }
    return t.full ? (size_t) -1 : (size_t) (t.at - at);
}
"""


class Text:
    """The writers, each called with a buffer of its own; None where the text did not fit."""

    def __init__(self, library: ctypes.CDLL) -> None:
        self._library = library

    def write(self, name: str, n: int, width: int = 0, room: int = 64) -> str | None:
        function = getattr(self._library, f"wrap_{name}")
        function.restype = ctypes.c_ssize_t
        signed = name in ("d", "time")
        buffer = ctypes.create_string_buffer(b"#" * 64, 64)
        number = ctypes.c_int64(n) if signed else ctypes.c_uint64(n)
        length = function(buffer, ctypes.c_size_t(room), number, ctypes.c_int(width))
        written = 0 if length < 0 else length
        assert buffer.raw[max(written, room) :] == b"#" * (64 - max(written, room)), "wrote past the end"
        return None if length < 0 else buffer.raw[:length].decode()

    def times(self, timestamps: list[int]) -> list[str]:
        function = self._library.wrap_times
        function.restype = ctypes.c_ssize_t
        buffer = ctypes.create_string_buffer(64 * len(timestamps))
        array = (ctypes.c_int64 * len(timestamps))(*timestamps)
        length = function(buffer, ctypes.c_size_t(len(buffer)), array, ctypes.c_size_t(len(timestamps)))
        return buffer.raw[:length].decode().splitlines()


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Text:
    compiler = shutil.which("cc") or shutil.which("gcc")
    assert compiler is not None, "the extension could not have been built without a C compiler"
    folder = tmp_path_factory.mktemp("text")
    wrappers, library = folder / "wrappers.c", folder / "libtext.so"
    wrappers.write_text(_WRAPPERS, encoding="ascii")
    command = [compiler, "-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", f"-I{CSRC}"]
    built = subprocess.run(
        [*command, wrappers, CSRC / "text.c", "-o", library], capture_output=True, text=True, check=False
    )
    assert built.returncode == 0, built.stderr
    return Text(ctypes.CDLL(str(library)))


@pytest.fixture
def zone(request: pytest.FixtureRequest) -> Iterator[str]:
    """The process's time zone, for the C library too, until the test is done."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = request.param
    time.tzset()
    yield request.param
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def _edges(bits: int) -> list[int]:
    powers = [10**digits for digits in range(20)] + [1 << shift for shift in range(0, bits + 1, 4)]
    return sorted({n for power in powers for n in (power - 1, power, power + 1) if n < 1 << bits} | {(1 << bits) - 1})


def _as_postgres(timestamp: int, zone: str) -> str:
    """timestamptz_to_str of src/bin/pg_waldump/compat.c, whose division and remainder round toward zero."""
    sign = -1 if timestamp < 0 else 1
    seconds, fraction = (sign * part for part in divmod(abs(timestamp), MICROSECONDS))
    local = (EPOCH + timedelta(seconds=seconds)).astimezone(ZoneInfo(zone))
    return f"{local:%Y-%m-%d %H:%M:%S}.{'%06d' % fraction} {local:%Z}"  # noqa: UP031 (C's format: the sign counts)


def _changes(zone: str) -> list[int]:
    """Seconds since 2000 at which that zone's clock was or will be set, 1971 to 2037."""
    place = ZoneInfo(zone)

    def offset(second: int) -> timedelta | None:
        return (EPOCH + timedelta(seconds=second)).astimezone(place).utcoffset()

    week, found = 7 * 86400, []
    for start in range(-29 * 52 * week, 37 * 52 * week, week):
        low, high = start, start + week
        if offset(low) == offset(high):
            continue
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if offset(middle) == offset(low) else (low, middle)
        found.append(high)
    return found


def test_decimal_numbers(text: Text) -> None:
    for n in _edges(64):
        assert text.write("u", n) == str(n)
        assert [text.write("padded", n, width) for width in (0, 1, 6, 10, 24)] == [
            f"{n:>{width}}" if width else str(n) for width in (0, 1, 6, 10, 24)
        ]
    for n in _edges(63):
        assert (text.write("d", n), text.write("d", -n), text.write("d", -n - 1)) == (str(n), str(-n), str(-n - 1))


def test_hexadecimal_numbers(text: Text) -> None:
    for n in _edges(64):
        for width in (1, 2, 4, 8, 16):
            assert text.write("hex", n, width) == f"{n:0{width}x}"
            assert text.write("HEX", n, width) == f"{n:0{width}X}"


def test_lsns(text: Text) -> None:
    for n in _edges(64):
        assert text.write("lsn", n) == f"{n >> 32:X}/{n & 0xFFFFFFFF:X}"
        assert text.write("lsn08", n) == f"{n >> 32:X}/{n & 0xFFFFFFFF:08X}"


@pytest.mark.parametrize("zone", ZONES, indirect=True)
def test_times_where_clocks_are_set(text: Text, zone: str) -> None:
    changes = _changes(zone)
    assert any(second < 0 for second in changes), "no change before 2000: the test lost its point"
    near = (-MICROSECONDS - 1, -MICROSECONDS, -1, 0, 1, 99_999, 100_000, MICROSECONDS - 1, MICROSECONDS)
    timestamps = [second * MICROSECONDS + little for second in changes for little in near]
    assert text.times(timestamps) == [_as_postgres(timestamp, zone) for timestamp in timestamps]
    assert text.times(timestamps[::-1]) == [_as_postgres(timestamp, zone) for timestamp in timestamps[::-1]]


@pytest.mark.parametrize("zone", ZONES, indirect=True)
def test_times_around_2000_and_1970(text: Text, zone: str) -> None:
    starts = (0, -946_684_800 * MICROSECONDS, -1_000_000_000 * MICROSECONDS)
    steps = [sign * 10**power + one for power in range(8) for sign in (-1, 1) for one in (-1, 0, 1)]
    timestamps = [start + step for start in starts for step in steps]
    assert text.times(timestamps) == [_as_postgres(timestamp, zone) for timestamp in timestamps]


@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
def test_the_last_and_the_first_time_there_is(text: Text, zone: str) -> None:
    """A TimestampTz of all ones or of infinity is beyond Python's calendar, which repeats itself every 400 years."""
    for timestamp in (2**63 - 1, -(2**63), 2**63 - MICROSECONDS):
        sign = -1 if timestamp < 0 else 1
        seconds, fraction = (sign * part for part in divmod(abs(timestamp), MICROSECONDS))
        cycles, rest = divmod(seconds, 146_097 * 86_400)
        same = EPOCH + timedelta(seconds=rest)
        expected = f"{same.year + 400 * cycles}-{same:%m-%d %H:%M:%S}.{'%06d' % fraction} UTC"  # noqa: UP031
        assert text.write("time", timestamp) == expected


@pytest.mark.parametrize("zone", ["UTC"], indirect=True)
@pytest.mark.parametrize("name", ["u", "d", "padded", "hex", "HEX", "time"])
def test_all_or_nothing(text: Text, zone: str, name: str) -> None:
    """With one byte too few the text is full, and nothing is written past its end."""
    whole = text.write(name, 123_456_789, 12)
    assert whole is not None
    assert text.write(name, 123_456_789, 12, room=len(whole)) == whole
    assert text.write(name, 123_456_789, 12, room=len(whole) - 1) is None
    assert text.write(name, 123_456_789, 12, room=0) is None
