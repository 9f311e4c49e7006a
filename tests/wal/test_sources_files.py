"""Segments as archives keep them: every compression, every naming, nested folders; each packed by the tool itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import WalError, WalSource, open_source
from pgreplterm.wal.report import EndKind
from pgreplterm.wal.segment import parse_segment_name
from pgreplterm.wal.source import first_page_state

from .builder import Wal, noop_of
from .corpus import MB

# Suffix: the command that packs stdin to stdout, and the package that reads it.
PACKERS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "gz": (("gzip", "-c"), None),
    "bz2": (("bzip2", "-c"), None),
    "xz": (("xz", "-c"), None),
    "lzma": (("xz", "-c", "--format=lzma"), None),
    "lz4": (("lz4", "-c", "-q"), "lz4"),
    "zst": (("zstd", "-c", "-q"), "zstandard"),
}
SUFFIXES = tuple(PACKERS)


def pack(data: bytes, suffix: str) -> bytes:
    """The bytes as that tool packs them; skips the test where tool or reader is missing."""
    command, package = PACKERS[suffix]
    if shutil.which(command[0]) is None:
        pytest.skip(f"needs the program {command[0]}")
    if package is not None:
        pytest.importorskip(package, reason="needs the extra 'archive'")
    return subprocess.run(command, input=data, stdout=subprocess.PIPE, check=True).stdout


def stream(segments: int = 3) -> Wal:
    """Records of all lengths over that many 1 MB segments, crossing from one to the next."""
    built = Wal(18, start=5 * MB, segment_size=MB)
    while built.position < (4 + segments) * MB + MB // 2:
        built.append(noop_of(24 + len(built.records) * 168 % 20_000))
    return built


def facts(source: WalSource) -> list[tuple[object, ...]]:
    """What verify finds, without names of files."""
    return [
        (report.run.timeline, len(report.run.segments), report.first, report.end_lsn, report.records, report.end)
        for report in wal.verify(source)
    ]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three uncompressed segments."""
    folder = tmp_path_factory.mktemp("plain") / "wal"
    stream().write(folder)
    assert [fact[-1] for fact in facts(open_source(folder))] == [EndKind.CLEAN]
    return folder


