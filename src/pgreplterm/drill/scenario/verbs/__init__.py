"""Every verb there is, in the order the documentation lists them.

Owns: that list. Must not: know what a verb does.
"""

from __future__ import annotations

from collections.abc import Mapping

from pgreplterm.drill.scenario.verbs import asking, drills, faults, measuring, servers, sql, traffic, waiting
from pgreplterm.drill.scenario.verbs.verb import Verb

ALL: tuple[type[Verb], ...] = (
    *faults.VERBS,
    *drills.VERBS,
    *sql.VERBS,
    *waiting.VERBS,
    *measuring.VERBS,
    *asking.VERBS,
    *traffic.VERBS,
    *servers.VERBS,
)
BY_WORD: Mapping[str, type[Verb]] = {verb.word: verb for verb in ALL}
