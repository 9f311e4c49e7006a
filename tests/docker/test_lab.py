"""A lab in Docker: what it makes there, what it never touches, and that nothing of it stays."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import docker
import psycopg
import pytest

from pgreplterm.lab.backend import Kind
from pgreplterm.lab.build import LabSpec
from pgreplterm.lab.docker.labels import CLUSTER, NODE, OWNER, RUN
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.lab import Lab, remove, up
from pgreplterm.lab.process import wait_until
from tests.docker.engines import require_engine
from tests.lab.commands import command, environment, one_sentence, run
from tests.lab.footprint import Footprint


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    """The engine as docker's own client sees it, not through the code under test."""
    require_engine()
    client = docker.from_env()
    yield client
    client.close()


@pytest.fixture(scope="module")
def lab(engine: docker.DockerClient, lab_root: Path) -> Iterator[Lab]:
    made = up(LabSpec(name=f"d{os.getpid()}", standbys=2, backend=Kind.DOCKER))
    yield made
    made.down()
    assert things(engine, made.name) == []


@pytest.fixture
def foreign(engine: docker.DockerClient) -> Iterator[str]:
    """A name of the form a lab would use, and nothing else left of it."""
    name = f"f{uuid.uuid4().hex[:8]}"
    yield name
    for container in engine.containers.list(all=True, filters={"name": name}):
        container.remove(force=True)
    for volume in engine.volumes.list(filters={"name": name}):
        volume.remove()
    for network in engine.networks.list(names=[name]):
        network.remove()


def things(engine: docker.DockerClient, lab: str) -> list[str]:
    """Containers, networks and volumes that belong to that lab by label, or to no lab but by name."""
    labels = {"label": f"{CLUSTER}={lab}"}
    found = [container["Names"][0].lstrip("/") for container in engine.api.containers(all=True, filters=labels)]
    found += [network["Name"] for network in engine.api.networks(filters=labels)]
    found += [volume["Name"] for volume in engine.api.volumes(filters=labels)["Volumes"] or []]
    return sorted(str(name) for name in found)


def test_everything_bears_the_labels_and_nothing_has_privileges(engine: docker.DockerClient, lab: Lab) -> None:
    nodes = ["pg1", "pg2", "pg3"]
    wanted = [f"pgreplterm-{lab.name}-{node}" for node in nodes]
    networks = [f"pgreplterm-{lab.name}-{kind}" for kind in ("a-management", "b-replication")]
    assert things(engine, lab.name) == sorted([*wanted, *wanted, *networks])
    for node in nodes:
        container = engine.containers.get(f"pgreplterm-{lab.name}-{node}")
        assert container.labels[OWNER] == str(os.geteuid())
        assert container.labels[NODE] == node
        assert container.labels[RUN] == (lab.state.docker and lab.state.docker.run)
        host = container.attrs["HostConfig"]
        assert (host["Privileged"], host["CapAdd"], host["CapDrop"]) == (False, None, ["ALL"])
        assert host["RestartPolicy"]["Name"] == "no"
        assert not container.attrs["Config"]["User"].startswith("0:")
        published = container.attrs["NetworkSettings"]["Ports"]
        assert [binding["HostIp"] for bindings in published.values() for binding in bindings] == ["127.0.0.1"]
        assert "PASSWORD" not in json.dumps(container.attrs["Config"]["Env"]).upper()


def test_standbys_reach_the_primary_through_the_relay_and_not_by_management(lab: Lab) -> None:
    docker_record = lab.state.docker
    assert docker_record is not None
    with psycopg.connect(lab.dsn("pg1")) as link:
        found = link.execute("SELECT DISTINCT host(client_addr) FROM pg_stat_replication").fetchall()
    assert found == [(docker_record.gateway,)]
    addresses = [node.address for node in lab.nodes]
    assert len(set(addresses)) == 3
    assert all(address.startswith(docker_record.gateway.rpartition(".")[0]) for address in addresses)


