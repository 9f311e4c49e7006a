"""``pgreplterm wal`` as a script sees it: exit status, what is on stdout, and one sentence on stderr for bad input."""

from __future__ import annotations

import csv
import gzip
import json
import os
import re
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pgreplterm.wal import LSN, WalError, open_source, verify
from pgreplterm.wal.tally import KINDS

from .builder import Wal, noop_of
from .corpus import MB, Corpus
from .servers import MAJORS, require_bin
from .truth import assert_same_output, run_waldump

PAGE = 8192


def _run(*args: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pgreplterm", "wal", *map(str, args)]
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)


def _stream(records: int = 40) -> Wal:
    built = Wal(18, start=5 * MB, segment_size=MB)
    for _ in range(records):
        built.append(noop_of(1000))
    return built


def _segment(folder: Path) -> Path:
    (segment,) = _stream().write(folder)
    return segment


def _header(magic: int = 0xD118, info: int = 2, seg_size: int = MB, page_size: int = PAGE) -> bytes:
    return struct.pack("<HHIQI4xQII", magic, info, 1, 5 * MB, 0, 77, seg_size, page_size)


# ---- input that cannot be read: exit 2, nothing on stdout, one sentence ----


def _file(content: bytes, name: str = "000000010000000000000005") -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        (folder / name).write_bytes(content)
        return folder / name

    return make


def _folder_of(**files: bytes) -> Callable[[Path], Path]:
    def make(folder: Path) -> Path:
        inner = folder / "pg_wal"
        inner.mkdir()
        for name, content in files.items():
            (inner / name.removeprefix("s")).write_bytes(content)
        return inner

    return make


def _fifo(folder: Path) -> Path:
    os.mkfifo(folder / "000000010000000000000005")
    return folder / "000000010000000000000005"


def _link_to_itself(folder: Path) -> Path:
    (folder / "loop").symlink_to(folder / "loop")
    return folder / "loop"


UNUSABLE = {
    "missing": lambda folder: folder / "nothing-here",
    "empty file": _file(b""),
    "less than a header": _file(_header()[:39]),
    "text": _file(b"#!/bin/sh\necho this is no WAL at all, whatever its name may say\n"),
    "zeros": _file(bytes(MB)),
    "pre-release magic D107": _file(_header(0xD107).ljust(PAGE, b"\0")),
    "other byte order": _file(_header(0x18D1).ljust(PAGE, b"\0")),
    "PostgreSQL 12": _file(_header(0xD101).ljust(PAGE, b"\0")),
    "short header first": _file(_header(info=0).ljust(PAGE, b"\0")),
    "segment size 3 MB": _file(_header(seg_size=3 * MB).ljust(PAGE, b"\0")),
    "segment size 0": _file(_header(seg_size=0).ljust(PAGE, b"\0")),
    "page size 5000": _file(_header(page_size=5000).ljust(PAGE, b"\0")),
    "gzip garbage": _file(b"this is not gzip" * 9, "000000010000000000000005.gz"),
    "zstd garbage": _file(b"this is not zstd" * 9, "000000010000000000000005.zst"),
    "empty folder": _folder_of(),
    "folder without WAL": _folder_of(readme=b"hello", backup_label=b""),
    "folder of empty segments": _folder_of(s000000010000000000000005=b""),
    "folder of preallocated segments": _folder_of(s000000010000000000000005=bytes(MB)),
    "a pipe": _fifo,
    "a link to itself": _link_to_itself,
    "a device": lambda _: Path("/dev/zero"),
}


@pytest.mark.parametrize("make", UNUSABLE.values(), ids=list(UNUSABLE))
def test_unusable_input_is_one_sentence(make: Callable[[Path], Path], tmp_path: Path) -> None:
    path = make(tmp_path)
    done = _run("verify", path)
    _assert_one_sentence(done, 2)
    assert path.name in done.stderr


@pytest.mark.parametrize("command", ["ls", "dump", "stat", "verify"])
@pytest.mark.parametrize("flag", [(), ("--json",)], ids=["text", "json"])
def test_every_command_refuses_alike(command: str, flag: tuple[str, ...], tmp_path: Path) -> None:
    _assert_one_sentence(_run(command, *flag, UNUSABLE["text"](tmp_path)), 2)


