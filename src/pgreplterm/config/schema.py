"""Every key there is, with the sentence that ``config init`` and docs/config.md print under it.

Owns: names, kinds, defaults, sentences. Must not: read a file or the environment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pgreplterm.cluster.thresholds import PROFILES as LIMITS
from pgreplterm.cluster.thresholds import Thresholds
from pgreplterm.config.kinds import (
    Kind,
    a_count,
    a_size,
    a_switch,
    a_time,
    connection_strings,
    named_connection_strings,
    one_of,
)

PREFIX = "PGREPLTERM_"
PROFILE_VARIABLE = "PGREPLTERM_PROFILE"
PROFILES = "profile"
DEFAULT_PROFILE = "default_profile"
PROFILE_SENTENCE = "The profile that is used when neither --profile nor PGREPLTERM_PROFILE names one."
THRESHOLDS = "thresholds"


@dataclass(frozen=True, slots=True)
class Key:
    """name is as it stands in a profile, "thresholds." before those of that table. example is TOML."""

    name: str
    kind: Kind
    default: Any
    sentence: str
    example: str
    option: str | None = None  # what wins over it on the command line

    @property
    def variable(self) -> str:
        """The environment variable that wins over the file."""
        return PREFIX + self.name.replace(".", "_").upper()

    @property
    def last(self) -> str:
        """The name inside its table."""
        return self.name.rpartition(".")[2]


def _limit(name: str, kind: Kind, example: str, sentence: str) -> Key:
    return Key(f"{THRESHOLDS}.{name}", kind, getattr(Thresholds(), name), sentence, example)


_PERCENT = a_count(0, 100)
KEYS: tuple[Key, ...] = (
    Key(
        "dsns", connection_strings(), (),
        "The servers: connection strings as psql takes them; one that names several hosts stands for all of them.",
        '["host=db1,db2,db3 user=monitor dbname=postgres"]', "DSN",
    ),
    Key(
        "nodes", named_connection_strings(), {},
        "The same under names of your own: one server each, shown by that name.",
        '{ pg1 = "host=10.0.0.1", pg2 = "host=10.0.0.2" }', "DSN",
    ),
    Key(
        "discover", a_switch(), True,
        "Whether servers that the named ones stream from or to are watched, too.", "false", "--discover",
    ),
    Key(
        "interval", a_time(0.1), 1.0,
        "Seconds between two looks, for every command that looks again and again.", "1.0", "--interval",
    ),
    Key(
        "ascii", a_switch(), False,
        "Draw the terminal with ASCII only; without it the locale decides.", "true", "--ascii",
    ),
    Key(
        "limits", one_of(tuple(LIMITS)), "default",
        "The set of limits that the thresholds below start from.", '"strict"',
    ),
    _limit("replay_gap", a_size(), '"10MB"', "WAL that a standby may have left to replay: a warning above."),
    _limit("replay_gap_critical", a_size(), '"1GB"', "The same, critical above."),
    _limit("time_lag", a_time(), '"30s"', "How far a standby's replay may be behind in time: a warning above."),
    _limit("time_lag_critical", a_time(), '"5min"', "The same, critical above."),
    _limit("stalled_for", a_time(), '"2s"', "How long replay may stand still while received WAL waits."),
    _limit("commit_wait", a_time(), '"5s"', "How long a commit may wait for a synchronous standby: a warning above."),
    _limit("commit_wait_critical", a_time(), '"30s"', "The same, critical above."),
    _limit("safe_wal_size", a_size(), '"64MB"', "A slot is in danger when it is lost after less WAL than this."),
    _limit("safe_wal_percent", _PERCENT, "10", "Or with less than this share of max_slot_wal_keep_size left."),
    _limit("inactive_slot", a_size(), '"10MB"', "WAL that a slot which nobody uses may hold back."),
    _limit("ready_files", a_count(), "100", "WAL files that may wait for the archiver."),
    _limit("requested_percent", _PERCENT, "10", "Checkpoints that may be requested, in percent of those timed."),
    _limit("requested_least", a_count(), "5", "How many must have been requested before that counts."),
    _limit("checkpoints_least", a_count(), "20", "How many checkpoints must have been made in all before that counts."),
    _limit("senders_percent", _PERCENT, "90", "Walsenders that may be in use, in percent of max_wal_senders."),
)  # fmt: skip
BY_NAME: Mapping[str, Key] = {key.name: key for key in KEYS}
BUILT_IN: tuple[str, ...] = tuple(LIMITS)