def _packed(plain: Path, folder: Path, rename: Callable[[str, bytes], str], suffix: str) -> Path:
    folder.mkdir(exist_ok=True)
    for segment in plain.iterdir():
        data = segment.read_bytes()
        target = folder / rename(segment.name, data)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(pack(data, suffix) if suffix else data)
    return folder


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_compression_reads_as_the_plain_file(suffix: str, plain: Path, tmp_path: Path) -> None:
    folder = _packed(plain, tmp_path, lambda name, _: f"{name}.{suffix}", suffix)
    source = open_source(folder)
    assert facts(source) == facts(open_source(plain))
    assert [first_page_state(source, segment) for segment in source.segments] == ["written"] * 3
    segment, original = source.segments[1], sorted(plain.iterdir())[1].read_bytes()
    assert segment.read_at(300_000, 500) == original[300_000:300_500]
    assert segment.read_at(MB - 10, 500) == original[-10:]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_one_compressed_segment_by_its_own_path(suffix: str, plain: Path, tmp_path: Path) -> None:
    folder = _packed(plain, tmp_path, lambda name, _: f"{name}.{suffix}", suffix)
    packed, original = sorted(folder.iterdir())[0], sorted(plain.iterdir())[0]
    assert facts(open_source(packed)) == facts(open_source(original))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_several_frames_are_one_file(suffix: str, plain: Path, tmp_path: Path) -> None:
    """Parallel compressors write a file as frames one behind the other; a tape pads it with zeros."""
    original = sorted(plain.iterdir())[0]
    data = original.read_bytes()
    padding = b"" if suffix in ("zst", "lz4") else bytes(512)
    packed = tmp_path / f"{original.name}.{suffix}"
    packed.write_bytes(pack(data[:400_000], suffix) + pack(data[400_000:], suffix) + padding)
    assert facts(open_source(packed)) == facts(open_source(original))


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_file_is_never_whole(suffix: str, plain: Path, tmp_path: Path) -> None:
    folder = _packed(plain, tmp_path, lambda name, _: f"{name}.{suffix}", suffix)
    packed = sorted(folder.iterdir())[0]
    os.truncate(packed, packed.stat().st_size * 2 // 3)
    try:
        ends = [fact[-1] for fact in facts(open_source(packed))]
    except WalError as error:
        assert packed.name in str(error)
        assert str(error).endswith(".")
    else:
        assert ends == [EndKind.CUT_FILE]


@pytest.mark.parametrize("suffix", ["", *SUFFIXES])
def test_pgbackrest_names_and_folders(suffix: str, plain: Path, tmp_path: Path) -> None:
    """The SHA-1 of the plain segment is in the name, the first 16 digits name the folder; found from the repository."""
    dotted = f".{suffix}" if suffix else ""

    def rename(name: str, data: bytes) -> str:
        checksum = hashlib.sha1(data, usedforsecurity=False).hexdigest()
        return f"archive/main/18-1/{name[:16]}/{name}-{checksum}{dotted}"

    _packed(plain, tmp_path, rename, suffix)
    for folder in (tmp_path, tmp_path / "archive" / "main", tmp_path / "archive" / "main" / "18-1"):
        source = open_source(folder)
        assert facts(source) == facts(open_source(plain))
        assert source.path == str(tmp_path / "archive" / "main" / "18-1")


def test_folders_of_sixteen_digits_are_one_archive(tmp_path: Path) -> None:
    """Barman and pgBackRest begin a folder every 4 GB; histories lie above it."""
    built = Wal(18, start=(1 << 32) - 2 * MB, segment_size=MB)
    for _ in range(3000):
        built.append(noop_of(1000))
    for path in built.write(tmp_path / "flat"):
        (tmp_path / "wals" / path.name[:16]).mkdir(parents=True, exist_ok=True)
        path.rename(tmp_path / "wals" / path.name[:16] / path.name)
    (tmp_path / "wals" / "00000002.history").write_text("1\t9/0\tnone\n")
    source = open_source(tmp_path / "wals")
    assert len(list((tmp_path / "wals").iterdir())) == 3
    (run,) = source.runs
    assert [segment.number for segment in run.segments] == [4094, 4095, 4096]
    assert [history.timeline for history in source.histories] == [2]
    assert [fact[-1] for fact in facts(source)] == [EndKind.CLEAN]


@pytest.mark.parametrize("suffix", ["lz4", "lzma", "zst"])
def test_wal_gs_names(suffix: str, plain: Path, tmp_path: Path) -> None:
    """WAL-G keeps segments and histories in wal_005, compressed alike."""
    folder = _packed(plain, tmp_path / "wal_005", lambda name, _: f"{name}.{suffix}", suffix)
    history = b"1\t0/600000\tno recovery target specified\n"
    (folder / f"00000002.history.{suffix}").write_bytes(pack(history, suffix))
    source = open_source(tmp_path)
    assert facts(source)[0][4] == facts(open_source(plain))[0][4]
    assert [each.ancestors[0].switchpoint for each in source.histories] == [6 * MB]


def test_two_clusters_below_one_folder_are_not_mixed(plain: Path, tmp_path: Path) -> None:
    for stanza in ("one", "two"):
        shutil.copytree(plain, tmp_path / stanza)
    with pytest.raises(WalError, match=rf"several: {tmp_path}/one, {tmp_path}/two\. Name one"):
        open_source(tmp_path)


def test_what_lies_beside_the_wal_does_not_disturb(plain: Path, tmp_path: Path) -> None:
    """A link to nowhere, one to itself, a pipe under a segment's name, folders that hold no WAL."""
    shutil.copytree(plain, tmp_path / "deep" / "wal")
    for folder in (tmp_path, tmp_path / "deep" / "wal"):
        (folder / "000000010000000000000009").symlink_to(folder / "nowhere")
        (folder / "00000001000000000000000A").symlink_to(folder / "00000001000000000000000A")
        os.mkfifo(folder / "00000001000000000000000B")
        (folder / "archive_status").mkdir()
        (folder / "archive_status" / "000000010000000000000005.done").touch()
    source = open_source(tmp_path)
    assert source.path == str(tmp_path / "deep" / "wal")
    assert facts(source) == facts(open_source(plain))


@pytest.mark.parametrize("name", ["{}.br", "{}.gz.aes", "{}.zst.gpg"])
def test_what_cannot_be_read_is_said(name: str, plain: Path, tmp_path: Path) -> None:
    """WAL-G's brotli, pgmoneta's encryption: listed, refused by one sentence that says what to do."""
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    middle = sorted(tmp_path.iterdir())[1]
    middle.rename(tmp_path / name.format(middle.name))
    source = open_source(tmp_path)
    states = [first_page_state(source, segment) for segment in source.segments]
    assert (states[0], states[2]) == ("written", "written")
    assert "which this program does not read" in states[1]
    with pytest.raises(WalError, match=r"first") as refused:
        list(wal.verify(source))
    assert middle.name in str(refused.value)


@pytest.mark.parametrize(("suffix", "package"), [("lz4", "lz4"), ("zst", "zstandard")])
def test_a_missing_package_is_one_sentence(suffix: str, package: str, plain: Path, tmp_path: Path) -> None:
    folder = _packed(plain, tmp_path, lambda name, _: f"{name}.{suffix}", suffix)
    script = (
        f"import sys; sys.modules[{package!r}] = None\n"
        f"from pgreplterm.cli import run; sys.exit(run(['wal', 'verify', {str(folder)!r}]))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"reading .{suffix} needs the package {package}" in done.stderr
    assert "pip install 'pgreplterm[archive]'" in done.stderr


# ---- pg_receivewal's .partial ----


@pytest.mark.parametrize("suffix", ["gz", "lz4"])
def test_a_compressed_partial_ends_where_its_writer_is(suffix: str, plain: Path, tmp_path: Path) -> None:
    """pg_receivewal --compress writes NAME.gz.partial; killed, it leaves compressed data without an end."""
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    last = sorted(tmp_path.iterdir())[-1]
    records = [lsn for lsn in stream().records if lsn < 7 * MB + 200_000]
    packed = pack(last.read_bytes()[:200_000], suffix)
    (tmp_path / f"{last.name}.{suffix}.partial").write_bytes(packed[:-8])
    last.unlink()
    source = open_source(tmp_path)
    assert source.segments[-1].name.partial
    ((_, segments, _, end_lsn, count, end),) = facts(source)
    assert segments == 3
    assert end is not EndKind.CUT_FILE
    assert 7 * MB < end_lsn <= 7 * MB + 200_000  # type: ignore[operator]
    assert count <= len(records)  # type: ignore[operator]


def test_a_whole_file_hides_its_partial_and_its_packed_copy(plain: Path, tmp_path: Path) -> None:
    shutil.copytree(plain, tmp_path, dirs_exist_ok=True)
    first, middle, _ = sorted(tmp_path.iterdir())
    shutil.copy(first, tmp_path / f"{first.name}.partial")
    (tmp_path / f"{middle.name}.gz").write_bytes(pack(middle.read_bytes(), "gz"))
    source = open_source(tmp_path)
    assert facts(source) == facts(open_source(plain))
    assert [segment.file_name for segment in source.aside] == [f"{first.name}.partial", f"{middle.name}.gz"]


DIGITS = "0000000100000002000000A3"


@pytest.mark.parametrize(
    ("name", "partial", "compression"),
    [
        (DIGITS, False, None),
        (f"{DIGITS}.partial", True, None),
        (f"{DIGITS}.gz.partial", True, "gz"),
        (f"{DIGITS}.lz4.partial", True, "lz4"),
        (f"{DIGITS}.partial.zst", True, "zst"),
        (f"{DIGITS}-{'0a' * 20}.zst", False, "zst"),
        (f"{DIGITS}.partial-{'0a' * 20}.gz", True, "gz"),
        (f"{DIGITS}.zstd", False, "zst"),
        (f"{DIGITS}.zstd.aes", False, "aes"),
        (f"{DIGITS}.lzma", False, "xz"),
    ],
)
def test_names_of_archives(name: str, partial: bool, compression: str | None) -> None:
    parsed = parse_segment_name(name)
    assert parsed is not None
    assert (parsed.timeline, parsed.number(1 << 24)) == (1, 0x2A3)
    assert (parsed.partial, parsed.compression) == (partial, compression)


@pytest.mark.parametrize(
    "name", [DIGITS.lower(), f"{DIGITS}.00000028.backup", f"{DIGITS}.done", f"{DIGITS}-abc.gz", f"{DIGITS}.gz.tmp"]
)
def test_names_that_are_no_segments(name: str) -> None:
    assert parse_segment_name(name) is None
