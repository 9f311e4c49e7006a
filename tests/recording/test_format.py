"""The file format: what goes in comes out, a cut or a flipped bit costs what it must, the bound is kept."""

from __future__ import annotations

import json
import os
import random
import stat
import struct
import zlib
from dataclasses import dataclass, make_dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from pgreplterm.cluster import model
from pgreplterm.cluster.model import ClusterSnapshot, Node, Role
from pgreplterm.errors import ExitCode
from pgreplterm.recording import index, segments
from pgreplterm.recording.codec import CodecError, decoder, plain
from pgreplterm.recording.delta import apply, delta
from pgreplterm.recording.frames import MAGIC, Frame, Kind, compress, expand, scan
from pgreplterm.recording.reader import DamagedRecording, Recording
from pgreplterm.recording.segments import RecordingError
from pgreplterm.recording.writer import GROUP, MEGABYTE, Writer

from .invent import busy, invented, small, snapshot

BOUND = 200_000  # bytes


def record(path: Path, snapshots: list[ClusterSnapshot], **options: object) -> Path:
    with Writer(path, title="test", interval=0.1, **options) as writer:  # type: ignore[arg-type]
        for each in snapshots:
            writer.add(each)
    return path


def replayed(path: Path, by_scan: bool = False) -> list[ClusterSnapshot]:
    with Recording(path, by_scan=by_scan) as recording:
        return [recording.snapshot(number) for number in range(len(recording))]


def whole(path: Path) -> tuple[list[ClusterSnapshot], str | None]:
    """What a scan makes of a file, damaged or not."""
    with Recording(path, by_scan=True) as recording:
        recording.check()
        return [recording.snapshot(number) for number in range(len(recording))], recording.damage


def cut_at(path: Path, length: int, as_path: Path) -> Path:
    as_path.write_bytes(path.read_bytes()[:length])
    return as_path


def test_random_snapshots_come_back_equal(tmp_path: Path) -> None:
    written = [snapshot(seed) for seed in range(200)]
    path = record(tmp_path / "r", written)
    assert replayed(path) == written
    assert replayed(path, by_scan=True) == written


def test_types_survive_and_not_only_equality(tmp_path: Path) -> None:
    """LSN(5) == 5 and Role.PRIMARY == "primary", so equality alone would not notice."""
    written = [snapshot(number) for number in range(20)]
    for before, after in zip(written, replayed(record(tmp_path / "r", written)), strict=True):
        assert repr(after) == repr(before)


def test_a_delta_leads_from_any_snapshot_to_any_other() -> None:
    for seed in range(100):
        before, after = snapshot(seed), snapshot(seed + 1)
        change = json.loads(json.dumps(delta(before, after)))
        reached = apply(json.loads(json.dumps(plain(before))), change)
        assert decoder(ClusterSnapshot)(reached) == after, f"snapshots {seed} and {seed + 1}"


def test_deltas_are_used_and_any_order_of_reading_is_right(tmp_path: Path) -> None:
    written = list(busy(2 * GROUP + 50))
    path = record(tmp_path / "r", written)
    with path.open("rb") as file:
        kinds = [piece.entry.kind for piece in scan(file, len(MAGIC)) if isinstance(piece, Frame)]
    assert kinds.count(Kind.FULL) == 3
    assert kinds.count(Kind.DELTA) == len(written) - 3
    with Recording(path) as recording:
        for number in random.Random(1).sample(range(len(written)), 100):
            assert recording.snapshot(number) == written[number]


def test_bytes_per_snapshot_of_a_busy_minute(tmp_path: Path) -> None:
    written = list(busy(600))
    path = record(tmp_path / "r", written)
    alone = sum(len(compress(json.dumps(plain(each), separators=(",", ":")).encode())) for each in written)
    size = path.stat().st_size
    print(f"\n600 ticks of 4 busy nodes: {size / 600:.0f} bytes a snapshot, {alone / 600:.0f} as full frames only")
    assert size < alone, "deltas must pay"


