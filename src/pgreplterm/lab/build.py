"""Building a lab from nothing.

Owns: the order of the steps of ``lab up``, each recorded before it is taken. Must not: change a lab that is
ready.

One initdb serves all nodes: its cleanly shut-down data directory is copied for every standby, which takes a
quarter of a base backup. Whatever stops the build removes what it made.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pgreplterm.lab import binaries, demolish, links, places, process, server, sql, state, tools
from pgreplterm.lab.account import Account, server_account
from pgreplterm.lab.backend import Kind
from pgreplterm.lab.config import ARCHIVE, MIB
from pgreplterm.lab.conninfo import SUPERUSER
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.ground import Ground, LocalGround
from pgreplterm.lab.links import Edge, Links
from pgreplterm.lab.ports import Reservation
from pgreplterm.lab.shape.check import checked
from pgreplterm.lab.shape.plan import MOST_NODES, LabPlan, NodePlan, plain_tree
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import LabState, NodeRecord, Part, Phase

Narrate = Callable[[str], None]
"""Takes one sentence about what is being done."""

PWFILE = "initdb-password"
STREAMING_TIMEOUT = 30.0
"""Seconds until all standbys stream; it takes some tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class LabSpec:
    """What to build, and where: a plan, or else so many standbys, with cascades that stream from these in turn.

    segment_size is in MiB: 1, 2, 4, ... 1024; a plan has its own.

    docker_host and image are for the Docker backend: the engine's address, and an image with PostgreSQL in it.
    """

    name: str = "lab"
    standbys: int = 2
    cascades: int = 0
    pg_bin: Path | None = None
    segment_size: int = 16
    backend: Kind = Kind.LOCAL
    docker_host: str | None = None
    image: str | None = None
    plan: LabPlan | None = None

    def check(self) -> None:
        """Raises LabError saying which figure is out of range."""
        self.planned()

    def planned(self) -> LabPlan:
        """The plan, checked; the name, the backend and a bin directory of ours win over its own. Raises LabError."""
        plan = self.plan or self._plain()
        return checked(
            replace(plan, name=self.name, backend=self.backend.value, postgresql=self.pg_bin or plan.postgresql)
        )

    def _plain(self) -> LabPlan:
        if self.standbys < 0 or self.cascades < 0:
            raise LabError("a lab has no negative number of standbys")
        if self.cascades and not self.standbys:
            raise LabError("a cascade streams from a standby: ask for --standbys 1 or more")
        if 1 + self.standbys + self.cascades > MOST_NODES:
            raise LabError(f"a lab has at most {MOST_NODES} nodes: asked for {1 + self.standbys + self.cascades}")
        return LabPlan(plain_tree(self.standbys, self.cascades), segment_size=self.segment_size)


def build(spec: LabSpec, narrate: Narrate) -> Site:
    """Build the lab and return its site with every standby streaming. Raises LabError; leaves nothing then."""
    plan = spec.planned()
    account = server_account()
    ground = _ground(spec, plan, account, narrate)
    directory = places.create(spec.name, account)
    try:
        return _Builder(plan, directory, account, ground, narrate).run()
    except OSError as error:
        demolish.demolish(directory)
        raise LabError(f"lab {spec.name!r} was not built: {error.strerror} ({error.filename})") from None
    except BaseException:
        narrate(f"removing the half-built lab {spec.name}")
        demolish.demolish(directory)
        raise


def _ground(spec: LabSpec, plan: LabPlan, account: Account, narrate: Narrate) -> Ground:
    if spec.backend is Kind.LOCAL:
        return LocalGround(binaries.locate(plan.postgresql), account)
    from pgreplterm.lab.docker.ground import DockerGround

    return DockerGround.find(spec, account, narrate)


