"""How ``timeline`` shows its survey: as a tree of text, and as a document.

Owns: the layout and the last sentence. Must not: judge, or print.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pgreplterm.cli.tables import aligned
from pgreplterm.cluster.forks.member import Member
from pgreplterm.cluster.forks.stopped import StoppedNode
from pgreplterm.cluster.forks.timelines import Branch, Parting, Survey, survey_document
from pgreplterm.cluster.model import ClusterSnapshot, Node, Rejoin, RejoinAction
from pgreplterm.cluster.words import instant, printable, size, size_in_words

_HEADINGS = ("NODE", "ROLE", "STATE", "END OF WAL", "PAST FORK", "REJOIN")
_RIGHT = frozenset({"PAST FORK"})
_INDENT = "   "
Stopped = Mapping[str, StoppedNode]


def lines(found: Survey, snapshot: ClusterSnapshot | None, stopped: Stopped) -> list[str]:
    """The tree, a sentence for each verdict, and what it comes to."""
    nodes = {printable(node.name): node for node in snapshot.nodes} if snapshot is not None else {}
    members = {one.name: one for one in found.members}
    placed = [(branch, name) for branch in found.branches for name in branch.members]
    rows = [_row(found, members[name], nodes.get(name), stopped.get(name), branch.depth) for branch, name in placed]
    rows += [_row(found, members[name], nodes.get(name), stopped.get(name), -1) for name in found.unplaced]
    heading, *told = aligned(_HEADINGS, rows, _RIGHT)
    text, row = [heading], iter(told)
    several = len({branch.system_identifier for branch in found.branches}) > 1
    for branch in found.branches:
        text.append(_branch(branch, several))
        text += [next(row) for _ in branch.members]
    if found.unplaced:
        text += ["timeline unknown", *row]
    sentences = [*_verdicts(found, members), *map(_parting, found.partings)]
    return [*text, "", *sentences, *([""] if sentences else []), _sentence(found)]


def document(found: Survey, snapshot: ClusterSnapshot | None, stopped: Stopped) -> dict[str, Any]:
    """``survey_document``, with what is known of each node beside its line."""
    nodes = {printable(node.name): node for node in snapshot.nodes} if snapshot is not None else {}
    told = survey_document(found)
    for entry in told["nodes"]:
        node, down = nodes.get(entry["name"]), stopped.get(entry["name"])
        sample = node.sample if node is not None else None
        entry["address"] = None if node is None else node.address
        entry["directory"] = None if down is None else str(down.directory)
        entry["role"] = None if node is None else str(node.role)
        entry["state"] = down.control.state if down is not None else str(node.state) if node is not None else None
        entry["missing"] = [
            {"hidden": one.hidden, "privilege": one.privilege} for one in (sample.missing_privileges if sample else ())
        ]
    taken_at = None if snapshot is None else instant(snapshot.taken_at)
    return {"taken_at": taken_at, "text": _sentence(found), **told}


def _branch(branch: Branch, several: bool) -> str:
    system = f" of system {branch.system_identifier}" if several and branch.depth == 0 else ""
    start = _INDENT * branch.depth + f"timeline {branch.timeline}{system}"
    if branch.switchpoint is None:
        return start
    reason = f" ({printable(branch.reason)})" if branch.reason else ""
    return f"{start} from {branch.switchpoint}{reason}"


def _row(found: Survey, member: Member, node: Node | None, stopped: StoppedNode | None, depth: int) -> tuple[str, ...]:
    rejoin = found.rejoins.get(member.name)
    if stopped is not None:
        role, state = "stopped", stopped.control.state + (", has postmaster.pid" if stopped.has_pid_file else "")
    else:
        role, state = (str(node.role), str(node.state)) if node is not None else ("?", "?")
    return (
        _INDENT * (depth + 1) + member.name,
        "?" if role == "unknown" else role,
        state,
        "?" if member.lineage is None else str(member.lineage.end),
        _past(rejoin),
        "-" if rejoin is None else str(rejoin.action),
    )


def _past(rejoin: Rejoin | None) -> str:
    """Bytes past a fork that both sides went beyond; on one line there is only distance."""
    if rejoin is None or rejoin.action is RejoinAction.FOLLOW or rejoin.beyond is None:
        return "-"
    return size(rejoin.beyond) if rejoin.theirs else "-"


def _verdicts(found: Survey, members: Mapping[str, Member]) -> Iterator[str]:
    for name, rejoin in found.rejoins.items():
        theirs = ""
        if _past(rejoin) != "-":
            theirs = f" ({found.reference} holds {size_in_words(rejoin.theirs or 0)} past it)"
        yield f"{members[name].name}: {rejoin.action}: {printable(rejoin.reason)}{theirs}"


def _parting(parting: Parting) -> str:
    fork, seen = parting.seen.fork, parting.seen
    pair = f"{parting.one} and {parting.other}"
    if fork is None or not (seen.beyond and seen.theirs):
        return f"{pair} write on one timeline each by themselves; where they part is in no history"
    one, other = size_in_words(seen.beyond), size_in_words(seen.theirs)
    at = f"timeline {fork.timeline} at {fork.lsn}"
    return f"{pair} part on {at}: {parting.one} holds {one} past it, {parting.other} {other}"


def _sentence(found: Survey) -> str:
    if found.diverged and found.reference is None:
        text = "! there is no one line, and no primary to judge by: name the node to keep with --primary"
    elif found.diverged:
        told = (f"{name} ({found.rejoins[name].action})" for name in found.diverged)
        text = f"! cannot simply follow {found.reference}: {', '.join(told)}"
    elif found.unknown:
        line = f"{found.reference}'s line" if found.reference else "one line"
        text = f"? not known to be on {line}: {', '.join(found.unknown)}"
    elif len(found.members) < 2:
        text = "one node: there is nothing to compare it with"
    elif found.reference is None:
        text = f"no primary; the {len(found.members)} nodes are on one line"
    else:
        text = f"every node is on {found.reference}'s line"
    return text
