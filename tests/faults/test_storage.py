"""A full disk and a slow one: what the server says of it, what it costs, and that no mount and no group is left."""

from __future__ import annotations

import os
import struct
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pgreplterm.lab import mounts, process, server, sql, throttle
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import engine, registry
from pgreplterm.lab.faults.wal_room import WalRoom
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.places import ENVIRONMENT_VARIABLE
from tests.conftest import MakeLab, _maker
from tests.faults.harness import Observer, Standing, assert_equal_to_before, heal_all, prepare, standing
from tests.faults.steps import assert_survives_every_end

Site = tuple[Lab, Standing]

mounting = pytest.mark.skipif(mounts.refusal() is not None, reason=f"disk-full: {mounts.refusal()}")


@pytest.fixture(scope="module")
def site(lab_root: Path) -> Iterator[Site]:
    """pg1 and its standby pg2, with small segments."""
    for make in _maker():
        lab = make(standbys=1, segment_size=1)
        prepare(lab)
        yield lab, standing(lab)


def ours_below(directory: Path) -> list[str]:
    """The mounts below that folder, as findmnt or the kernel's own list has them."""
    lines = Path("/proc/self/mounts").read_text(encoding="utf-8").splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{directory}/")]


@mounting
@pytest.mark.parametrize(
    ("target", "words"),
    [("pg1", "PANIC:  could not write"), ("pg2", "FATAL:  could not write")],
)
def test_a_full_disk_stops_wal_and_gives_it_back(site: Site, target: str, words: str) -> None:
    lab, before = site
    log = server.log_file(lab.state.node(target))
    written = log.stat().st_size
    with Observer(lab) as observer:
        injected = engine.inject(lab, "disk-full", target, {}, None, print)
        assert len(ours_below(lab.directory)) == 1
        assert observer.await_sight(injected).evidence.startswith(f"{target} is ")
    said = log.read_bytes()[written:].decode()
    assert words in said
    assert "No space left on device" in said
    heal_all(lab)
    assert ours_below(lab.directory) == []
    assert_equal_to_before(lab, before)


@mounting
def test_a_program_that_ends_in_the_midst_of_filling_a_disk_leaves_what_heals(site: Site) -> None:
    lab, before = site
    done = assert_survives_every_end(lab, before, "disk-full", "pg1", heals=True)
    assert [name for name in done if name in ("mount", "symlink_to", "fill")] == ["mount", "symlink_to", "fill"]


@mounting
def test_a_lab_is_removed_with_its_disk_full(make_lab: MakeLab) -> None:
    lab = make_lab(standbys=1, segment_size=1)
    engine.inject(lab, "disk-full", "pg1", {}, None, print)
    lab.down()
    assert ours_below(lab.directory) == []
    assert not lab.directory.exists()


@mounting
def test_only_our_own_mounts_are_unmounted() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        ours, foreign = Path(scratch, "our s"), Path(scratch, "foreign")
        for place in (ours, foreign):
            place.mkdir()
        mounts.mount(ours, 1 << 20)
        mounts.mount(ours, 1 << 20)
        subprocess.run(["mount", "-t", "tmpfs", "someone", str(foreign)], check=True)
        try:
            assert mounts.is_mounted(ours)
            assert not mounts.is_mounted(foreign)
            mounts.unmount_all(Path(scratch, "our"))  # of another folder
            assert mounts.is_mounted(ours)
            mounts.unmount_all(Path(scratch))
            assert not ours.is_mount()
            assert foreign.is_mount()
            with pytest.raises(LabError, match=f"mount of {Path(scratch, 'nowhere')} failed: .*"):
                mounts.mount(Path(scratch, "nowhere"), 1 << 20)
        finally:
            subprocess.run(["umount", str(foreign)], check=True)


def test_segments_that_lie_ready_for_later_are_no_wal(tmp_path: Path) -> None:
    size = 1 << 20
    room = WalRoom(tmp_path)
    (room.wal / "archive_status").mkdir(parents=True)
    (room.wal / "00000002.history").write_bytes(bytes(40))
    for number, says in ((3, 3), (4, 1), (5, 0)):  # in use, recycled, made empty
        header = struct.pack("=HHIQ", 0xD118, 2, 1, says * size)
        (room.wal / f"{1:08X}{0:08X}{number:08X}").write_bytes(header + bytes(size - len(header)))
    assert room.size_of_wal(size) == size + 40
    assert room.is_as_ever