def _assert_one_sentence(done: subprocess.CompletedProcess[str], status: int) -> None:
    assert (done.returncode, done.stdout) == (status, ""), done
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].endswith((".", "'")), done.stderr
    assert "Traceback" not in done.stderr


# ---- findings: exit 1, the LSN named, what was readable still printed ----


def test_damage_is_exit_1_and_named_everywhere(tmp_path: Path) -> None:
    built = _stream()
    lsn = built.records[20]
    built.poke(lsn + 400, b"\xff")
    (segment,) = built.write(tmp_path)
    verified = _run("verify", segment)
    assert (verified.returncode, verified.stderr) == (1, "")
    assert str(LSN(lsn)) in verified.stdout
    assert f"{len(built.records) - 1} records" in verified.stdout
    for command in ("dump", "stat"):
        done = _run(command, segment)
        assert done.returncode == 1, done
        assert str(LSN(lsn)) in done.stderr, "a command that stops early says where and why"
        assert "Traceback" not in done.stderr


def test_verify_json_names_damage_and_end(tmp_path: Path) -> None:
    built = _stream()
    lsn, following = built.records[20:22]
    built.poke(lsn + 400, b"\xff")
    (segment,) = built.write(tmp_path)
    done = _run("verify", "--json", segment)
    (run,) = json.loads(done.stdout)["runs"]
    assert done.returncode == 1
    assert [(d["lsn"], d["resumed_lsn"]) for d in run["damages"]] == [(str(LSN(lsn)), str(LSN(following)))]
    assert (run["end"], run["records"]) == ("clean end", len(built.records) - 1)


@pytest.mark.parametrize("cut", [PAGE * 3, PAGE * 3 + 777, 40, 8000])
def test_a_cut_file_is_exit_1(cut: int, tmp_path: Path) -> None:
    segment = _segment(tmp_path)
    os.truncate(segment, cut)
    done = _run("verify", segment)
    assert done.returncode == 1, done
    assert f"{cut} bytes" in done.stdout


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_damaged_archive_is_never_clean(suffix: str, tmp_path: Path) -> None:
    """The decompressor refuses it, or the WAL in it is damaged; behind the last record only its checksum can tell."""
    packed = _packed(_segment(tmp_path), suffix)
    content = bytearray(packed.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 8] = b"\xff" * 8
    packed.write_bytes(content)
    done = _run("verify", packed)
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    if done.returncode == 2:
        _assert_one_sentence(done, 2)
        assert packed.name in done.stderr


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_an_archive_with_a_wrong_checksum_of_its_own(suffix: str, tmp_path: Path) -> None:
    """It stands behind the last byte that holds WAL."""
    packed = _packed(_segment(tmp_path), suffix)
    content = bytearray(packed.read_bytes())
    content[-8 if suffix == ".gz" else -1] ^= 1
    packed.write_bytes(content)
    done = _run("verify", packed)
    _assert_one_sentence(done, 2)
    assert packed.name in done.stderr


