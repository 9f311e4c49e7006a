"""What was asked for: one drill on one lab, or one scenario.

Owns: that value and its JSON. Must not: check it against anything there is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any


class Kind(StrEnum):
    """What an engine runs."""

    DRILL = "drill"
    SCENARIO = "scenario"


@dataclass(frozen=True, slots=True)
class Request:
    """name is the drill's kind or the scenario's file; lab the lab's name, for a scenario that of the lab to be made.

    stepwise waits for a key before every step. backend, keep (leave the lab up) and pg_bin are for scenarios.
    """

    kind: Kind
    name: str
    lab: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    stepwise: bool = False
    backend: str = "local"
    keep: bool = False
    pg_bin: str | None = None

    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {**asdict(self), "arguments": dict(self.arguments)}


def from_document(document: Mapping[str, Any]) -> Request:
    """The inverse. Raises TypeError, ValueError for a document that is none."""
    return Request(**{**document, "kind": Kind(document["kind"])})