def test_port_and_address_survive_a_restart(lab: Lab) -> None:
    before = lab.dsn("pg3")
    lab.kill("pg3")
    lab.start("pg3")
    lab.wait_streaming("pg3")
    assert lab.dsn("pg3") == before
    with psycopg.connect(before) as link:
        assert link.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def test_no_second_postmaster_on_one_volume(engine: docker.DockerClient, lab: Lab) -> None:
    node = lab.state.node("pg2")
    assert node.container is not None
    attributes = engine.containers.get(node.container).attrs
    mounts = [docker.types.Mount(**_mount(each)) for each in attributes["HostConfig"]["Mounts"]]
    second = engine.containers.create(
        attributes["Image"], attributes["Config"]["Cmd"], entrypoint=[], user=attributes["Config"]["User"],
        mounts=mounts, network_mode="none",
    )  # fmt: skip
    try:
        second.start()
        assert second.wait(timeout=30)["StatusCode"] == 75, "flock's status for a lock that is held"
    finally:
        second.remove(force=True, v=True)
    lab.wait_streaming("pg2")


def _mount(document: dict[str, object]) -> dict[str, object]:
    return {
        "target": document["Target"],
        "source": document["Source"],
        "type": document["Type"],
        "read_only": document.get("ReadOnly", False),
    }


@pytest.mark.parametrize("kind", ["container", "volume", "network"])
def test_what_has_the_name_but_is_not_ours_is_left_alone(
    engine: docker.DockerClient, lab: Lab, lab_root: Path, foreign: str, kind: str
) -> None:
    name = f"pgreplterm-{foreign}-pg1"
    image = engine.containers.get(lab.state.nodes[0].container or "").attrs["Image"]
    made = {
        "container": lambda: engine.containers.create(image, ["true"], name=name, entrypoint=[]),
        "volume": lambda: engine.volumes.create(name),
        "network": lambda: engine.networks.create(f"pgreplterm-{foreign}-b-replication"),
    }[kind]()
    with pytest.raises(LabError, match=f"there is a {kind} pgreplterm-{foreign}-.* already, which is not this lab's"):
        up(LabSpec(name=foreign, standbys=0, backend=Kind.DOCKER))
    made.reload()
    assert things(engine, foreign) == []
    assert not (lab_root / foreign).exists()


def test_down_removes_by_label_and_leaves_a_strangers_volume(
    engine: docker.DockerClient, lab_root: Path, foreign: str
) -> None:
    made = up(LabSpec(name=foreign, standbys=0, backend=Kind.DOCKER))
    stranger = engine.volumes.create(f"pgreplterm-{foreign}-pg9")
    made.down()
    stranger.reload()
    assert things(engine, foreign) == []


def test_what_is_left_when_the_folder_is_gone(engine: docker.DockerClient, lab_root: Path, foreign: str) -> None:
    """A reboot clears memory-backed folders, and the engine keeps its containers."""
    made = up(LabSpec(name=foreign, standbys=0, backend=Kind.DOCKER))
    relay = made.state.relay
    made.kill("pg1")
    made.directory.rename(lab_root / f"{foreign}-away")
    assert relay is not None
    assert things(engine, foreign) != []
    remove(foreign)
    assert things(engine, foreign) == []
    (lab_root / f"{foreign}-away").rename(made.directory)
    remove(foreign)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_build_that_is_killed_leaves_what_down_removes(
    engine: docker.DockerClient, lab_root: Path, foreign: str, number: signal.Signals
) -> None:
    before = Footprint()
    building = subprocess.Popen(
        command("lab", "up", "--backend", "docker", "--name", foreign), env=environment(lab_root), cwd="/",
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert wait_until(lambda: len(things(engine, foreign)) > 4, 60)
    building.send_signal(number)
    building.communicate(timeout=60)
    if number is signal.SIGKILL:
        assert things(engine, foreign) != []
        down = run(lab_root, "lab", "down", foreign)
        assert down.returncode == 0, down.stderr
    assert things(engine, foreign) == []
    before.assert_nothing_left(lab_root / foreign)


def test_an_engine_that_is_not_there_is_one_sentence(lab_root: Path) -> None:
    refused = run(lab_root, "lab", "up", "--backend", "docker", "--docker-host", "unix:///nowhere.sock")
    assert refused.returncode == 3
    assert "no Docker Engine listens at unix:///nowhere.sock" in one_sentence(refused)