def test_a_segment_that_vanishes_is_one_sentence(tmp_path: Path) -> None:
    """A running server removes segments between our listing of them and our reading."""
    segment = _segment(tmp_path)
    source = open_source(segment)
    segment.unlink()
    with pytest.raises(WalError, match=rf"{segment.name}: this segment is gone .*\.$"):
        list(verify(source))


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
def test_a_cut_archive_says_so(suffix: str, tmp_path: Path) -> None:
    packed = _packed(_segment(tmp_path), suffix)
    os.truncate(packed, packed.stat().st_size // 2)
    done = _run("verify", packed)
    assert done.returncode in (1, 2), done
    assert "Traceback" not in done.stderr
    assert "clean end" not in done.stdout + done.stderr
    assert packed.name in done.stdout + done.stderr


@pytest.mark.parametrize("kept", [0, 40, 3 * PAGE + 777])
def test_what_follows_a_cut_file_is_verified_too(kept: int, tmp_path: Path) -> None:
    built = _stream()
    for _ in range(3):
        built.switch()
        built.append(noop_of(1000))
        built.append()
    damaged = built.records[-2]
    built.poke(damaged + 99, b"\xff")
    os.truncate(built.write(tmp_path)[1], kept)
    done = _run("verify", tmp_path)
    assert done.returncode == 1
    assert f"cut file: {built.segment_name(1, 6)} holds {kept} bytes" in done.stdout
    assert str(LSN(damaged)) in done.stdout


def test_a_missing_segment_is_exit_1(tmp_path: Path) -> None:
    built = _stream()
    for _ in range(3):
        built.switch()
        built.append()
    built.write(tmp_path)[2].unlink()
    done = _run("verify", tmp_path)
    assert done.returncode == 1
    assert "missing segment" in done.stdout
    assert built.segment_name(1, 7) in done.stdout


# ---- what is right ----


def _packed(segment: Path, suffix: str) -> Path:
    if suffix == ".gz":
        packed = gzip.compress(segment.read_bytes(), 1)
    else:
        zstandard = pytest.importorskip("zstandard")
        packed = zstandard.ZstdCompressor(write_checksum=True).compress(segment.read_bytes())
    target = segment.with_name(segment.name + suffix)
    target.write_bytes(packed)
    segment.unlink()
    return target


@pytest.mark.parametrize("suffix", [".gz", ".zst"])
@pytest.mark.parametrize("command", ["dump", "stat", "verify"])
def test_compressed_segments_read_alike(command: str, suffix: str, tmp_path: Path) -> None:
    segment = _segment(tmp_path)
    plain = _run(command, segment)
    packed = _run(command, _packed(segment, suffix))
    assert plain.returncode == packed.returncode == 0
    assert packed.stdout.replace(suffix, "") == plain.stdout


def test_json_is_json(tmp_path: Path) -> None:
    segment = _segment(tmp_path)
    listed, counted = (json.loads(_run(command, "--json", segment).stdout) for command in ("ls", "stat"))
    assert [row["name"] for row in listed["segments"]] == [segment.name]
    assert [(row["rmgr"], row["count"]) for row in counted["rmgrs"]] == [("XLOG", 40)]
    records = [json.loads(line) for line in _run("dump", "--json", segment).stdout.splitlines()]
    assert [record["lsn"] for record in records] == [str(LSN(lsn)) for lsn in _stream().records]
    assert {(record["record"], record["description"], record["time"]) for record in records} == {("NOOP", "", None)}


def test_a_closed_pipe_is_no_error(tmp_path: Path) -> None:
    segment = _segment(tmp_path)
    command = f"{sys.executable} -m pgreplterm wal dump {segment} | head -n 1"
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)  # noqa: S602
    assert len(done.stdout.splitlines()) == 1
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


