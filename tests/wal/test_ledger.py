"""The ledger: a second run reports what a full run reports, and does not read what it has read before.

That a file is not read is proved by making it unreadable as WAL without a trace: its records are overwritten, and its
size, time and inode are what they were. A run that looked would report damage.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
from pathlib import Path

import pytest

from pgreplterm.wal import EndKind, RunReport, WalError, open_source, verify
from pgreplterm.wal.ledger import verify_with_ledger
from pgreplterm.wal.page import LONG_HEADER

from .builder import Wal, noop_of
from .conftest import SMALL_CORPORA, corpus_name
from .corpus import MB, Corpus
from .ends import PAGE, stream

SEED = 20261121
HOUR_NS = 3600 * 10**9

newest_corpus = pytest.mark.parametrize("corpus", SMALL_CORPORA[-1:], ids=corpus_name, indirect=True)


def settle(path: Path) -> Path:
    """Make a file an hour old, as most of an archive is."""
    found = path.stat()
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns - HOUR_NS))
    return path


def forge(path: Path, kept: int = LONG_HEADER) -> None:
    """Overwrite a file's records and leave no trace of it; the long header stays, it says what the source is."""
    found = path.stat()
    with path.open("r+b") as segment:
        segment.seek(kept)
        segment.write(b"\xa5" * (found.st_size - kept))
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns))


def spoil(path: Path, offset: int) -> None:
    """Change a byte, as a disk may, with a new time of modification."""
    before = path.stat().st_mtime_ns
    data = bytearray(path.read_bytes())
    data[offset] ^= 0xFF
    path.write_bytes(data)
    os.utime(path, ns=(before, before + 1))


def again(folder: Path, ledger: Path) -> list[RunReport]:
    """Verify with the ledger; nothing is to be said of it."""
    told: list[str] = []
    reports = list(verify_with_ledger(open_source(folder), ledger, told.append))
    assert told == []
    return reports


def in_full(folder: Path) -> list[RunReport]:
    return list(verify(open_source(folder)))


@pytest.fixture
def archive(corpus: Corpus, tmp_path: Path) -> Path:
    """Both timelines of a real server, with the history file, as an archive would hold them."""
    folder = tmp_path / "archive"
    folder.mkdir()
    for path in (*corpus.segments(1), *corpus.segments(2), corpus.folder / "00000002.history"):
        settle(Path(shutil.copy(path, folder)))
    return folder


