"""The list of all checks: name, what is looked at, when it warns or refuses, and which drills make it.

Owns: that list and its order, in which a preflight is read. Must not: contain a check. docs/drill.md shows the same
table, and a test compares the two.
"""

from __future__ import annotations

from pgreplterm.drill.preflight import (
    archive,
    candidate,
    capacity,
    comeback,
    connectivity,
    ground,
    sessions,
    topology,
)
from pgreplterm.drill.preflight.subject import Drill, Rule

_S, _F, _T, _P, _R, _N, _Y, _B = (
    Drill.SWITCHOVER,
    Drill.FAILOVER,
    Drill.TAKEOVER,
    Drill.REPOINT,
    Drill.REJOIN,
    Drill.NEW_STANDBY,
    Drill.SYNC_MODE,
    Drill.PITR,
)
_ALL = frozenset(Drill)
_PROMOTE = frozenset({_S, _F, _T})
_ALIVE = _ALL - {_T}
_COMING = frozenset({_S, _F, _T, _P, _R, _N})

RULES: tuple[Rule, ...] = (
    Rule("manager", "traces of an HA manager in SQL", "nothing could be read", "one is in charge", _ALL,
         topology.no_manager),
    Rule("other drill", "the lab's lock, and the run that had it last", "it cannot be read",
         "a drill runs on the lab, or one is to be healed first", _ALL,
         ground.no_other_drill),
    Rule("faults", "the faults of the lab", "one stands", "", _ALL, ground.no_fault),
    Rule("one primary", "who answers as not in recovery", "", "none, or more than one", _ALIVE, topology.one_primary),
    Rule("primary is gone", "our connection to it, and its standbys' walreceivers", "",
         "it answers, or no standby has lost it", frozenset({_T}), topology.primary_gone),
    Rule("nodes answer", "the newest sample of each node", "a node the drill is not about is quiet",
         "one that it is about is quiet", _ALL, topology.everyone_answers),
    Rule("one cluster", "system identifiers", "none is known", "they differ", _ALL, topology.one_cluster),
    Rule("versions", "server_version_num", "minors differ", "majors differ", _ALL, topology.one_version),
    Rule("rights", "pg_roles.rolsuper of our role on every node", "unknown", "no superuser somewhere", _ALL,
         connectivity.rights),
    Rule("lineage", "timelines and histories", "another node is past a fork", "the one that is to serve is", _ALL,
         topology.one_line),
    Rule("unwatched walsenders", "walsenders that feed no node we know", "there are some", "", _COMING,
         topology.all_watched),
    Rule("candidate", "the node that is to be promoted", "", "there is none, or it is a primary", _PROMOTE,
         candidate.is_standby),
    Rule("candidate streams", "pg_stat_replication of the primary and the candidate's walreceiver",
         "a failover: it does not", "a switchover: it does not", _PROMOTE, candidate.streams),
    Rule("candidate timeline", "the timelines of both", "one is unknown", "they differ", _PROMOTE,
         candidate.same_timeline),
    Rule("replay", "pg_get_wal_replay_pause_state(), received and replayed LSN",
         "it is paused", "a switchover: paused with WAL pending", _PROMOTE, candidate.replays),
    Rule("apply delay", "recovery_min_apply_delay of the candidate", "a failover: it is set",
         "a switchover: it is set", _PROMOTE, candidate.not_delayed),
    Rule("lag", "bytes the candidate has not replayed", "more than 10 MB", "more than 1 GB", frozenset({_S}),
         candidate.little_lag),
    Rule("bytes at risk", "the primary's WAL that no standby has flushed", "more than none, or unknown", "",
         frozenset({_F, _T}), candidate.at_risk),
    Rule("synchronous candidate", "sync_state of the candidate", "commits wait for others", "", frozenset({_S, _F}),
         candidate.is_synchronous),
    Rule("synchronous rule", "synchronous_standby_names that will hold, and who will stream",
         "it has no standby to spare, is lost, or the drill must change it", "more must confirm than can",
         frozenset({_S, _F, _Y}), candidate.rule_after),
    Rule("parameters", "five settings a standby must have at least as high as its primary", "one is unknown",
         "one is lower", frozenset({_S, _F, _T, _P, _R}), capacity.parameters),
    Rule("free walsenders", "max_wal_senders and pg_stat_replication of the node that will serve", "unknown",
         "fewer than will come", _COMING, capacity.walsenders),
    Rule("free slots", "max_replication_slots and pg_replication_slots there", "unknown", "fewer than will be made",
         _COMING, capacity.slots),
    Rule("wal_level", "wal_level there", "unknown", "minimal", _COMING, capacity.wal_level),
    Rule("replication door", "pg_hba_file_rules there, for each that will come",
         "a line that cannot be judged from outside", "no line lets it in, or one rejects it", _COMING,
         connectivity.doors),
    Rule("replication role", "pg_roles there", "unknown", "the role may not log in or replicate", _COMING,
         connectivity.role),
    Rule("listen_addresses", "listen_addresses there", "unknown", "loopback alone, and one comes from elsewhere",
         _COMING, connectivity.listens),
    Rule("recovery_target_timeline", "the setting of whoever will follow", "unknown", "not latest",
         frozenset({_S, _F, _T, _P, _R}), connectivity.follows_latest),
    Rule("archive backlog", ".ready files of the primary", "16 or more", "a switchover: 128 or more",
         frozenset({_S, _F, _B}), archive.backlog),
    Rule("archiver", "pg_stat_archiver of the primary", "a failover: the last attempt failed",
         "a switchover or PITR: the last attempt failed", frozenset({_S, _F, _B}), archive.archiver),
    Rule("restore_command", "the setting of every follower, where there is an archive", "empty somewhere", "",
         frozenset({_S, _F, _R, _N}), archive.restores),
    Rule("archive", "the archive of the lab", "empty yet", "there is none", frozenset({_B}), archive.there_is_one),
    Rule("transactions", "pg_stat_activity of the primary", "one has been open for 10 s", "", frozenset({_S, _F}),
         sessions.transactions),
    Rule("prepared transactions", "pg_prepared_xacts of the primary", "there are some", "", frozenset({_S, _F}),
         sessions.prepared),
    Rule("base backups", "pg_stat_progress_basebackup, exclusive backups until 14", "another drill: one is running",
         "a switchover: one is running", frozenset({_S, _F, _R}), sessions.backups),
    Rule("logical slots", "pg_replication_slots of the primary", "one has no synced copy on the candidate", "",
         frozenset({_S, _F}), sessions.logical_slots),
    Rule("pg_rewind", "wal_log_hints, checksums and full_page_writes of the node that is to come back",
         "only a base backup could bring it back", "", frozenset({_S, _F, _R}), comeback.rewindable),
    Rule("way back", "both lines of timelines", "rewind, rebuild, or unknown", "it is of another cluster",
         frozenset({_R}), comeback.verdict),
    Rule("configuration files", "pg_file_settings of the node that will be started again", "unknown",
         "a line cannot be read", frozenset({_S, _F, _R}), comeback.configuration),
    Rule("pending restart", "pg_settings.pending_restart of every node", "a setting waits for a restart", "",
         frozenset({_S, _F, _R}), comeback.pending),
    Rule("ALTER SYSTEM", "where primary_conninfo and primary_slot_name come from", "",
         "postgresql.auto.conf, which wins over the file of the lab", frozenset({_S, _F, _P, _R}),
         comeback.streaming_settings),
    Rule("programs", "pg_rewind and pg_basebackup", "a promotion: one is missing", "a copy: one is missing",
         frozenset({_S, _F, _R, _N, _B}), ground.programs),
    Rule("data directories", "data_directory of every node, and the lab's record", "unknown", "they differ",
         frozenset({_S, _F, _R}), ground.directories),
    Rule("disk space", "bytes free, and the size of the databases", "a rebuild would not fit",
         "a new copy would not fit", frozenset({_S, _F, _R, _N, _B}), capacity.disk),
    Rule("tablespaces", "pg_tablespace", "there are some", "a new copy on the same machine",
         frozenset({_R, _N, _B}), capacity.tablespaces),
    Rule("node is stopped", "the processes of the lab", "it runs: the drill stops it", "it is no node of the lab",
         frozenset({_R}), ground.stopped),
    Rule("free name", "the nodes of the lab", "", "the name is taken", frozenset({_N, _B}), ground.free_name),
)  # fmt: skip

_OF_A_LAB = frozenset({"other drill", "faults", "ALTER SYSTEM", "programs", "data directories", "disk space",
                       "node is stopped", "free name", "archive"})  # fmt: skip
"""They ask the folder of a lab; on a cluster we do not own there is none."""


def rules_for(drill: Drill, owned: bool = True) -> tuple[Rule, ...]:
    """Those that this drill makes, in the order they are read."""
    return tuple(rule for rule in RULES if drill in rule.drills and (owned or rule.name not in _OF_A_LAB))