def test_fields_of_another_version_are_ignored_or_take_their_default() -> None:
    data = json.loads(json.dumps(plain(snapshot(3))))
    for node in data["nodes"]:
        node["invented_tomorrow"] = {"any": ["thing"]}
        del node["discovered"], node["rejoin"], node["timeline"]
    read: ClusterSnapshot = decoder(ClusterSnapshot)(data)
    expected = tuple(replace(each, discovered=False, rejoin=None, timeline=None) for each in snapshot(3).nodes)
    assert read.nodes == expected


def test_a_word_of_another_version_is_unknown_where_that_word_exists() -> None:
    assert decoder(Role)("witness") is Role.UNKNOWN
    with pytest.raises(CodecError):
        decoder(model.LinkKind)("smoke signals")


@pytest.mark.parametrize("data", [[], {"nodes": []}, {"taken_at": "noon"}, None, {"taken_at": 1.0, "nodes": {}}])
def test_other_json_is_no_snapshot(data: object) -> None:
    with pytest.raises(CodecError):
        decoder(ClusterSnapshot)(data)


def test_a_type_that_cannot_be_written_is_refused_before_anything_is() -> None:
    odd = make_dataclass("Odd", [("value", complex)], frozen=True)
    with pytest.raises(TypeError, match="complex"):
        decoder(odd)


@dataclass(frozen=True, slots=True)
class Extended(Node):
    """A Node as a later version may have it."""

    lucky_numbers: tuple[int, ...] = ()
    by_name: tuple[tuple[str, float | None], ...] = ()


@pytest.mark.parametrize("seed", range(20))
def test_fields_added_to_the_model_need_no_change_here(seed: int) -> None:
    node = invented(Extended, random.Random(seed))
    assert decoder(Extended)(json.loads(json.dumps(plain(node)))) == node


def test_a_file_cut_at_any_byte_loses_one_snapshot_at_most(tmp_path: Path) -> None:
    written = small(4)
    path = record(tmp_path / "r", written)
    with path.open("rb") as file:
        found = index.read(file)
        assert found is not None
        frames = [piece for piece in scan(file, len(MAGIC)) if isinstance(piece, Frame)]
    boundaries = {0, len(MAGIC), *(frame.end for frame in frames), path.stat().st_size}
    ends = [frame.end for frame in frames if frame.entry.kind in (Kind.FULL, Kind.DELTA)]
    for length in range(path.stat().st_size):
        snapshots, damage = whole(cut_at(path, length, tmp_path / "cut"))
        assert snapshots == written[: sum(end <= length for end in ends)], f"cut at {length}"
        assert (damage is None) == (length in boundaries), f"cut at {length}"


def test_any_flipped_bit_is_found(tmp_path: Path) -> None:
    written = small(5)
    path = record(tmp_path / "r", written)
    with path.open("rb") as file:
        found = index.read(file)
        assert found is not None
    original = path.read_bytes()
    chance = random.Random(7)
    for place in range(found[0]):
        damaged = bytearray(original)
        damaged[place] ^= 1 << chance.randrange(8)
        path.write_bytes(damaged)
        snapshots, damage = whole(path)
        assert damage is not None, f"nothing said of byte {place}"
        assert all(each in written for each in snapshots), f"a snapshot was changed by byte {place}"
        full_frame_is_whole = written[0] in snapshots
        assert len(snapshots) >= len(written) - 1 or not full_frame_is_whole, f"byte {place} cost too much"


def test_a_flip_the_index_hides_is_found_when_its_frame_is_read(tmp_path: Path) -> None:
    written = list(busy(5))
    path = record(tmp_path / "r", written)
    with path.open("rb") as file:
        found = index.read(file)
    assert found is not None
    victim = [entry for entry in found[1] if entry.kind is Kind.DELTA][1]
    damaged = bytearray(path.read_bytes())
    damaged[victim.offset + 40] ^= 4
    path.write_bytes(damaged)
    with Recording(path) as recording:
        assert len(recording) == 5
        with pytest.raises(DamagedRecording, match="snapshot 3 of 5"):
            recording.snapshot(2)
        assert recording.snapshot(3) == written[3]
    assert whole(path)[0] == [*written[:2], *written[3:]]