@newest_corpus
def test_an_archive_read_once_is_not_read_again(archive: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    full = in_full(archive)
    assert [report.end for report in full] == [EndKind.SWITCHED, EndKind.CLEAN]
    assert again(archive, ledger) == full
    for segment in archive.glob("0" * 7 + "[12]" + "?" * 16):
        forge(segment)
    assert again(archive, ledger) == full
    assert in_full(archive) != full


@newest_corpus
def test_a_growing_archive(archive: Path, tmp_path: Path) -> None:
    """One segment at a time: each time all but the new one and the one before it are forged."""
    ledger, whole = tmp_path / "ledger", tmp_path / "whole"
    archive.rename(whole)
    archive.mkdir()
    shutil.copy2(whole / "00000002.history", archive)
    segments = sorted(whole.glob("?" * 24))
    assert len(segments) > 10
    for number, path in enumerate(segments):
        shutil.copy2(path, archive)
        reports = again(archive, ledger)
        shown = tmp_path / "shown"
        shown.mkdir()
        for each in (*segments[: number + 1], whole / "00000002.history"):
            shutil.copy2(each, shown)
        assert [plain(report) for report in reports] == [plain(report) for report in in_full(shown)]
        shutil.rmtree(shown)
        if number:
            forge(archive / segments[number - 1].name)


def plain(report: RunReport) -> tuple[object, ...]:
    """A report without the folder it is about."""
    names = [segment.file_name for segment in report.run.segments]
    return (names, *(getattr(report, name) for name in RunReport.__slots__ if name != "run"))


@newest_corpus
def test_any_change_gives_the_report_of_a_full_run(archive: Path, tmp_path: Path) -> None:
    """Damaged, restored, removed, brought back, touched: at random, and after each the ledger's run is a full run's."""
    print(f"seed {SEED}")
    rng = random.Random(SEED)
    ledger, kept = tmp_path / "ledger", tmp_path / "kept"
    shutil.copytree(archive, kept)
    names = sorted(path.name for path in kept.glob("?" * 24))
    findings = 0
    for turn in range(40):
        path = archive / rng.choice(names)
        match rng.randrange(4) if path.exists() else 3:
            case 0:
                for _ in range(rng.randrange(1, 4)):
                    spoil(path, rng.randrange(LONG_HEADER, MB))
            case 1:
                path.unlink()
            case 2:
                os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
            case 3:
                shutil.copy2(kept / path.name, archive)
        full = in_full(archive)
        assert again(archive, ledger) == full, f"seed {SEED}, turn {turn}: {path.name}"
        assert again(archive, ledger) == full, f"seed {SEED}, turn {turn}: {path.name}, the second time"
        findings += any(report.is_finding for report in full)
    assert findings > 5


@newest_corpus
def test_packed_and_plain_segments(archive: Path, tmp_path: Path) -> None:
    """Packed files are read to their last byte, where their checksum stands, before anything of them is kept."""
    ledger = tmp_path / "ledger"
    segments = sorted(archive.glob("00000001" + "?" * 16))
    packed = [pack(path) for path in (*segments[2:4], segments[5], segments[-1])]
    full = in_full(archive)
    assert again(archive, ledger) == full
    for path in packed:
        forge(path, kept=0)
    assert again(archive, ledger) == full
    spoil(segments[8], 70_000)
    (changed, _) = again(archive, ledger)
    assert len(changed.damages) == 1
    os.utime(packed[2])
    with pytest.raises(WalError, match="expected whole gzip data"):
        again(archive, ledger)


@newest_corpus
def test_a_packed_file_with_a_wrong_checksum_is_never_kept(archive: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    segments = sorted(archive.glob("00000001" + "?" * 16))
    broken = pack(segments[-1])
    spoil(broken, broken.stat().st_size - 8)
    for _ in range(2):
        with pytest.raises(WalError, match="gzip"):
            again(archive, ledger)
    assert _names(ledger) == {path.name for path in segments[:-1]}


def pack(path: Path) -> Path:
    packed = path.with_name(f"{path.name}.gz")
    packed.write_bytes(gzip.compress(path.read_bytes(), 1, mtime=0))
    path.unlink()
    return settle(packed)


@newest_corpus
def test_a_finding_is_shown_again_unread(archive: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    segments = sorted(archive.glob("00000001" + "?" * 16))
    spoil(segments[2], 5000)
    spoil(segments[4], MB - 4000)
    spoil(segments[4], 70_000)
    first = again(archive, ledger)
    assert len(first[0].damages) == 3
    for segment in segments:
        forge(segment)
    assert again(archive, ledger) == first


@newest_corpus
def test_a_changed_file_is_read_again_and_only_that(archive: Path, tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    segments = sorted(archive.glob("00000001" + "?" * 16))
    before = again(archive, ledger)
    for segment in (*segments[:3], *segments[6:]):
        forge(segment)
    spoil(segments[4], 100_000)
    after = again(archive, ledger)
    assert (before[0].damages, len(after[0].damages)) == ((), 1)
    assert after[0].damages[0].at.record // MB == int(segments[4].name[8:], 16)
    lost = before[0].records - after[0].records
    assert 0 < lost < 100
    assert after[1] == before[1]


@newest_corpus
def test_old_segments_may_be_removed(archive: Path, tmp_path: Path) -> None:
    """Retention takes the oldest; the first that is left now begins the run and is read again, the others are not."""
    ledger = tmp_path / "ledger"
    again(archive, ledger)
    segments = sorted(archive.glob("00000001" + "?" * 16))
    for segment in segments[:3]:
        segment.unlink()
    full = in_full(archive)
    for segment in segments[4:]:
        forge(segment)
    assert again(archive, ledger) == full
    assert {name for name in _names(ledger) if name.startswith("00000001")} == {each.name for each in segments[3:]}


def _names(ledger: Path) -> set[str]:
    rows = json.loads(ledger.read_text().splitlines()[1])[1]
    return {file[0] for files, _ in rows for file in files}


def test_damage_over_segment_ends_is_one_stretch(tmp_path: Path) -> None:
    """The record behind the damage proves it; if its segment changes, the damage is judged anew."""
    folder, ledger = tmp_path / "archive", tmp_path / "ledger"
    built = stream()
    built.fill_to(PAGE // 2)
    built.append(noop_of(3 * MB))
    following = built.append()
    built.switch()
    files = [settle(path) for path in built.write(folder)]
    assert len(files) == 4
    settle(files[1]).write_bytes(bytes(MB))
    settle(files[1])
    first = again(folder, ledger)
    assert [damage.resumed for damage in first[0].damages] == [following]
    assert again(folder, ledger) == first == in_full(folder)
    spoil(files[3], following % MB + 2)
    assert again(folder, ledger) == in_full(folder) != first


def test_a_record_longer_than_segments(tmp_path: Path) -> None:
    """What is read again begins where the record does that crosses into the new segment, however far back."""
    folder, ledger = tmp_path / "archive", tmp_path / "ledger"
    built = stream()
    built.append(noop_of(2 * MB + 5000))
    built.append()
    built.switch()
    for path in built.write(tmp_path / "whole"):
        folder.mkdir(exist_ok=True)
        settle(Path(shutil.copy(path, folder)))
        assert again(folder, ledger) == in_full(folder)


def test_a_file_just_written_is_read_again(tmp_path: Path) -> None:
    """It may be written once more within the same tick of the file system's clock."""
    folder, ledger = tmp_path / "archive", tmp_path / "ledger"
    built = stream()
    built.switch()
    (segment,) = built.write(folder)
    assert again(folder, ledger)[0].damages == ()
    found = segment.stat()
    forge(segment)
    assert segment.stat().st_mtime_ns == found.st_mtime_ns
    assert again(folder, ledger) == in_full(folder)
    assert not _names(ledger)


def test_an_end_inside_a_segment_is_judged_anew_when_wal_goes_on(tmp_path: Path) -> None:
    folder, ledger = tmp_path / "archive", tmp_path / "ledger"
    built = stream()
    torn = built.append(noop_of(400))
    built.poke(torn + 300, b"\xee")
    for path in built.write(folder):
        settle(path)
    assert [report.end for report in again(folder, ledger)] == [EndKind.TORN]
    built.switch()
    built.append()
    for path in built.write(folder):
        settle(path)
    (report,) = again(folder, ledger)
    assert [report] == in_full(folder)
    assert [damage.at.record for damage in report.damages] == [torn]


# ---- the file ----


def _small(folder: Path, system_id: int = 77) -> Path:
    built = Wal(18, start=5 * MB, segment_size=MB, system_id=system_id)
    built.append()
    built.switch()
    for path in built.write(folder):
        settle(path)
    return folder


@pytest.mark.parametrize(
    "text",
    [
        "", "\n", "{}\n[]\n", "not a ledger\n", "\udcff", "[]", "null\nnull", '{"format": "other", "version": 1}\n',
        '{"format": "pgreplterm WAL ledger", "version": 2, "sha256": ""}\n[]',
        '{"format": "pgreplterm WAL ledger", "version": 1}\n[]',
    ],
)  # fmt: skip
def test_what_is_no_ledger_is_said_and_set_aside(text: str, tmp_path: Path) -> None:
    folder, ledger = _small(tmp_path / "archive"), tmp_path / "ledger"
    data = text.encode(errors="surrogateescape")
    ledger.write_bytes(data)
    told: list[str] = []
    assert list(verify_with_ledger(open_source(folder), ledger, told.append)) == in_full(folder)
    (sentence,) = told
    assert sentence.startswith(f"{ledger}: expected a ledger")
    assert sentence.endswith("it is not used, all WAL is read again.")
    assert ledger.with_name("ledger.old1").read_bytes() == data
    assert again(folder, ledger) == in_full(folder)


def test_every_flipped_bit_of_a_ledger_is_noticed(tmp_path: Path) -> None:
    folder, ledger = _small(tmp_path / "archive"), tmp_path / "ledger"
    again(folder, ledger)
    healthy = ledger.read_bytes()
    source, full = open_source(folder), in_full(folder)
    for bit in range(0, 8 * len(healthy) - 8, 7):
        spoiled = bytearray(healthy)
        spoiled[bit // 8] ^= 1 << bit % 8
        ledger.write_bytes(spoiled)
        told: list[str] = []
        assert list(verify_with_ledger(source, ledger, told.append)) == full
        assert len(told) == 1, f"bit {bit}"
        ledger.with_name("ledger.old1").unlink()


def test_a_ledger_of_another_source_is_said_and_set_aside(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger"
    again(_small(tmp_path / "one", 77), ledger)
    other, told = _small(tmp_path / "other", 78), list[str]()
    assert list(verify_with_ledger(open_source(other), ledger, told.append)) == in_full(other)
    assert told == [
        f"{ledger}: expected a ledger of this source; found one of system identifier 77, not 78; "
        "it is not used, all WAL is read again."
    ]


def test_a_ledger_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    folder = _small(tmp_path / "archive")
    with pytest.raises(WalError, match="expected a ledger that can be written; No such file or directory"):
        again(folder, tmp_path / "nowhere" / "ledger")


def test_what_was_read_is_kept_when_the_run_is_left(tmp_path: Path) -> None:
    folder, ledger = _small(tmp_path / "archive"), tmp_path / "ledger"
    built = Wal(18, start=9 * MB, segment_size=MB, system_id=77)
    built.append()
    (late,) = built.write(folder)
    settle(late)
    reports = verify_with_ledger(open_source(folder), ledger)
    next(reports)
    reports.close()
    assert len(_names(ledger)) == 1
    assert again(folder, ledger) == in_full(folder)
    assert late.name in _names(ledger)
