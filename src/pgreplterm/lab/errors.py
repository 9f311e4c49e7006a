"""What can go wrong with a lab, each as one sentence and an exit code.

Owns: the lab's error types. Must not: know any other module of this room.
"""

from pgreplterm.errors import PgReplTermError


class LabError(PgReplTermError):
    """A lab could not be built, changed or removed; the sentence names the lab, the node and the remedy."""


class NoSuchLab(LabError):
    """There is no lab of that name under any lab root."""


class LabExists(LabError):
    """A lab of that name is already there."""


class StateDamaged(LabError):
    """``state.json`` is missing or unreadable; ``lab down`` still removes such a lab."""


class ToolFailed(LabError):
    """A PostgreSQL program (initdb, pg_rewind, ...) ended badly; the sentence carries its own last line."""
