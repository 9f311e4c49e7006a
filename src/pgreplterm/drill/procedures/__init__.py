"""The drills there are, in the order they are listed.

Owns: that list. Must not: know how a drill goes.
"""

from __future__ import annotations

from difflib import get_close_matches

from pgreplterm.drill.procedure import Procedure
from pgreplterm.drill.procedures.add_standby import AddCascade, AddStandby
from pgreplterm.drill.procedures.base_backup import BaseBackup
from pgreplterm.drill.procedures.failover import Failover
from pgreplterm.drill.procedures.pitr import PointInTimeRecovery
from pgreplterm.drill.procedures.rejoin import Rejoin
from pgreplterm.drill.procedures.repoint import Repoint
from pgreplterm.drill.procedures.switchover import Switchover
from pgreplterm.drill.procedures.sync_mode import SyncMode
from pgreplterm.errors import PgReplTermError

ALL: tuple[type[Procedure], ...] = (
    Failover,
    Switchover,
    Repoint,
    Rejoin,
    AddStandby,
    AddCascade,
    SyncMode,
    BaseBackup,
    PointInTimeRecovery,
)


def find(kind: str) -> type[Procedure]:
    """The drill of that name. Raises PgReplTermError naming the nearest."""
    names = [each.kind for each in ALL]
    for each in ALL:
        if each.kind == kind:
            return each
    meant = get_close_matches(kind, names, n=1)
    hint = f"did you mean {meant[0]!r}?" if meant else f"there are {', '.join(names)}."
    raise PgReplTermError(f"expected a drill, found {kind!r}; {hint}")
