"""The word of a person that a cluster may be changed.

Owns: that value, which only the typed name makes. Must not: ask for it.
"""

from __future__ import annotations

from dataclasses import dataclass

from pgreplterm.errors import PgReplTermError


@dataclass(frozen=True, slots=True)
class Consent:
    """Given for one cluster, by its name."""

    cluster: str

    def __post_init__(self) -> None:
        if not self.cluster:
            raise PgReplTermError("expected the name of a cluster; nothing was done.")


def consent(drills: bool, cluster: str, typed: str) -> Consent:
    """Raises PgReplTermError when drills were not allowed, or another name was typed."""
    if not drills:
        raise PgReplTermError(
            f"{cluster} is no lab of this program: expected --drills, which allows a drill on it; nothing was done."
        )
    if typed != cluster:
        raise PgReplTermError(f"expected the name {cluster!r} to be typed, found {typed!r}; nothing was done.")
    return Consent(cluster)
