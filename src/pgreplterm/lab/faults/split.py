"""Faults that give a lab two primaries: a rogue promotion, and an old primary that comes back as it was.

Owns: both. Must not: tell any other node of it, or keep what the rogue one wrote.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from pgreplterm.cluster.findings import findings
from pgreplterm.lab import process, server, sql
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.faults import mending, restore, settings, standing
from pgreplterm.lab.faults.fault import Aim, Fault, Option, Order, Undo, Undoing

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.lab.lab import Lab

PROMOTION_TIMEOUT = 60.0
_REQUESTED = b"received promote request"
_STARTED = b"starting PostgreSQL"
_LOOK = 0.02


class SplitBrain:
    """A standby is promoted beside its primary, as a controller that lost sight of that would do."""

    name: ClassVar[str] = "split-brain"
    effect: ClassVar[str] = "a standby becomes a second primary beside the first: both accept writes"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RECLONE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        return mending.unfit(lab, target) or settings.taken(lab, target, ("archive_command",))

    def prepare(self, lab: Lab, order: Order) -> Undo:
        """See Fault."""
        # It must not archive: the standbys of the true primary may read that archive.
        muted = settings.plan(lab, order.target, {"archive_command": ""})
        written = server.log_size(lab.state.node(order.target))
        return {"log": written, "ran": mending.running_below(lab, order.target), settings.KEY: muted}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        primary = standing.primary_of(lab, order.target)
        settings.apply(lab, undo)
        with lab.connection(order.target) as link:
            seconds = sql.promote(link, order.target, PROMOTION_TIMEOUT)
        return f"{order.target} was promoted beside {primary}, which took {seconds:.1f} s"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:  # noqa: ARG002
        """See Fault."""
        return two_primaries(snapshot, order.target)

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:
        """See Fault."""
        if lab.state.node(order.target).upstream is None:
            settings.restore(lab, undo)
            return f"{order.target} was made the primary of the lab meanwhile, and stays it"
        upstream = mending.upstream_of(lab, order.target)
        restore.revive(lab, upstream)
        _settle(lab, order.target, undo["log"])
        rewound = ""
        if not standing.is_standby(lab, order.target) or mending.is_unfinished(lab, order.target):
            for follower in undo["ran"]:  # they have followed it to its timeline
                mending.end(lab, follower)
            rewound = _rewound(lab, order.target, upstream)
        settings.restore(lab, undo)
        return rewound + mending.bring_back(lab, order.target, undo["ran"])


class OldPrimaryResurrected:
    """An old primary that a failover left behind is started as it is, as a restart policy would do."""

    name: ClassVar[str] = "old-primary-resurrected"
    effect: ClassVar[str] = "a former primary runs again as one, beside the new: both accept writes"
    aim: ClassVar[Aim] = Aim.NODE
    undoing: ClassVar[Undoing] = Undoing.RESTORE
    options: ClassVar[Mapping[str, Option]] = {}

    def unavailable(self, lab: Lab, target: str) -> str | None:
        """See Fault."""
        if lab.is_running(target):
            return f"{target} runs: aim it at an old primary that a failover left behind"
        if standing.is_standby(lab, target):
            return f"{target} is a standby: aim it at an old primary that a failover left behind"
        if not standing.primaries(lab):
            return f"no other node is primary: {target} would come back as the only one"
        return None

    def prepare(self, lab: Lab, order: Order) -> Undo:  # noqa: ARG002
        """See Fault."""
        return {}

    def inject(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        """See Fault."""
        lab.start(order.target)
        return f"{order.target} runs again as the primary it was"

    def observed(self, snapshot: ClusterSnapshot, order: Order, undo: Undo) -> str | None:  # noqa: ARG002
        """See Fault."""
        return two_primaries(snapshot, order.target)

    def heal(self, lab: Lab, order: Order, undo: Undo) -> str:  # noqa: ARG002
        """See Fault."""
        if standing.is_standby(lab, order.target):
            return f"{order.target} is a standby by now, and stays as it is"
        mending.end(lab, order.target)
        return f"{order.target} is down, as it was"


FAULTS: tuple[Fault, ...] = (SplitBrain(), OldPrimaryResurrected())


def two_primaries(snapshot: ClusterSnapshot, name: str) -> str | None:
    """The finding of several primaries in one cluster, when that node is one of them."""
    if all(node.name != name for node in snapshot.primaries):
        return None
    found = next((finding for finding in findings(snapshot) if finding.rule == "split-brain"), None)
    return None if found is None else f"{found.sentence} ({found.evidence})"


def _settle(lab: Lab, target: str, written: int) -> None:
    """Wait until a promotion that was asked for is over, though whoever asked may be gone.

    The request is a file; the server says so in its log before it removes that.
    """
    node = lab.state.node(target)
    request = Path(node.data_directory) / "promote"

    def over() -> bool:
        if not lab.is_running(target):
            return True
        return not request.exists() and not (server.is_standby(node) and _asked(server.log_file(node), written))

    if not process.wait_until(over, PROMOTION_TIMEOUT, pause=_LOOK):
        raise LabError(f"{target} has not finished its promotion within {PROMOTION_TIMEOUT:.0f} s: see its log")


def _asked(log_file: Path, written: int) -> bool:
    """Whether it was asked since it was last started."""
    with log_file.open("rb") as log:
        log.seek(written)
        said = log.read()
    return said.rfind(_REQUESTED) > said.rfind(_STARTED)


def _rewound(lab: Lab, target: str, upstream: str) -> str:
    """Rewind the second primary and say so; nothing when that fails, after which only a clone helps."""
    if mending.is_unfinished(lab, target):
        return ""
    mending.end(lab, target)
    with suppress(LabError), mending.replacing(lab, target):
        lab.rewind(target, upstream)
        return f"{target} was rewound; "
    return ""