@pytest.fixture
def disk_lab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Lab]:
    """A primary on a disk; skipped where there is none or nothing can slow it."""
    with tempfile.TemporaryDirectory(prefix="pgreplterm-test-", dir="/var/tmp") as folder:
        Path(folder).chmod(0o711)
        if (reason := throttle.refusal(Path(folder))) is not None:
            pytest.skip(f"slow-disk: {reason}")
        monkeypatch.setenv(ENVIRONMENT_VARIABLE, folder)
        for make in _maker():
            yield make(standbys=1, segment_size=1)


def commits(lab: Lab, count: int) -> float:
    """Seconds that many commits take, each of which writes a page of WAL."""
    with lab.connection("pg1") as link:
        link.execute("CREATE TABLE IF NOT EXISTS slow (id int)")
        link.execute("SET synchronous_commit = local")
        begun = time.monotonic()
        for number in range(count):
            link.execute("INSERT INTO slow VALUES (%s)", (number,))
        return time.monotonic() - begun


def groups(directory: Path) -> list[Path]:
    """The control groups of the lab in that folder; other labs may have theirs."""
    return list(Path("/sys/fs/cgroup/blkio").glob(f"{throttle._prefix(directory)}*"))


def test_a_slow_disk_delays_every_commit_until_it_is_healed(disk_lab: Lab) -> None:
    rate, count = 65536, 8
    commits(disk_lab, 1)
    engine.inject(disk_lab, "slow-disk", "pg1", {"rate": rate}, None, print)
    assert len(groups(disk_lab.directory)) == 1
    # Each writes a page; the limiter lets a part of a second's worth pass at once.
    assert commits(disk_lab, count) >= (count - 3) * 8192 / rate
    disk_lab.stop("pg2")
    with disk_lab.connection("pg1") as link:  # a process that was started meanwhile is in the group, too
        assert sql.value(link, "SELECT pg_backend_pid()") in throttle._members(groups(disk_lab.directory)[0])
    heal_all_but_streaming(disk_lab)
    assert groups(disk_lab.directory) == []
    assert {throttle.group_of(pid) for pid in disk_lab.pids("pg1")} == {throttle.group_of(os.getpid())}


@pytest.mark.parametrize(
    ("target", "evidence"), [("pg1", "for WAL to reach the disk of pg1"), ("pg2", "pg2 has WAL of pg1 on disk")]
)
def test_a_sampler_sees_a_slow_disk_while_something_writes(disk_lab: Lab, target: str, evidence: str) -> None:
    disk_lab.start_load(100)
    with Observer(disk_lab) as observer:
        injected = engine.inject(disk_lab, "slow-disk", target, {}, None, print)
        assert evidence in observer.await_sight(injected).evidence
    heal_all(disk_lab)


def test_a_slow_disk_survives_every_end_and_goes_with_its_lab(disk_lab: Lab) -> None:
    prepare(disk_lab)
    assert_survives_every_end(disk_lab, standing(disk_lab), "slow-disk", "pg2", heals=True)
    assert groups(disk_lab.directory) == []
    engine.inject(disk_lab, "slow-disk", "pg2", {}, None, print)
    disk_lab.down()
    assert groups(disk_lab.directory) == []


def test_memory_is_no_disk_and_a_rate_has_a_floor(site: Site) -> None:
    lab, _ = site
    fault = registry.find("slow-disk")
    reason = fault.unavailable(lab, "pg1") or ""
    if os.geteuid() != 0:
        assert reason == "it limits a server's writes by a control group, which only root may do"
    elif throttle.disk_of(lab.directory) is None:
        assert reason.endswith(f"name a folder on a disk in {ENVIRONMENT_VARIABLE} and make the lab there")


def heal_all_but_streaming(lab: Lab) -> None:
    """Heal; a standby that the test stopped does not stream."""
    (healed,) = engine.heal(lab, None, print).faults
    assert healed.error is None
    lab.start("pg2")
    assert process.wait_until(lambda: lab.is_running("pg2"), 5)