def test_a_delta_never_stands_on_another_full_frame(tmp_path: Path) -> None:
    """With one full frame lost, the deltas on it are lost too; applied to an older one they would be lies."""
    written = list(busy(GROUP + 10))
    path = record(tmp_path / "r", written)
    with path.open("rb") as file:
        second = [p for p in scan(file, len(MAGIC)) if isinstance(p, Frame) and p.entry.kind is Kind.FULL][1]
    damaged = bytearray(path.read_bytes())
    damaged[second.entry.offset + 30] ^= 1
    path.write_bytes(damaged)
    snapshots, damage = whole(path)
    assert snapshots == written[:GROUP]
    assert damage is not None and "9 snapshots that cannot be read" in damage


def test_nor_where_only_the_beginning_of_the_two_differs(tmp_path: Path) -> None:
    """zlib itself knows a wrong dictionary, but deflate's is the last 32 kB only."""
    (tick,) = busy(1)
    many = tuple(replace(tick.nodes[1], name=f"s{number}") for number in range(20))
    early, late = (replace(tick, system_identifier=number, nodes=many) for number in (1, 2))
    assert len(json.dumps(plain(early))) > 2 * 32768
    times = [replace(early if number < GROUP else late, taken_at=float(number)) for number in range(GROUP + 3)]
    path = record(tmp_path / "r", times)
    with path.open("rb") as file:
        second = [p for p in scan(file, len(MAGIC)) if isinstance(p, Frame) and p.entry.kind is Kind.FULL][1]
    damaged = bytearray(path.read_bytes())
    damaged[second.entry.offset + 30] ^= 1
    path.write_bytes(damaged)
    assert whole(path)[0] == times[:GROUP]


@pytest.mark.parametrize("seed", range(30))
def test_random_damage_never_escapes_as_a_traceback(tmp_path: Path, seed: int) -> None:
    chance, written = random.Random(seed), list(busy(30))
    path = record(tmp_path / "r", written)
    data = bytearray(path.read_bytes())
    for _ in range(chance.randrange(1, 6)):
        place = chance.randrange(len(data))
        match chance.randrange(3):
            case 0:
                data[place : place + chance.randrange(200)] = chance.randbytes(chance.randrange(200))
            case 1:
                del data[place : place + chance.randrange(300)]
            case _:
                data[place:place] = data[: chance.randrange(400)]
    path.write_bytes(data)
    try:
        snapshots, _ = whole(path)
    except RecordingError:
        return
    assert all(each in written for each in snapshots)


def test_a_bomb_of_zeros_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgreplterm.recording.frames._LARGEST_TEXT", MEGABYTE)
    with pytest.raises(CodecError, match="expected a whole compressed text"):
        expand(compress(bytes(2 * MEGABYTE)))


@pytest.mark.parametrize("content", [b"x" * 100, b"PK\x03\x04" * 50, MAGIC[:-1] + b"!" + b"z" * 50])
def test_another_file_is_no_recording(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "other").write_bytes(content)
    with pytest.raises(RecordingError, match="found something else") as refused:
        Recording(tmp_path / "other")
    assert refused.value.exit_code is ExitCode.USAGE


def test_a_newer_schema_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pgreplterm.recording.writer.SCHEMA", 2)
    path = record(tmp_path / "r", list(busy(1)))
    with pytest.raises(RecordingError, match="found 2: it takes a newer pgreplterm"):
        Recording(path)


