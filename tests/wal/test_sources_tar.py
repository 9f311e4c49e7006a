"""Tar archives: as tar, pg_basebackup and pg_waldump 19 make and read them; plain, compressed, shuffled, damaged."""

from __future__ import annotations

import gc
import os
import pickle
import shutil
import subprocess
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm import wal
from pgreplterm.wal import WalError, open_source
from pgreplterm.wal.report import EndKind
from pgreplterm.wal.source import first_page_state
from pgreplterm.wal.stores import tar

from .corpus import MB
from .servers import EDGES, scratch_folder, throwaway_server
from .test_sources_files import SUFFIXES, facts, pack, stream

ENDINGS = (".tar", *(f".tar.{suffix}" for suffix in SUFFIXES))


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three uncompressed segments."""
    folder = tmp_path_factory.mktemp("plain") / "pg_wal"
    stream().write(folder)
    return folder


def _tar(target: Path, folder: Path, *members: str, options: tuple[str, ...] = ()) -> Path:
    """What tar(1) makes of the members, compressed by the tool that the ending names."""
    target.with_suffix(".plain").unlink(missing_ok=True)
    plain = target.with_suffix(".plain")
    subprocess.run(["tar", "-c", *options, "-f", plain, "-C", folder, *members], check=True)
    ending = target.name.partition(".tar")[2].removeprefix(".")
    target.write_bytes(pack(plain.read_bytes(), ending) if ending else plain.read_bytes())
    plain.unlink()
    return target


def _names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("inside", ["pg_wal", "."])
def test_an_archive_reads_as_its_folder(ending: str, inside: str, plain: Path, tmp_path: Path) -> None:
    folder = plain.parent if inside == "pg_wal" else plain
    source = open_source(_tar(tmp_path / f"wal{ending}", folder, inside))
    assert facts(source) == facts(open_source(plain))
    assert [segment.file_name for segment in source.segments] == _names(plain)
    assert [first_page_state(source, segment) for segment in source.segments] == ["written"] * 3
    original = (plain / _names(plain)[1]).read_bytes()
    assert source.segments[1].read_at(300_000, 500) == original[300_000:300_500]
    assert source.segments[1].read_at(MB - 10, 500) == original[-10:], "a file ends before the next one's header"


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
@pytest.mark.parametrize("options", [("--format=ustar",), ("--format=pax",), ("--format=gnu", "--sparse")])
def test_every_tar_format(ending: str, options: tuple[str, ...], plain: Path, tmp_path: Path) -> None:
    """A sparse member holds no zeros: the ends of our segments are holes (the last of PostgreSQL 19's six tar bugs)."""
    holes = tmp_path / "holes"
    shutil.copytree(plain, holes)
    for path in holes.iterdir():
        subprocess.run(["cp", "--sparse=always", plain / path.name, path], check=True)
    archive = _tar(tmp_path / f"wal{ending}", holes, *_names(plain), options=options)
    assert facts(open_source(archive)) == facts(open_source(plain))


@pytest.mark.parametrize("ending", [".tar", ".tar.gz"])
def test_members_out_of_order(ending: str, plain: Path, tmp_path: Path) -> None:
    first, middle, last = _names(plain)
    archive = _tar(tmp_path / f"wal{ending}", plain, last, first, middle)
    assert facts(open_source(archive)) == facts(open_source(plain))


def test_a_compressed_archive_is_passed_over_again_when_its_files_were_dropped(
    plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With room for two files, the third pushes the first out; reading that again begins at the front."""
    monkeypatch.setattr(tar, "_SPOOL_BYTES", MB)
    source = open_source(_tar(tmp_path / "wal.tar.gz", plain, *_names(plain)))
    originals = [(plain / name).read_bytes() for name in _names(plain)]
    for number in (0, 1, 2, 0, 2, 1, 0, 0):
        assert source.segments[number].read_at(1000, 99_000) == originals[number][1000:100_000]
    assert facts(source) == facts(open_source(plain))


def test_a_source_in_an_archive_crosses_to_another_process(plain: Path, tmp_path: Path) -> None:
    for ending in (".tar", ".tar.gz"):
        source = open_source(_tar(tmp_path / f"wal{ending}", plain, *_names(plain)))
        assert facts(pickle.loads(pickle.dumps(source))) == facts(source)


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return len(list(folder.iterdir())) if folder.exists() else 0


def test_memory_is_bounded_and_no_file_is_left(plain: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    big = tmp_path / "big"
    stream(24).write(big)
    archive = _tar(tmp_path / "wal.tar.gz", big, *_names(big))
    spool = tmp_path / "spool"
    spool.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spool))
    before = _open_files()
    tracemalloc.start()
    expected = facts(open_source(big))
    tracemalloc.reset_peak()
    assert facts(open_source(archive)) == expected
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    gc.collect()
    assert peak < 8 * MB, f"{peak} bytes for 24 MB of WAL"
    assert list(spool.iterdir()) == []
    assert _open_files() <= before


def test_few_descriptors_are_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process may have a thousand, and an archive more segments than that, in any order; they go with the source."""
    monkeypatch.setattr(tar, "_SPOOL_FILES", 5)
    folder = tmp_path / "wal"
    stream(24).write(folder)
    archive = _tar(tmp_path / "wal.tar.gz", folder, *reversed(_names(folder)))
    before = _open_files()
    source = open_source(archive)
    assert facts(source) == facts(open_source(folder))
    assert before < _open_files() <= before + 5 + 1  # the archive itself
    del source
    assert _open_files() == before


# ---- damage ----


def test_an_archive_cut_in_a_file_is_a_cut_file(plain: Path, tmp_path: Path) -> None:
    archive = _tar(tmp_path / "wal.tar", plain, *_names(plain))
    os.truncate(archive, 2 * MB + 3 * 512 + 10_000)
    (report,) = wal.verify(open_source(archive))
    assert report.end is EndKind.CUT_FILE
    assert "holds 10000 bytes" in report.sentence


def test_a_damaged_header_is_no_end(plain: Path, tmp_path: Path) -> None:
    """tarfile takes a header whose checksum is wrong for the end of the archive, and its later files for none."""
    for ending in (".tar", ".tar.gz"):
        archive = _tar(tmp_path / "whole.tar", plain, *_names(plain))
        data = bytearray(archive.read_bytes())
        data[MB + 512 + 20] ^= 1
        damaged = tmp_path / f"damaged{ending}"
        damaged.write_bytes(pack(bytes(data), "gz") if ending == ".tar.gz" else bytes(data))
        with pytest.raises(WalError, match=rf"{damaged.name}: expected a whole tar archive; found a damaged header"):
            open_source(damaged)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("text.tar", b"no archive at all, whatever its name may say. " * 40),
        ("empty.tar", b""),
        ("zeros.tar", bytes(10240)),
        ("text.tar.gz", b"no archive at all"),
        ("text.tar.zst", b"no archive at all"),
        ("text.tar.lz4", b"no archive at all"),
        ("text.tgz", b"no archive at all"),
    ],
)
def test_no_archive_is_one_sentence(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WalError, match=rf"{name}: .*expected .*\.$"):
        open_source(tmp_path / name)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_cut_compressed_archive_is_one_sentence(suffix: str, plain: Path, tmp_path: Path) -> None:
    archive = _tar(tmp_path / f"wal.tar.{suffix}", plain, *_names(plain))
    os.truncate(archive, archive.stat().st_size // 2)
    with pytest.raises(WalError, match=rf"{archive.name}: expected (a )?whole .*\.$"):
        list(wal.verify(open_source(archive)))


# ---- what PostgreSQL itself writes ----


@pytest.fixture(scope="module", params=EDGES)
def backups(request: pytest.FixtureRequest, scratch: Path) -> Iterator[Path]:
    """Base backups in tar format: WAL streamed into pg_wal.tar, compressed, or fetched into base.tar."""
    with scratch_folder() as kept:
        with throwaway_server(request.param, scratch / "backed-up", "--wal-segsize=1") as server:
            with server.connect() as session:
                session.execute("create table filler as select n, repeat('f', 200) from generate_series(1, 9000) n")
                (encodings,) = session.execute(
                    "select array(select name from pg_config where name = 'CONFIGURE' and setting ~ 'lz4')"
                ).fetchone() or ([],)
            into = server.folder / "backups"
            into.mkdir()
            server.account.own(into)
            kinds = {"stream": ("-X", "stream"), "fetch": ("-X", "fetch"), "gzip": ("-X", "stream", "--gzip")}
            if encodings:
                kinds["lz4"] = ("-X", "fetch", "--compress=client-lz4")
            for name, options in kinds.items():
                server.run(
                    "pg_basebackup", "-h", server.folder, "-U", "postgres",
                    "-D", into / name, "-Ft", "--no-sync", "-c", "fast", *options,
                )  # fmt: skip
                shutil.copytree(into / name, kept / name)
        yield kept


@pytest.mark.parametrize("kind", ["stream", "gzip", "fetch", "lz4"])
def test_a_base_backup_in_tar_format(kind: str, backups: Path) -> None:
    """The folder that pg_basebackup wrote, and the archive in it, read alike."""
    folder = backups / kind
    if not folder.exists():
        pytest.skip("this build of PostgreSQL does not compress with lz4")
    (archive,) = sorted(folder.glob("pg_wal.tar*")) or sorted(folder.glob("base.tar*"))
    source = open_source(folder)
    assert source.path.startswith(str(archive))
    assert facts(source) == facts(open_source(archive))
    (report,) = wal.verify(source)
    assert report.records > 0
    assert not report.is_finding, report.sentence
    if archive.name.startswith("base"):
        assert source.server_state is not None, "pg_control is in the same archive"


def test_what_is_in_it_is_what_tar_unpacks(backups: Path, tmp_path: Path) -> None:
    subprocess.run(["tar", "-x", "-f", backups / "stream" / "pg_wal.tar", "-C", tmp_path], check=True)
    assert facts(open_source(tmp_path)) == facts(open_source(backups / "stream"))
