"""What each step of a switchover will do, and why, for a learner.

Owns: these sentences. Must not: know how a step is done.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Words:
    """will and why may name {old}, {new} and {clients}."""

    will: str
    why: str


STEPS: Mapping[str, Words] = {
    "start prober": Words(
        "{clients} clients write ids",
        "Clients write numbered rows through everything that follows, each in its own transaction, and log what they "
        "were told. They know all nodes and ask for the one that takes writes, as an application with several hosts in "
        "its DSN and target_session_attrs=read-write does. So what they log is what a switchover costs an application.",
    ),
    "checkpoint": Words(
        "CHECKPOINT on {old} while clients still write",
        "A shutdown ends with a checkpoint, and clients wait for it. Whatever is written out now need not be written "
        "then. Trap: without it a server with a large shared_buffers may take minutes to stop, all of them downtime.",
    ),
    "stop clients": Words(
        "have {old} refuse new writes, and let those under way end",
        "default_transaction_read_only = on makes {old} refuse new writes with an error that says so: the client knows "
        "that nothing was written and may try again elsewhere. A connection that is broken in a commit leaves its "
        "client not knowing. Trap: this is a default and no fence. A session may override it, so only the shutdown "
        "that follows makes sure.",
    ),
    "stop primary": Words(
        "stop {old} in fast mode",
        "A fast shutdown ends the sessions, writes the shutdown checkpoint, and only then lets the walsenders go, when "
        "they have sent all of it. Traps: smart mode would wait for every client to leave, immediate mode would write "
        "no shutdown checkpoint, and a standby that is cut off gets nothing more, which is why it is looked at next.",
    ),
    "shutdown checkpoint": Words(
        "read from the files of {old} where its WAL ends",
        "pg_control must say 'shut down', and the shutdown checkpoint is then the last record there is. Its end is the "
        "one number that decides: a standby that has it has everything. Trap: pg_control holds where that record "
        "begins. Who compares with that would take a standby for complete that lacks the record itself.",
    ),
    "candidate has it all": Words(
        "wait until {new} has flushed and replayed the shutdown checkpoint",
        "Only when {new} has the last record of {old} is the loss known to be zero. If it does not come, nothing has "
        "been lost yet: {old} is started again as it was. Trap: to promote anyway, because it must be nearly there, "
        "is what turns a switchover into a failover with loss.",
    ),
    "synchronous rule": Words(
        "have synchronous_standby_names fit the new tree",
        "Every server has its own synchronous_standby_names, and a primary never counts for itself. A rule that names "
        "{new} would have it wait for a standby that cannot answer. It is set before the promotion, while it has no "
        "effect on {new} yet, because clients come back by themselves the moment that {new} takes writes.",
    ),
    "promote": Words(
        "promote {new}",
        "pg_promote ends recovery: {new} begins a new timeline exactly where the WAL of {old} ended, and clients find "
        "it by themselves. From here on there is no way back, only forward: starting {old} as a primary now would "
        "make two of them.",
    ),
    "repoint": Words(
        "have the other standbys follow {new}",
        "Each gets a slot on {new} first, then its address by primary_conninfo and a reload; the server goes on. None "
        "can be ahead of {new}, which has everything. They come before the old primary, because commits that wait for "
        "a synchronous standby wait for one of them. What streams from a standby follows its timeline by itself.",
    ),
    "checkpoint new primary": Words(
        "CHECKPOINT on {new}",
        "Until its first checkpoint on the new timeline the pg_control of {new} still names the old one. Trap: "
        "pg_rewind before 17 believes that and reports that no rewind is required. None is required today; the next "
        "one may be an hour away.",
    ),
    "demote old primary": Words(
        "start {old} as a standby of {new}",
        "{old} ended exactly at the fork, so it can follow as it is: no pg_rewind, no base backup. It gets a slot on "
        "{new} first, then standby.signal and primary_conninfo, then it starts. Traps: without standby.signal it would "
        "come up as a second primary; the slots that its own standbys left on it would keep WAL for ever.",
    ),
    "open clients": Words(
        "see every client served by {new}",
        "Nobody has to be let in: nothing kept clients from {new} but recovery. An application that knows only the "
        "address of {old} would be down until somebody changed its DSN or moved a virtual address. Each client must "
        "have been acknowledged before the switchover counts as done.",
    ),
    "verify": Words(
        "compare the nodes, and what clients were told with what is there",
        "One primary; every standby streams on the new timeline; the fork is the end of the shutdown checkpoint. And "
        "every id that any server acknowledged is on every node, once. Only the last proves that nothing was lost.",
    ),
}