@pytest.mark.parametrize("corpus", [(15, 1)], ids=["15-1MB"], indirect=True)
def test_the_command_prints_pg_waldumps_lines(corpus: Corpus) -> None:
    argv = [sys.executable, "-m", "pgreplterm", "wal", "dump", corpus.only(1)]
    done = subprocess.run(argv, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    names = corpus.segments(1)
    theirs = run_waldump(require_bin(15), "-p", corpus.folder, names[0].name, names[-1].name)
    assert_same_output(done.stdout, theirs, require_bin(15))
    assert b"clean end" in done.stderr


@pytest.mark.parametrize("corpus", [(15, 1)], ids=["15-1MB"], indirect=True)
@pytest.mark.parametrize("by", KINDS)
def test_csv_has_the_rows_of_json(by: str, corpus: Corpus) -> None:
    plain = json.loads(_run("stat", "--json", "--by", by, corpus.only(1)).stdout)[f"{by}s"]
    argv = [sys.executable, "-m", "pgreplterm", "wal", "stat", "--csv", "--by", by, corpus.only(1)]
    done = subprocess.run(argv, capture_output=True, check=True)
    assert done.stdout.count(b"\r\n") == done.stdout.count(b"\n") == len(plain) + 1, "RFC 4180 ends lines in CRLF"
    header, *rows = csv.reader(done.stdout.decode().splitlines())
    assert header == list(plain[0])
    assert rows == [["" if value is None else str(value) for value in row.values()] for row in plain]


def test_csv_of_nothing_is_its_header(tmp_path: Path) -> None:
    done = _run("stat", "--csv", "--by", "record", "-x", "4000000000", _segment(tmp_path))
    assert (done.returncode, done.stdout) == (0, "rmgr,record,count,record_bytes,image_bytes\n")
    both = _run("stat", "--csv", "--json", _segment(tmp_path))
    assert (both.returncode, both.stdout) == (2, "")
    assert "give one of them" in both.stderr


# ---- ranges ----


def test_a_start_between_records_is_said_as_pg_waldump_says_it(tmp_path: Path) -> None:
    """In its words, on stderr; nothing is said at a record, at a segment's first byte, or at the end of the range."""
    segment, records = _segment(tmp_path), _stream().records
    start, end = f"0/{records[10] + 1:X}", f"0/{records[15]:X}"
    theirs = subprocess.run(
        [require_bin(MAJORS[-1]) / "pg_waldump", "-p", tmp_path, "-s", start, "-e", end],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    ours = _run("dump", "-s", start, "-e", end, segment)
    assert (ours.returncode, ours.stdout) == (0, theirs.stdout)
    assert len(ours.stdout.splitlines()) == 4
    assert _PADDED.sub("/", ours.stderr) == _PADDED.sub("/", theirs.stderr.replace("pg_waldump:", "pgreplterm:"))
    for quiet in (("-s", f"0/{records[10]:X}"), ("-s", f"0/{5 * MB:X}"), ()):
        assert _run("dump", *quiet, "-e", end, segment).stderr == ""


_PADDED = re.compile(r"/0*(?=[0-9A-F])")


def test_a_start_behind_every_record_is_a_finding(tmp_path: Path) -> None:
    segment, last = _segment(tmp_path), _stream().records[-1]
    done = _run("dump", "-s", f"0/{last + 8:X}", segment)
    assert (done.returncode, done.stdout) == (1, "")
    assert f"could not find a valid record after {LSN(last + 8)}." in done.stderr


@pytest.mark.parametrize("command", ["dump", "stat"])
def test_a_range_outside_is_one_sentence(command: str, tmp_path: Path) -> None:
    done = _run(command, "-s", "7/0", _segment(tmp_path))
    _assert_one_sentence(done, 2)
    assert "expected WAL from 7/00000000 on; found 0/00500000 to 0/00600000." in done.stderr


def test_a_range_of_stat_is_that_of_dump(tmp_path: Path) -> None:
    segment, records = _segment(tmp_path), _stream().records
    choice = ("-s", f"0/{records[7]:X}", "-e", f"0/{records[30]:X}")
    for jobs in ("1", "2"):
        counted = _run("stat", "--json", "-j", jobs, *choice, segment)
        assert [row["count"] for row in json.loads(counted.stdout)["rmgrs"]] == [23]
        assert (counted.returncode, counted.stderr) == (0, "")
    assert len(_run("dump", *choice, segment).stdout.splitlines()) == 23


def test_following_cannot_end_at_a_time(tmp_path: Path) -> None:
    done = _run("dump", "-f", "--until", "2026-10-17", _segment(tmp_path))
    assert (done.returncode, done.stdout) == (2, "")
    assert "--until cannot end --follow" in done.stderr


def test_dump_and_stat_go_on_behind_damage(tmp_path: Path) -> None:
    built = _stream()
    spoilt = built.records[10]
    built.poke(spoilt + 100, b"\xff")
    (segment,) = built.write(tmp_path)
    dumped = _run("dump", segment)
    lsns = [
        int(line.partition("lsn: ")[2].partition(",")[0].replace("/", ""), 16) for line in dumped.stdout.splitlines()
    ]
    assert lsns == [lsn for lsn in built.records if lsn != spoilt]
    counted = _run("stat", "--json", segment)
    assert [row["count"] for row in json.loads(counted.stdout)["rmgrs"]] == [len(built.records) - 1]
    for done in (dumped, counted):
        assert done.returncode == 1
        assert f"damage: record {LSN(spoilt)}" in done.stderr
