"""pglz against the format's description, byte by byte in Python: what is right, what is cut, and what is noise."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from pgreplterm._walscan import ffi, lib

GUARD = b"\xa5" * 64
LONGEST_MATCH, FARTHEST = 273, 4095

Token = int | tuple[int, int]  # a literal byte, or (distance back, length)


def packed(tokens: Iterable[Token]) -> bytes:
    """The tokens as pglz writes them: a control byte before each eight, its lowest bit for the first."""
    out, items, control, count = bytearray(), bytearray(), 0, 0
    for token in tokens:
        if isinstance(token, int):
            items.append(token)
        else:
            distance, length = token
            control |= 1 << count
            items += bytes([distance >> 8 << 4 | min(length - 3, 15), distance & 0xFF])
            items += bytes([length - 18]) if length >= 18 else b""
        count += 1
        if count == 8:
            out += bytes([control]) + items
            items, control, count = bytearray(), 0, 0
    return bytes(out + bytes([control]) + items) if count else bytes(out)


def meaning(tokens: Iterable[Token]) -> bytes:
    """What the tokens stand for."""
    out = bytearray()
    for token in tokens:
        if isinstance(token, int):
            out.append(token)
        else:
            for _ in range(token[1]):
                out.append(out[-token[0]])
    return bytes(out)


def slowly(data: bytes, length: int) -> bytes | None:
    """What data unpacks to, if that is exactly length bytes; a last match may announce more than are left."""
    out, at, left = bytearray(), 0, 0
    try:
        while at < len(data) and len(out) < length:
            if not left:
                control, at, left = data[at], at + 1, 8
                continue
            left, is_match, control = left - 1, control & 1, control >> 1
            if not is_match:
                out.append(data[at])
                at += 1
                continue
            size, distance = (data[at] & 15) + 3, data[at] >> 4 << 8 | data[at + 1]
            at += 2
            if size == 18:
                size, at = size + data[at], at + 1
            if not 0 < distance <= len(out):
                return None
            for _ in range(min(size, length - len(out))):
                out.append(out[-distance])
    except IndexError:
        return None
    return bytes(out) if (at, len(out)) == (len(data), length) else None


def unpacked(data: bytes, length: int) -> bytes | None:
    """What the C library makes of data; the bytes around its output must stay what they are."""
    room = bytearray(GUARD + b"\xee" * length + GUARD)
    out = ffi.from_buffer("uint8_t[]", room)
    done = lib.walscan_pglz(ffi.from_buffer(data), len(data), out + len(GUARD), length)
    assert room.startswith(GUARD) and room.endswith(GUARD)
    return bytes(room[len(GUARD) : len(GUARD) + length]) if done else None


def some_tokens(chance: random.Random, count: int) -> list[Token]:
    """Literals and matches that a packer could have written."""
    tokens: list[Token] = [chance.randrange(256)]
    size = 1
    for _ in range(count):
        if chance.random() < 0.5:
            tokens.append(chance.randrange(256))
            size += 1
        else:
            nearest = chance.choice((1, 2, 7, 8, 9, 300, FARTHEST))
            match = chance.randint(1, min(size, nearest)), chance.choice((3, 4, 17, 18, 19, 60, LONGEST_MATCH))
            tokens.append(match)
            size += match[1]
    return tokens


@pytest.mark.parametrize("seed", range(60))
def test_random_tokens(seed: int) -> None:
    tokens = some_tokens(random.Random(seed), 1 + seed * 7)
    expected = meaning(tokens)
    assert unpacked(packed(tokens), len(expected)) == expected == slowly(packed(tokens), len(expected))


def test_every_distance_with_every_length() -> None:
    """Matches that reach into themselves, and that end where the room does."""
    start = bytes(range(30))
    for distance in range(1, 31):
        for length in range(3, 45):
            tokens = [*start, (distance, length)]
            assert unpacked(packed(tokens), 30 + length) == meaning(tokens), (distance, length)


def test_the_longest_and_the_farthest() -> None:
    tokens = [*random.Random(1).randbytes(FARTHEST), (FARTHEST, LONGEST_MATCH), (1, LONGEST_MATCH), 7]
    assert unpacked(packed(tokens), FARTHEST + 2 * LONGEST_MATCH + 1) == meaning(tokens)


def test_a_last_match_is_cut_where_the_room_ends() -> None:
    tokens: list[Token] = [1, 2, 3, 4, 5, 6, 7, 8, (8, 100)]
    for length in range(9, 108):
        assert unpacked(packed(tokens), length) == meaning(tokens)[:length]


def test_every_cut_and_every_other_length_is_refused() -> None:
    tokens: list[Token] = [*some_tokens(random.Random(3), 40), 9]
    data, expected = packed(tokens), meaning(tokens)
    assert unpacked(data, len(expected)) == expected
    for cut in range(len(data)):
        assert unpacked(data[:cut], len(expected)) is None, f"cut to {cut} bytes"
    for length in (0, 1, len(expected) - 1, len(expected) + 1, 8192):
        assert unpacked(data, length) is None, f"room for {length} bytes"


@pytest.mark.parametrize("tokens", [[(1, 3)], [1, (2, 3)], [1, 2, 3, (4, 18)], [1, (0, 3)]])
def test_a_match_before_the_beginning_is_refused(tokens: list[Token]) -> None:
    length = sum(1 if isinstance(token, int) else token[1] for token in tokens)
    assert unpacked(packed(tokens), length) is None


def test_noise_and_changed_bytes_are_judged_alike() -> None:
    chance = random.Random(4)
    tokens = some_tokens(chance, 20)
    data, whole = packed(tokens), len(meaning(tokens))
    accepted = 0
    for _ in range(3000):
        changed = bytearray(data if chance.random() < 0.8 else chance.randbytes(chance.randrange(300)))
        for _ in range(chance.randrange(4)):
            if changed:
                changed[chance.randrange(len(changed))] = chance.randrange(256)
        length = chance.choice((1, 100, whole, whole, 8192))
        expected = slowly(bytes(changed), length)
        assert unpacked(bytes(changed), length) == expected
        accepted += expected is not None
    assert accepted > 100, "too few of them were right for this to prove much"
