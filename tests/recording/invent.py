"""Snapshots for tests: random ones of every shape the types allow, and a plausible minute of a busy cluster."""

from __future__ import annotations

import random
import types
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pgreplterm.cluster.activity import Activity, Archiver, Checkpoints, ControlData, Recovery, WalFolder, WalVolume
from pgreplterm.cluster.model import ClusterSnapshot, Link, Node, NodeSample
from pgreplterm.wal.lsn import LSN
from tests.tui.snapshots import cluster

TEXTS = ("", "pg1", "a name", "[red]x", "\x1b[2J\n\u202e", 'quote"\\', "ö●\N{GRINNING FACE}", "\x00", "x" * 300)
_SETTINGS = tuple((f"a_setting_of_a_server_{number}", str(number * 1000)) for number in range(40))


def invented(hint: Any, chance: random.Random) -> Any:
    """A random value of that type: any member, None where it may be, the ends of a number's range."""
    if is_dataclass(hint):
        hints = get_type_hints(hint)
        return hint(**{field.name: invented(hints[field.name], chance) for field in fields(hint)})  # type: ignore[operator]
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, types.UnionType):
        some = next(argument for argument in arguments if argument is not types.NoneType)
        return None if chance.random() < 0.3 else invented(some, chance)
    if origin is tuple and arguments[-1] is Ellipsis:
        return tuple(invented(arguments[0], chance) for _ in range(chance.choice((0, 1, 1, 2, 5))))
    if origin is tuple:
        return tuple(invented(argument, chance) for argument in arguments)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return types.MappingProxyType({text: invented(arguments[1], chance) for text in chance.sample(TEXTS, 3)})
    if issubclass(hint, Enum):
        return chance.choice(list(hint))
    if hint is bool:
        return chance.random() < 0.5
    if issubclass(hint, int):
        return hint(chance.choice((0, 1, 2**53 + 1, 2**64 - 1, chance.getrandbits(40))))
    if hint is float:
        return chance.choice((0.0, -1.5, 1e-9, 1.7e9 + chance.random(), chance.random()))
    return chance.choice(TEXTS)


def snapshot(seed: int) -> ClusterSnapshot:
    """The random snapshot of that number."""
    return invented(ClusterSnapshot, random.Random(seed))


def busy(count: int, every: float = 0.1, seed: int = 1) -> Iterator[ClusterSnapshot]:
    """That many ticks of a primary with three standbys that never rests, with all that a sample may hold."""
    chance, first = random.Random(seed), cluster()
    for tick in range(count):
        at, end = first.taken_at + tick * every, LSN(0x5A001200 + tick * 40_000 + chance.randrange(5_000))
        nodes = tuple(_busy_node(node, at, end, tick, chance) for node in first.nodes)
        links = tuple(_busy_link(link, end, chance) for link in first.links)
        yield replace(first, taken_at=at, nodes=nodes, links=links)


def small(count: int) -> list[ClusterSnapshot]:
    """Ticks of one node, so that every byte of a file of them can be tried."""
    some = [replace(each, nodes=each.nodes[:1], links=()) for each in busy(count)]
    plain = [replace(each.nodes[0].sample, activity=Activity()) for each in some if each.nodes[0].sample]
    return [replace(s, nodes=(replace(s.nodes[0], sample=p),)) for s, p in zip(some, plain, strict=True)]


def _busy_node(node: Node, at: float, end: LSN, tick: int, chance: random.Random) -> Node:
    assert node.sample is not None
    behind = LSN(end - chance.randrange(3_000))
    receiver = node.sample.receiver and replace(
        node.sample.receiver, written_lsn=end, flushed_lsn=behind, latest_end_lsn=end, last_message_age=chance.random()
    )
    changed: dict[str, Any] = {
        "taken_at": at - chance.random() / 100, "round_trip": chance.random() / 1000, "flush_lsn": behind,
        "clock_offset": chance.random() / 1e4, "receiver": receiver, "activity": _activity(node.sample, end, tick, at),
        "write_lsn": end if node.sample.write_lsn else None, "replay_lsn": behind if node.sample.replay_lsn else None,
        "slots": tuple(replace(slot, restart_lsn=behind, retained=end - behind) for slot in node.sample.slots),
    }  # fmt: skip
    return replace(node, sample=replace(node.sample, **changed), sample_age=chance.random() / 100)


def _activity(sample: NodeSample, end: LSN, tick: int, at: float) -> Activity:
    return Activity(
        control=ControlData(LSN(0x5A000100), LSN(0x5A0000C8), 1, 100.0 + tick / 10, None, None, True),
        checkpoints=Checkpoints(12, 1, 13, 0, 0, 0, 33.25, 0.125, 1234 + tick // 10, 86400.0 + tick / 10),
        archiver=Archiver("on", 80 + tick // 100, "000000010000000000000059", 3.0 + tick / 10, 0, None, None, 86400.0),
        volume=WalVolume(tick * 600, tick, int(end), 0, 86400.0 + tick / 10) if not sample.in_recovery else None,
        recovery=Recovery("not paused", None, None, None, None, 0.0) if sample.in_recovery else None,
        waiters=() if not sample.in_recovery else None,
        folder=WalFolder(at - at % 10, 5, 5 << 24, 0, None, None),
        settings=_SETTINGS,
    )


def _busy_link(link: Link, end: LSN, chance: random.Random) -> Link:
    assert link.sender is not None
    gaps = sorted(chance.randrange(3_000) for _ in range(4))
    stages = dict(
        zip(("sent_lsn", "write_lsn", "flush_lsn", "replay_lsn"), (LSN(end - gap) for gap in gaps), strict=True)
    )
    lags = {name: chance.random() / 1e3 for name in ("write_lag", "flush_lag", "replay_lag")}
    sender = replace(link.sender, **stages, **lags, reply_age=chance.random() / 100)  # type: ignore[arg-type]
    return replace(link, sender=sender, gaps=type(link.gaps)(*gaps), time_lag=lags["replay_lag"], evidence_age=0.001)