def test_marks_name_the_snapshot_after_them(tmp_path: Path) -> None:
    ticks = list(busy(4))
    with Writer(tmp_path / "r", title="a lab", interval=0.5) as writer:
        writer.mark("before all")
        writer.add(ticks[0])
        writer.add(ticks[1])
        writer.mark("fault injected", at=123.5)
        writer.add(ticks[2])
        writer.mark("at the end")
    with Recording(tmp_path / "r") as recording:
        assert [(mark.text, mark.frame) for mark in recording.marks] == [
            ("before all", 0), ("fault injected", 2), ("at the end", 2)
        ]  # fmt: skip
        assert recording.marks[1].at == 123.5
        assert (recording.about.title, recording.about.interval) == ("a lab", 0.5)


def test_only_this_user_may_read_it(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        record(tmp_path / "r", list(busy(600)), limit=BOUND)
    finally:
        os.umask(before)
    files = [*segments.closed_files(tmp_path / "r"), tmp_path / "r"]
    assert len(files) > 2
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_the_bound_holds_and_the_newest_is_kept(tmp_path: Path) -> None:
    path, ticks = tmp_path / "r", list(busy(1200))
    largest = 0
    with Writer(path, title="t", interval=0.1, limit=BOUND) as writer:
        for number, tick in enumerate(ticks):
            writer.add(tick)
            if number % 50 == 0:
                writer.mark(f"mark {number}")
            largest = max(largest, writer.written.size)
    on_disk = sum(file.stat().st_size for file in tmp_path.iterdir())
    assert on_disk == writer.written.size
    assert max(largest, on_disk) <= BOUND
    assert on_disk > BOUND * 3 // 4
    assert writer.written.dropped > 0
    kept = replayed(path)
    assert kept == ticks[-len(kept) :]
    with Recording(path) as recording:
        for mark in recording.marks:
            number = int(mark.text.split()[1])
            assert recording.snapshot(mark.frame) == ticks[min(number + 1, len(ticks) - 1)]


def test_each_file_of_a_bounded_recording_is_one_on_its_own(tmp_path: Path) -> None:
    path = record(tmp_path / "r", list(busy(600)), limit=BOUND)
    together = replayed(path)
    parts = [replayed(part) for part in segments.closed_files(path)]
    assert len(parts) > 3
    path.unlink()  # as after a kill between closing one file and beginning the next
    assert replayed(path) == [each for part in parts for each in part]
    assert together[: len(parts[0])] == parts[0]


def test_a_snapshot_beyond_the_bound_is_one_sentence(tmp_path: Path) -> None:
    with Writer(tmp_path / "r", title="t", interval=1, limit=1000) as writer:
        with pytest.raises(RecordingError, match=r"one snapshot to fit in 1000 bytes, it needs \d+; raise --max-size"):
            writer.add(next(busy(1)))
        with pytest.raises(RecordingError, match="has ended"):
            writer.add(next(busy(1)))
    assert replayed(tmp_path / "r") == []


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    path = record(tmp_path / "r", list(busy(2)))
    before = path.read_bytes()
    with pytest.raises(RecordingError, match="a file of that name exists"):
        Writer(path, title="t", interval=1)
    assert path.read_bytes() == before
    path.rename(tmp_path / "r.000001")
    with pytest.raises(RecordingError, match="a recording of that name exists"):
        Writer(path, title="t", interval=1)


@pytest.mark.parametrize("lost", [0, 1, 30, 200, 700])
def test_append_goes_on_behind_the_last_whole_frame(tmp_path: Path, lost: int) -> None:
    path, ticks = tmp_path / "r", list(busy(20))
    record(path, ticks[:10])
    os.truncate(path, path.stat().st_size - lost)
    left = len(whole(path)[0])
    record(path, ticks[10:], append=True)
    snapshots, damage = whole(path)
    assert snapshots == [*ticks[:left], *ticks[10:]]
    assert replayed(path) == snapshots
    assert damage is None


def test_append_takes_nothing_but_a_recording(tmp_path: Path) -> None:
    (tmp_path / "r").write_text("my thesis")
    with pytest.raises(RecordingError, match="found something else"):
        Writer(tmp_path / "r", title="t", interval=1, append=True)
    assert (tmp_path / "r").read_text() == "my thesis"


def test_two_writers_do_not_share_a_file(tmp_path: Path) -> None:
    with (
        Writer(tmp_path / "r", title="t", interval=1),
        pytest.raises(RecordingError, match="another process is writing"),
    ):
        Writer(tmp_path / "r", title="t", interval=1, append=True)


def test_a_full_disk_is_one_sentence_and_spoils_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ticks, real = list(busy(4)), os.pwrite
    with Writer(tmp_path / "r", title="t", interval=1) as writer:
        writer.add(ticks[0])
        writer.add(ticks[1])

        def half(handle: int, data: bytes, offset: int) -> int:
            real(handle, data[: len(data) // 2], offset)
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwrite", half)
        with pytest.raises(RecordingError, match="No space left on device"):
            writer.add(ticks[2])
        monkeypatch.undo()
        with pytest.raises(RecordingError, match="has ended"):
            writer.add(ticks[3])
    assert whole(tmp_path / "r") == (ticks[:2], None)


def test_what_looks_like_a_password_is_scrubbed(tmp_path: Path) -> None:
    (node,) = (each for each in next(busy(1)).nodes if each.name == "s1")
    assert node.sample is not None
    leak = "host=pg1 password=hunter2 user=u"
    activity = replace(node.sample.activity, settings=(("primary_conninfo", leak), ("x", "postgres://u:hunter2@h/d")))
    leaky = replace(next(busy(1)), nodes=(replace(node, sample=replace(node.sample, activity=activity)),))
    with Writer(tmp_path / "r", title="password=hunter2", interval=1) as writer:
        writer.add(next(busy(1)))
        writer.add(leaky)
        writer.add(replace(leaky, nodes=(replace(leaky.nodes[0], name="password='hunter2'"),)))
        writer.mark("started with password=hunter2")
    with Recording(tmp_path / "r") as recording:
        shown = [repr(recording.snapshot(n)) for n in range(3)] + [repr(recording.marks), repr(recording.about)]
    assert "hunter2" not in " ".join(shown)
    assert sum("password=***" in text for text in shown) >= 3


def other_reader(data: bytes) -> list[object]:
    """A reader made from docs/recording.md alone: the snapshots of one closed file as plain JSON."""
    assert data.startswith(b"pgreplterm recording\n") and data.endswith(b"pgr-end\n")
    offset = int.from_bytes(data[-16:-8], "big")
    length = int.from_bytes(data[offset + 17 : offset + 21], "big")
    table = zlib.decompress(data[offset + 21 : offset + 21 + length])
    found: list[object] = []
    full: tuple[int, bytes] = (0, b"")
    for kind, _, place in struct.iter_unpack(">cdQ", table):
        sync, checksum, same_kind, _, size = struct.unpack_from(">4sIcdI", data, place)
        body = data[place + 21 : place + 21 + size]
        assert sync == b"\xf7RpF" and same_kind == kind and zlib.crc32(data[place + 8 : place + 21 + size]) == checksum
        if kind == b"F":
            full = (checksum, zlib.decompress(body))
            found.append(json.loads(full[1]))
        elif kind == b"D":
            assert int.from_bytes(body[:4], "big") == full[0]
            change = zlib.decompressobj(zdict=full[1][-32768:]).decompress(body[4:])
            found.append(changed(json.loads(full[1]), json.loads(change)))
    return found


def changed(value: Any, change: Any) -> Any:
    if isinstance(change, list):
        return change[0]
    if not isinstance(change, dict):
        return change
    for key, part in change.items():
        place = int(key) if isinstance(value, list) else key
        value[place] = changed(value[place], part)
    return value


def test_another_reader_can_be_made_from_the_documentation(tmp_path: Path) -> None:
    written = [*busy(GROUP + 20), *(snapshot(seed) for seed in range(30))]
    path = record(tmp_path / "r", written)
    assert other_reader(path.read_bytes()) == [json.loads(json.dumps(plain(each))) for each in written]
