"""Making a node anew as a copy of another while the lab runs.

Owns: the order of those steps, and what becomes of the node's followers meanwhile. Must not: decide who follows whom
after a failover (a drill's).

The caller holds the lab's transaction. A killed program leaves what the same command again completes.
"""

from __future__ import annotations

import time
from dataclasses import replace

from pgreplterm.lab import build, membership, server, state, surgery
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.site import Site, update
from pgreplterm.lab.state import LabState, NodeRecord

RETURNING = "followers"
"""A file in the folder of a node that is being copied anew: who followed it before, and will again."""


def reclone(site: Site, name: str, source_name: str | None) -> float:
    """Replace a standby, or a primary that has ended, by a base backup; seconds until it streams.

    Without a source that is its upstream, or the running primary. Its running followers stream from the source
    meanwhile: the copy's WAL begins with the backup, and they may need what came before. Raises LabError.
    """
    begun = time.monotonic()
    lab = site.read()
    node = lab.node(name)
    if node.upstream is None and site.is_running(node) and not server.is_standby(node):
        raise LabError(f"{name} runs as a primary: stop or kill it before it becomes a copy of another node")
    source = lab.node(source_name) if source_name else _source(site, lab, node)
    surgery.pair(site, name, source.name)
    membership.require_reachable(site, source, f"{name} is to be a copy of it")
    followers = _followers(site, lab, node)
    for follower in followers:
        surgery.repoint(site, follower, source.name)
    membership.postpone(node, node.delay)
    membership.stop(site, node)
    update(site, replace(site.read().node(name), delay=None))
    surgery.rebuild(site, name, source.name)
    surgery.start(site, name)
    build.await_streaming(site, source.name, {name})
    membership.give_delay(site, name)
    for follower in followers:
        surgery.repoint(site, follower, name)
    (server.folder(node) / RETURNING).unlink(missing_ok=True)
    if node.upstream not in (None, source.name):
        surgery.forget_slot(site, str(node.upstream), name)
    return time.monotonic() - begun


def _followers(site: Site, lab: LabState, node: NodeRecord) -> list[str]:
    """The running followers of a node and those that a killed program sent elsewhere; recorded. Raises LabError."""
    kept = server.folder(node) / RETURNING
    sent = set(kept.read_text(encoding="utf-8").split()) if kept.exists() else set[str]()
    found = [other for other in lab.nodes if other.upstream == node.name or other.name in sent]
    delayed = [other.name for other in found if other.delay is not None]
    if delayed:
        raise LabError(
            f"{', '.join(delayed)} follows {node.name} with a delay and could not go on from a new copy of it: "
            f"make it a copy of another node first ('pgreplterm lab reclone {delayed[0]} --from NODE')"
        )
    names = [other.name for other in found if site.is_running(other) and not site.is_frozen(other)]
    state.replace_file(kept, " ".join(names))
    return names


def _source(site: Site, lab: LabState, node: NodeRecord) -> NodeRecord:
    upstream = lab.node(node.upstream) if node.upstream else None
    if upstream is not None and site.is_running(upstream):
        return upstream
    for other in lab.nodes:
        if other.name != node.name and other.upstream is None and site.is_running(other):
            return other
    raise LabError(f"there is no running primary to copy {node.name} from: name a running node with --from")