class _Builder:
    """The steps, in order; self.lab is what state.json says."""

    def __init__(self, plan: LabPlan, directory: Path, account: Account, ground: Ground, narrate: Narrate) -> None:
        self._plan = plan
        self._ground = ground
        self._programs = ground.programs(directory)
        self._narrate = narrate
        self._server_ports = Reservation(len(plan.nodes))
        self._edge_ports = Reservation(len(plan.nodes) - 1)
        self._site = Site(directory, account, self._programs.directory, ground.backend(plan.name, directory))
        self._lab = self._recorded()

    def run(self) -> Site:
        try:
            self._make_room()
            self._write_files()
            fsync = "on" if self._plan.fsync else "off"
            self._narrate(f"initdb (PostgreSQL {self._programs.version}, fsync {fsync}) in {self._site.directory}")
            self._initdb()
            self._copy()
        finally:
            self._edge_ports.release()
            self._server_ports.release()
        for level in self._plan.levels():
            nodes = [self._lab.node(planned.name) for planned in level]
            self._create_slots(nodes)
            self._start(nodes)
        self._await_streaming()
        self._save(replace(self._lab, phase=Phase.READY))
        return self._site

    def _recorded(self) -> LabState:
        plan = self._plan
        nodes = [
            NodeRecord(
                name=node.name,
                port=port,
                upstream=node.follows,
                data_directory=str(self._site.directory / node.name / "data"),
                role=_part(plan, node),
                settings=node.settings,
                delay=node.delay,
            )
            for node, port in zip(plan.nodes, self._server_ports.ports, strict=True)
        ]
        return LabState(
            name=plan.name,
            created_at=time.time(),
            owner_uid=os.geteuid(),
            creator=process.myself(),
            phase=Phase.BUILDING,
            bindir=str(self._programs.directory),
            server_version=self._programs.version,
            segment_size=plan.segment_size * MIB,
            nodes=tuple(nodes),
            settings=plan.settings,
            synchronous=plan.synchronous,
            archive=plan.archive,
            fsync=plan.fsync,
        )

    def _save(self, lab: LabState) -> None:
        self._lab = lab
        state.write(self._site.directory, lab)

    def _make_room(self) -> None:
        """The nodes' folders, and what else the backend needs before there can be a server."""
        self._save(self._lab)
        for node in self._lab.nodes:
            place = server.folder(node)
            place.mkdir()
            place.chmod(0o755)
            make_data_directory(node, self._site.account)
        if self._lab.archive:
            make_private(self._site.directory / ARCHIVE, self._site.account)
        password = secrets.token_urlsafe(24)
        self._write_secret(self._site.directory / PWFILE, password)
        self._write_secret(self._site.passfile, f"*:*:*:{SUPERUSER}:{password}")
        for lab in self._ground.prepare(self._lab):
            self._save(lab)

    def _write_files(self) -> None:
        edge_ports = iter(self._edge_ports.ports)
        edges = [self._edge(node, next(edge_ports)) for node in self._lab.nodes if node.upstream is not None]
        every = Links(1, tuple(edges))
        links.write(self._site.directory, every)
        for node in self._lab.nodes:
            edge = next(iter(every.into(node.name)), None)
            upstream = self._site.upstream(node, edge) if edge else None
            server.configure(node, self._lab, upstream)

    def _edge(self, node: NodeRecord, port: int) -> Edge:
        assert node.upstream is not None  # a primary has no edge
        upstream = self._lab.node(node.upstream)
        return Edge(
            node.name,
            upstream.name,
            port,
            upstream.port,
            listen_host=self._site.listen_host,
            target_host=upstream.address,
        )

    def _initdb(self) -> None:
        """Run initdb; meanwhile start the relay and import what is needed afterwards."""
        pwfile = self._site.directory / PWFILE
        running = self._site.backend.start_tool(self._initdb_command(pwfile), "making the first data directory")
        try:
            self._edge_ports.release()
            self._save(replace(self._lab, relay=links.start_relay(self._site.directory)))
            preload()
            running.finish()
            links.await_relay(self._site.directory, self._lab.relay, serial=1)
        finally:
            running.abandon()
            pwfile.unlink(missing_ok=True)

    def _initdb_command(self, pwfile: Path) -> list[str]:
        first = self._lab.nodes[0]
        command = [self._programs.tool("initdb"), "-D", first.data_directory, "-U", SUPERUSER, f"--pwfile={pwfile}"]
        command += ["--auth=scram-sha-256", "--no-sync", "--no-instructions", "--locale=C", "-E", "UTF8", "-k"]
        # A server that panics (no space) leaves its segment, which only the lock file names: keep that file.
        command += ["--no-clean"]
        command += [f"--wal-segsize={self._plan.segment_size}"]
        if self._programs.major >= 16:
            # The password is random, so stretching it protects nothing and costs milliseconds a connection.
            command += ["-c", "scram_iterations=1", "-c", "dynamic_shared_memory_type=mmap"]
        return command

    def _write_secret(self, path: Path, text: str) -> None:
        path.touch(mode=0o600)
        path.write_text(f"{text}\n", encoding="utf-8")
        self._site.account.own(path)

    def _copy(self) -> None:
        first, *others = self._lab.nodes
        if not others:
            return
        self._narrate(f"copying it for {', '.join(node.name for node in others)}")
        account = self._site.account
        source = f"{first.data_directory}/."
        commands = [["cp", "-a", source, node.data_directory] for node in others]
        tools.finish_all([tools.start(command, account, "copying the data directory") for command in commands])
        for node in others:
            server.make_standby(node, account)

    def _start(self, nodes: Sequence[NodeRecord]) -> None:
        """Start some servers side by side and wait for all."""
        self._narrate(f"starting {', '.join(node.name for node in nodes)}")
        self._server_ports.release()
        backend = self._site.backend
        for started in server.start(backend, [self._lab.node(node.name) for node in nodes]):
            self._save(self._lab.with_node(started))
        for node in nodes:
            server.await_ready(backend, self._lab.node(node.name))

    def _create_slots(self, followers: Sequence[NodeRecord]) -> None:
        """Before the followers start: one whose slot is missing waits for its next attempt."""
        for upstream in self._lab.nodes:
            names = tuple(node.name for node in followers if node.upstream == upstream.name)
            if names:
                with self._site.connect(upstream) as link:
                    sql.create_slots(link, names)

    def _await_streaming(self) -> None:
        for upstream in self._lab.nodes:
            wanted = {node.name for node in self._lab.nodes if node.upstream == upstream.name}
            if wanted:
                await_streaming(self._site, upstream.name, wanted)


