"""``pgreplterm timeline``: the tree of timelines, who stands where, and what it takes to have each node follow.

Owns: its arguments, running and stopped nodes brought together, and the exit code. Must not: sample, read WAL, judge,
or lay out text.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.cli.configured import configured_targets, profile_option
from pgreplterm.cli.replayed import Recorded, lacks_privilege, recorded, replay_options
from pgreplterm.cli.watching import view_options
from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.forks.member import Member
    from pgreplterm.cluster.forks.stopped import StoppedNode
    from pgreplterm.cluster.forks.timelines import Survey
    from pgreplterm.cluster.model import ClusterSnapshot, Node
    from pgreplterm.cluster.sampling.sampler import Sampler
    from pgreplterm.lab.lab import Lab
    from pgreplterm.wal.lsn import LSN


@click.command()
@click.argument("places", metavar="[DSN|PATH]...", nargs=-1)
@click.option("--lab", "lab_name", metavar="NAME", help="The nodes of that lab, running and stopped.")
@profile_option
@click.option("--primary", metavar="NODE", help="Judge by this node, whoever is primary.")
@view_options
@replay_options
def timeline(
    places: tuple[str, ...], lab_name: str | None, primary: str | None, as_json: bool, watch: bool, interval: float
) -> int:
    """Timelines, forks, and what it takes to have each node follow the primary.

    A DSN is whatever psql takes; a PATH is the data directory of a server that is down, read to the end of its WAL.

    Exits 0 when every node is on the primary's line, 1 when one is not or cannot be told, 3 when nothing could be
    read, 4 when privileges hide the answer.
    """
    if lab_name is not None and places:
        raise click.UsageError("--lab and other arguments exclude each other")
    if (replayed := recorded()) is not None:
        if lab_name is not None or places:
            raise click.UsageError("--replay takes no servers: neither --lab nor other arguments")
        return _from_recording(replayed, _Gathering((), primary=primary), as_json, watch)
    gathering = _of_lab(lab_name) if lab_name is not None else _of_places(places)
    gathering.primary = primary
    if watch and gathering.targets:
        return asyncio.run(_again(gathering, interval, as_json))
    return asyncio.run(_once(gathering, as_json))


@dataclass
class _Gathering:
    """What was named: servers, data directories by name, and the lab whose stopped nodes are looked for."""

    targets: Sequence[Target]
    directories: dict[str, Path] = field(default_factory=dict)
    lab: Lab | None = None
    primary: str | None = None
    _read: dict[str, tuple[int, StoppedNode]] = field(default_factory=dict)

    def survey(self, snapshot: ClusterSnapshot | None) -> Survey:
        """Of the servers as sampled and the directories as they are now."""
        from pgreplterm.cluster.forks.timelines import survey

        members = [self._member(node) for node in snapshot.nodes] if snapshot is not None else []
        members += [self._stopped(name, path).member() for name, path in self.directories.items()]
        if self.primary is not None and self.primary not in [one.name for one in members]:
            names = ", ".join(one.name for one in members)
            raise click.UsageError(f"--primary: expected one of {names}; found {self.primary!r}")
        return survey(members, self.primary, self._reground)

    def _member(self, node: Node) -> Member:
        from pgreplterm.cluster.forks.member import Member, member_of
        from pgreplterm.cluster.model import Role
        from pgreplterm.cluster.words import printable

        if node.sample is not None and node.failure is None:
            return member_of(node.name, node.sample, writes=node.role is Role.PRIMARY)
        if self.lab is not None and not self.lab.is_running(node.name):
            return self._stopped(node.name, Path(self.lab.state.node(node.name).data_directory)).member()
        why = f"it does not answer ({printable(node.failure.reason)})" if node.failure else "it has not answered yet"
        system = node.sample.system_identifier if node.sample is not None else None
        return Member(printable(node.name), system, None, None, unknown=why)

    def _stopped(self, name: str, path: Path) -> StoppedNode:
        """Read again only when its control file has changed."""
        from pgreplterm.cluster.forks.stopped import stopped_node

        try:
            changed = (path / "global" / "pg_control").stat().st_mtime_ns
        except OSError:
            changed = 0  # stopped_node says what is wrong
        if name not in self._read or self._read[name][0] != changed:
            self._read[name] = (changed, stopped_node(path, name))
        return self._read[name][1]

    def _reground(self, member: Member, fork: LSN) -> Member:
        stopped = self._read.get(member.name)
        return member if stopped is None or member.writes or member.streams else stopped[1].member(fork)


def _of_places(places: Sequence[str]) -> _Gathering:
    """A directory is a data directory; everything else is a DSN, and nothing at all the profile's or libpq's."""
    directories = {place.rstrip("/") or "/": Path(place) for place in places if Path(place).is_dir()}
    dsns = [place for place in places if not Path(place).is_dir()]
    for dsn in dsns:
        if "/" in dsn and "=" not in dsn and "://" not in dsn:
            raise click.UsageError(f"expected a DSN or a data directory; there is no directory {dsn!r}")
    return _Gathering(configured_targets(dsns) if dsns or not directories else (), directories)


def _of_lab(name: str) -> _Gathering:
    from pgreplterm.cluster.connecting.connect import named_target
    from pgreplterm.lab.lab import Lab

    lab = Lab.load(name)
    return _Gathering([named_target(node.name, lab.dsn(node.name)) for node in lab.nodes], lab=lab)


async def _once(gathering: _Gathering, as_json: bool) -> int:
    if not gathering.targets:
        found = gathering.survey(None)
        _show(found, None, gathering, as_json)
        return _exit_code(found, lacks_privilege=False)
    from pgreplterm.cluster.sampling.sampler import Sampler

    async with Sampler(gathering.targets) as sampler:
        if gathering.directories or gathering.lab is not None:
            sampler.look_back({})
        snapshot = await sampler.sample_once()
        found = gathering.survey(snapshot)
        if forks := _forks(found, snapshot):
            sampler.look_back(forks)
            snapshot = await sampler.sample_once()
            found = gathering.survey(snapshot)
        _show(found, snapshot, gathering, as_json)
        return _exit_code(found, _lacks_privilege(sampler, snapshot))


async def _again(gathering: _Gathering, interval: float, as_json: bool) -> int:
    from pgreplterm.cluster.sampling.sampler import Sampler

    async for snapshot in Sampler(gathering.targets, interval):
        _show(gathering.survey(snapshot), snapshot, gathering, as_json, again=True)
    return ExitCode.OK


def _from_recording(replayed: Recorded, gathering: _Gathering, as_json: bool, watch: bool) -> int:
    """One recorded snapshot; with --watch all from there on."""
    if watch:
        for snapshot in replayed.following():
            _show(gathering.survey(snapshot), snapshot, gathering, as_json, again=True)
        return replayed.told(ExitCode.OK)
    found = gathering.survey(replayed.snapshot)
    _show(found, replayed.snapshot, gathering, as_json)
    return replayed.told(_exit_code(found, lacks_privilege(replayed.snapshot)))


def _forks(found: Survey, snapshot: ClusterSnapshot) -> dict[str, LSN]:
    """Where servers would have to be rewound to, by address, and what that takes was not read on the way."""
    forks = {}
    for node in snapshot.nodes:
        rejoin = found.rejoins.get(node.name)
        grounds = node.sample.evidence.rewind if node.sample is not None else None
        if rejoin is None or rejoin.fork_lsn is None or not rejoin.beyond or not rejoin.theirs:
            continue
        if grounds is None or grounds.fork_lsn != rejoin.fork_lsn:
            forks[node.address] = rejoin.fork_lsn
    return forks


def _show(
    found: Survey, snapshot: ClusterSnapshot | None, gathering: _Gathering, as_json: bool, *, again: bool = False
) -> None:
    from pgreplterm.cli.timeline_text import document, lines
    from pgreplterm.cluster.words import instant

    stopped = {name: node for name, (_, node) in gathering._read.items()}
    if as_json:
        told = document(found, snapshot, stopped)
        click.echo(json.dumps(told, separators=(",", ":")) if again else json.dumps(told, indent=2))
        return
    text = lines(found, snapshot, stopped)
    click.echo("\n".join([instant(snapshot.taken_at), *text, ""] if again and snapshot is not None else text))


def _lacks_privilege(sampler: Sampler, snapshot: ClusterSnapshot) -> bool:
    from pgreplterm.cluster.forks.member import is_about_history

    hidden = (missing for node in snapshot.nodes if node.sample for missing in node.sample.missing_privileges)
    return sampler.lacks_privilege or any(map(is_about_history, hidden))


def _exit_code(found: Survey, lacks_privilege: bool) -> ExitCode:
    if found.diverged:
        return ExitCode.FINDING
    if lacks_privilege and found.unknown:
        return ExitCode.NO_PRIVILEGE
    if len(found.unplaced) == len(found.members):
        return ExitCode.CANNOT_CONNECT
    return ExitCode.FINDING if found.unknown else ExitCode.OK
