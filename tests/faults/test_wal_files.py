"""WAL that is gone or wrong, and an archive that takes none: by the servers' own words and by this program's reader."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pytest

from pgreplterm.lab import server, sql
from pgreplterm.lab.faults import advance, engine, registry
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.process import wait_until
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.report import Damage
from pgreplterm.wal.source import open_source
from pgreplterm.wal.verification import verify
from tests.conftest import MakeLab
from tests.faults.harness import Observer, Site, assert_equal_to_before, heal_all, prepare, standing
from tests.faults.steps import assert_survives_every_end
from tests.wal.servers import MAJORS, require_bin


def wal_of(lab: Lab, node: str) -> Path:
    """Its pg_wal."""
    return Path(lab.state.node(node).data_directory) / "pg_wal"


def digests(folder: Path) -> dict[str, str]:
    """What is in each segment there."""
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("?" * 24)}


def says(lab: Lab, node: str, pattern: str) -> re.Match[str]:
    """What its log has, or has soon."""
    log = server.log_file(lab.state.node(node))

    def found() -> re.Match[str] | None:
        return re.search(pattern, log.read_text(encoding="utf-8"))

    assert wait_until(lambda: found() is not None, 10.0, pause=0.02), log.read_text(encoding="utf-8")
    match = found()
    assert match is not None
    return match


def damages(lab: Lab, node: str) -> list[Damage]:
    """What `wal verify` finds in the WAL of a running node."""
    return [damage for report in verify(open_source(wal_of(lab, node))) for damage in report.damages]


@pytest.mark.parametrize(("target", "upstream"), [("pg2", "pg1"), ("pg3", "pg2")])
def test_the_segment_asked_for_is_the_one_that_is_gone(site: Site, target: str, upstream: str) -> None:
    lab, before = site
    with Observer(lab) as observer:
        injected = engine.inject(lab, "wal-removed", target, {}, None, print)
        assert f"behind {upstream}" in observer.await_sight(injected).evidence
    (moved,) = Path(injected.undo["aside"]).iterdir()
    whole = hashlib.sha256(moved.read_bytes()).hexdigest()
    assert says(lab, target, r"requested WAL segment (\w+) has already been removed")[1] == moved.name
    assert not (wal_of(lab, upstream) / moved.name).exists()
    heal_all(lab)
    assert digests(wal_of(lab, upstream))[moved.name] == whole
    assert_equal_to_before(lab, before)


def test_a_removed_segment_that_never_comes_back_costs_a_clone(site: Site) -> None:
    lab, before = site
    injected = engine.inject(lab, "wal-removed", "pg2", {}, None, print)
    (moved,) = Path(injected.undo["aside"]).iterdir()
    moved.rename(lab.directory / moved.name)
    (healed,) = engine.heal(lab, None, print).faults
    assert healed.said == "pg_wal of pg1 is whole again; pg2 was cloned anew from pg1"
    assert_equal_to_before(lab, before)


@pytest.mark.parametrize("major", [MAJORS[0], MAJORS[-1]])
def test_the_reader_finds_the_record_at_which_the_standby_stops(make_lab: MakeLab, major: int) -> None:
    lab = make_lab(standbys=1, cascades=1, segment_size=1, pg_bin=require_bin(major))
    prepare(lab)
    before = standing(lab)
    with Observer(lab) as observer:
        injected = engine.inject(lab, "wal-corrupted", "pg2", {}, None, print)
        assert "though it has received" in observer.await_sight(injected).evidence
    stopped_at = says(lab, "pg2", r"incorrect resource manager data checksum in record at ([0-9A-F]+/[0-9A-F]+)")[1]
    (damage,) = damages(lab, "pg1")
    assert damage.at.record == LSN.parse(stopped_at)
    assert damage.code == "record_crc"
    heal_all(lab)
    assert damages(lab, "pg1") == []
    assert_equal_to_before(lab, before)


def test_the_archiver_fails_until_it_is_healed(site: Site) -> None:
    lab, before = site
    with lab.connection("pg1") as link:
        archived = sql.value(link, "SELECT archived_count FROM pg_stat_archiver")
    with Observer(lab) as observer:
        injected = engine.inject(lab, "archive-failing", "pg1", {}, None, print)
        assert "the archiver of pg1 has failed" in observer.await_sight(injected).evidence
    assert len(list((wal_of(lab, "pg1") / "archive_status").glob("*.ready"))) >= 2
    assert says(lab, "pg1", "archive command failed with exit code 1")
    heal_all(lab)
    assert not list((wal_of(lab, "pg1") / "archive_status").glob("*.ready"))
    with lab.connection("pg1") as link:
        assert sql.value(link, "SELECT archived_count FROM pg_stat_archiver") >= archived + 2
        assert sql.value(link, "SHOW archive_command") == "true"
    assert_equal_to_before(lab, before)


def test_what_does_not_archive_cannot_fail_to(site: Site, make_lab: MakeLab) -> None:
    lab, _ = site
    fault = registry.find("archive-failing")
    assert fault.unavailable(lab, "pg2") == "it has archive_mode off: make the lab with an archive"
    with lab.connection("pg1") as link:
        link.execute("ALTER SYSTEM SET archive_command = 'false'")
        link.execute("SELECT pg_reload_conf()")
        advance.segments(lab, "pg1", 1)
        failing = "SELECT last_failed_time > COALESCE(last_archived_time, '-infinity') FROM pg_stat_archiver"
        assert wait_until(lambda: bool(sql.value(link, failing)), 10.0, pause=0.02)
        assert fault.unavailable(lab, "pg1") == "its archiver fails already"
        link.execute("ALTER SYSTEM SET archive_command = 'true'")
        link.execute("SELECT pg_reload_conf()")
        advance.segments(lab, "pg1", 1)
        assert wait_until(lambda: not sql.value(link, failing), 10.0, pause=0.02)


def test_no_missing_segment_where_an_archive_has_it(site: Site) -> None:
    lab, before = site
    for node, command in (("pg3", "'false'"), ("pg3", "DEFAULT")):
        with lab.connection(node) as link:
            link.execute(f"ALTER SYSTEM SET restore_command = {command}".encode())
            link.execute("SELECT pg_reload_conf()")
            set_now = "SELECT current_setting('restore_command') <> ''"
            assert wait_until(lambda: bool(sql.value(link, set_now)) is (command != "DEFAULT"), 10.0)  # noqa: B023
        for name in ("wal-removed", "wal-corrupted"):
            reason = registry.find(name).unavailable(lab, node)
            expected = "it would take the segment from the archive (restore_command)"
            assert reason == (expected if command != "DEFAULT" else None)
    assert_equal_to_before(lab, before)


@pytest.mark.parametrize(
    ("name", "target"), [("wal-removed", "pg2"), ("wal-corrupted", "pg2"), ("archive-failing", "pg1")]
)
def test_a_program_that_ends_in_the_midst_leaves_what_heals(site: Site, name: str, target: str) -> None:
    lab, before = site
    done = assert_survives_every_end(lab, before, name, target, heals=name == "wal-corrupted")
    assert "apply" in done or "stop" in done