def preload() -> None:
    """Import what takes long and is needed only once a server runs."""
    import psycopg  # noqa: F401

    import pgreplterm.lab.status  # noqa: F401


def make_data_directory(node: NodeRecord, account: Account) -> None:
    """An empty data directory of the servers' account, as private as PostgreSQL demands."""
    make_private(Path(node.data_directory), account)


def make_private(folder: Path, account: Account) -> None:
    """A new folder that only the servers' account can use."""
    folder.mkdir()
    folder.chmod(0o700)
    account.own(folder)


def _part(plan: LabPlan, node: NodePlan) -> Part:
    if node.follows is None:
        return Part.PRIMARY
    return Part.STANDBY if node.follows == plan.primary.name else Part.CASCADE


def await_streaming(site: Site, upstream: str, downstreams: set[str]) -> None:
    """Wait until all those walreceivers stream from that node. Raises LabError naming the ones that do not."""
    missing = set(downstreams)
    with site.connect(site.read().node(upstream)) as link:

        def all_stream() -> bool:
            missing.difference_update(sql.streaming(link))
            return not missing

        if not process.wait_until(all_stream, STREAMING_TIMEOUT):
            name = min(missing)
            log = server.log_file(site.read().node(name))
            raise LabError(f"{name} does not stream from {upstream} after {STREAMING_TIMEOUT:.0f} s: see {log}")
