"""A real failover, watched and recorded at the same time, and the bytes of a recording with nothing compressed."""

from __future__ import annotations

import signal
from pathlib import Path

from pgreplterm.cluster.model import ClusterSnapshot, Role
from pgreplterm.recording.frames import MAGIC, Frame, Kind, expand, scan
from pgreplterm.recording.segments import closed_files
from pgreplterm.recording.writer import Writer
from tests.cluster.replicas import Cluster
from tests.cluster.watching import until, watch

PAIR = {"pg1": None, "s1": "pg1", "s2": "pg1"}


async def failover(cluster: Cluster, writer: Writer) -> list[ClusterSnapshot]:
    """Kill pg1 and promote s1 under a recorder; everything it was given."""
    given: list[ClusterSnapshot] = []

    def record(snapshot: ClusterSnapshot) -> bool:
        writer.add(snapshot)
        given.append(snapshot)
        return True

    async with watch(cluster) as sampler:
        await until(sampler, lambda seen: record(seen) and all(link.gaps.flush == 0 for link in seen.links))
        cluster.write()
        await until(sampler, lambda seen: record(seen) and len(given) > 5)
        writer.mark("fault injected")
        cluster["pg1"].stop(signal.SIGQUIT)
        await until(sampler, lambda seen: record(seen) and not seen.primaries)
        cluster["s1"].sql("select pg_promote()")
        await until(sampler, lambda seen: record(seen) and [one.name for one in seen.primaries] == ["s1"])
        writer.mark("promoted")
        await until(sampler, lambda seen: record(seen) and seen.primaries[0].timeline == 2)
        assert any(node.role is Role.UNKNOWN for node in given[-1].nodes)
    return given


def laid_bare(path: Path) -> bytes:
    """All files of a recording as they are, and the text of every frame."""
    pieces = []
    for member in [*closed_files(path), path]:
        pieces.append(member.read_bytes())
        base = b""
        with member.open("rb") as file:
            for piece in scan(file, len(MAGIC)):
                if not isinstance(piece, Frame):
                    continue
                is_delta = piece.entry.kind is Kind.DELTA
                text = expand(piece.body[4:], base) if is_delta else expand(piece.body)
                base = text if piece.entry.kind is Kind.FULL else base
                pieces.append(text)
    return b"\n".join(pieces)
