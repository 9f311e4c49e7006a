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
from pgreplterm.lab.binaries import Binaries
from pgreplterm.lab.config import MIB
from pgreplterm.lab.conninfo import SUPERUSER
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.links import Edge, Links
from pgreplterm.lab.ports import Reservation
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import LabState, NodeRecord, Part, Phase

Narrate = Callable[[str], None]
"""Takes one sentence about what is being done."""

MOST_NODES = 12
"""Slots and walsenders are configured for this many downstreams, and then some."""

STREAMING_TIMEOUT = 30.0
"""Seconds until all standbys stream; it takes some tens of milliseconds."""


@dataclass(frozen=True, slots=True)
class LabSpec:
    """What to build. segment_size is in MiB: 1, 2, 4, ... 1024; cascades stream from the standbys in turn."""

    name: str = "lab"
    standbys: int = 2
    cascades: int = 0
    pg_bin: Path | None = None
    segment_size: int = 16

    def check(self) -> None:
        """Raises LabError saying which figure is out of range."""
        places.check_name(self.name)
        if self.standbys < 0 or self.cascades < 0:
            raise LabError("a lab has no negative number of standbys")
        if self.cascades and not self.standbys:
            raise LabError("a cascade streams from a standby: ask for --standbys 1 or more")
        if 1 + self.standbys + self.cascades > MOST_NODES:
            raise LabError(f"a lab has at most {MOST_NODES} nodes: asked for {1 + self.standbys + self.cascades}")
        if self.segment_size not in {1 << power for power in range(11)}:
            raise LabError(f"a WAL segment is 1, 2, 4, ... 1024 MiB: asked for {self.segment_size}")


def build(spec: LabSpec, narrate: Narrate) -> Site:
    """Build the lab and return its site with every standby streaming. Raises LabError; leaves nothing then."""
    spec.check()
    account = server_account()
    origin = binaries.locate(spec.pg_bin)
    directory = places.create(spec.name, account)
    try:
        programs = binaries.prepare(origin, account, directory / "runtime")
        return _Builder(spec, directory, account, programs, narrate).run()
    except OSError as error:
        demolish.demolish(directory)
        raise LabError(f"lab {spec.name!r} was not built: {error.strerror} ({error.filename})") from None
    except BaseException:
        narrate(f"removing the half-built lab {spec.name}")
        demolish.demolish(directory)
        raise


class _Builder:
    """The steps, in order; self.lab is what state.json says."""

    def __init__(self, spec: LabSpec, directory: Path, account: Account, programs: Binaries, narrate: Narrate) -> None:
        self._spec = spec
        self._programs = programs
        self._narrate = narrate
        self._site = Site(directory, account, programs.directory)
        followers = spec.standbys + spec.cascades
        self._server_ports = Reservation(1 + followers)
        self._edge_ports = Reservation(followers)
        self._lab = self._plan()

    def run(self) -> Site:
        try:
            self._write_files()
            self._narrate(f"initdb (PostgreSQL {self._programs.version}) in {self._site.directory}")
            self._initdb()
            self._copy()
        finally:
            self._edge_ports.release()
            self._server_ports.release()
        primary, standbys, cascades = self._by_role()
        self._start([primary])
        for upstreams, followers in (([primary], standbys), (standbys, cascades)):
            if followers:
                self._create_slots(upstreams, followers)
                self._start(followers)
        self._await_streaming()
        self._save(replace(self._lab, phase=Phase.READY))
        return self._site

    def _plan(self) -> LabState:
        spec, directory = self._spec, self._site.directory
        standbys = [f"pg{number + 2}" for number in range(spec.standbys)]
        upstreams = ["", *["pg1"] * spec.standbys]
        upstreams += [standbys[number % spec.standbys] for number in range(spec.cascades)]
        roles = [Part.PRIMARY] + [Part.STANDBY] * spec.standbys + [Part.CASCADE] * spec.cascades
        nodes = []
        for number, (upstream, role) in enumerate(zip(upstreams, roles, strict=True)):
            name = f"pg{number + 1}"
            data = str(directory / name / "data")
            nodes.append(NodeRecord(name, self._server_ports.ports[number], upstream or None, data, role))
        return LabState(
            name=spec.name,
            created_at=time.time(),
            owner_uid=os.geteuid(),
            creator=process.myself(),
            phase=Phase.BUILDING,
            bindir=str(self._programs.directory),
            server_version=self._programs.version,
            segment_size=spec.segment_size * MIB,
            nodes=tuple(nodes),
        )

    def _save(self, lab: LabState) -> None:
        self._lab = lab
        state.write(self._site.directory, lab)

    def _write_files(self) -> None:
        self._save(self._lab)
        edge_ports = iter(self._edge_ports.ports)
        edges = [
            Edge(node.name, node.upstream, next(edge_ports), self._lab.node(node.upstream).port)
            for node in self._lab.nodes
            if node.upstream is not None
        ]
        every = Links(1, tuple(edges))
        links.write(self._site.directory, every)
        for node in self._lab.nodes:
            place = server.folder(node)
            place.mkdir()
            place.chmod(0o755)
            edge = next(iter(every.into(node.name)), None)
            upstream = self._site.upstream(node, edge) if edge else None
            server.configure(node, self._lab.segment_size, upstream)
            make_data_directory(node, self._site.account)

    def _initdb(self) -> None:
        """Run initdb; meanwhile start the relay and import what is needed afterwards."""
        password = secrets.token_urlsafe(24)
        pwfile = self._site.directory / "initdb-password"
        self._write_secret(pwfile, password)
        self._write_secret(self._site.passfile, f"*:*:*:{SUPERUSER}:{password}")
        running = tools.start(self._initdb_command(pwfile), self._site.account, "making the first data directory")
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
        command += [f"--wal-segsize={self._spec.segment_size}"]
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

    def _by_role(self) -> tuple[NodeRecord, list[NodeRecord], list[NodeRecord]]:
        first, *others = self._lab.nodes
        standbys = [node for node in others if node.role is Part.STANDBY]
        return first, standbys, [node for node in others if node.role is Part.CASCADE]

    def _start(self, nodes: Sequence[NodeRecord]) -> None:
        """Start some servers side by side and wait for all."""
        self._narrate(f"starting {', '.join(node.name for node in nodes)}")
        self._server_ports.release()
        postgres = self._site.tool("postgres")
        for node in nodes:
            started = replace(node, process=server.launch(node, postgres, self._site.account))
            self._save(self._lab.with_node(started))
        for node in nodes:
            identity = self._lab.node(node.name).process
            assert identity is not None  # set in the loop above
            server.await_ready(node, identity)

    def _create_slots(self, upstreams: Sequence[NodeRecord], followers: Sequence[NodeRecord]) -> None:
        """Before the followers start: one whose slot is missing waits for its next attempt."""
        for upstream in upstreams:
            names = tuple(node.name for node in followers if node.upstream == upstream.name)
            if names:
                with self._site.connect(self._lab.node(upstream.name)) as link:
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
    data = Path(node.data_directory)
    data.mkdir()
    data.chmod(0o700)
    account.own(data)


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
