"""``set`` and ``node``: the servers themselves.

Owns: these two verbs. Must not: know how a server is stopped or a setting changed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgreplterm.drill import undo as undos
from pgreplterm.drill.procedure import Undo
from pgreplterm.drill.scenario.context import Context
from pgreplterm.drill.scenario.errors import SchemaError
from pgreplterm.drill.scenario.keys import NODE, NODES, SETTINGS, SWITCH, Key, one_of
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.settings import apply, undo_of
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.lab.lab import Lab
from pgreplterm.lab.shape import settings as lab_settings
from pgreplterm.lab.shape.errors import PlanError


@dataclass(frozen=True, slots=True)
class ChangeSettings(Verb):
    """ALTER SYSTEM and a reload."""

    word: ClassVar[str] = "set"
    meaning: ClassVar[str] = "ALTER SYSTEM SET and a reload; taken back at the end"
    own: ClassVar[Key] = Key(SETTINGS, "the settings", required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "on": Key(NODES, "the nodes", default="primary"),
        "restart": Key(SWITCH, "restart the nodes afterwards, for settings that want it", default=False),
    }

    settings: Mapping[str, str]
    on: str
    restart: bool

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> ChangeSettings:
        context.node(values["on"], "on", several=True)
        wanted = values["set"]
        synchronous = {key: value for key, value in wanted.items() if key == "synchronous_standby_names"}
        try:  # it belongs to a lab's plan, and may be changed while the lab runs
            others = {key: value for key, value in wanted.items() if key not in synchronous}
            checked = lab_settings.checked(others)
        except PlanError as error:
            raise SchemaError(str(error), *context.place, "set", *error.keys) from None
        if not wanted:
            raise SchemaError("set names at least one setting: found none", *context.place, "set")
        return cls({**checked, **synchronous}, values["on"], values["restart"])

    @property
    def will(self) -> str:
        listed = ", ".join(f"{name} = {value!r}" for name, value in self.settings.items())
        return f"set {listed} on {self.on}{', and restart' if self.restart else ''}"

    def act(self, session: Session) -> str:
        for node in session.nodes(self.on):
            apply(session.lab, node, self.settings, self.restart)
        return ", ".join(f"{name} = {value!r}" for name, value in self.settings.items())

    def undo(self, session: Session) -> Undo | None:
        return undo_of(session.lab, session.nodes(self.on), self.settings)


def _restart(lab: Lab, node: str) -> None:
    lab.stop(node)
    lab.start(node)


_ACTIONS: Mapping[str, tuple[str, Callable[[Lab, str], None]]] = {
    "stop": ("stopped in good order", Lab.stop),
    "start": ("runs", Lab.start),
    "restart": ("runs again", _restart),
    "kill": ("killed by SIGKILL", Lab.kill),
    "crash": ("ended by SIGQUIT", Lab.crash),
    "checkpoint": ("has made a checkpoint", Lab.checkpoint),
}
_ENDS = ("stop", "kill", "crash", "restart")


@dataclass(frozen=True, slots=True)
class WorkNode(Verb):
    """One server started, stopped, or made to checkpoint."""

    word: ClassVar[str] = "node"
    meaning: ClassVar[str] = "stop, start, restart, kill or crash a server, or have it make a checkpoint"
    own: ClassVar[Key] = Key(one_of(*_ACTIONS), "what is done to it", required=True)
    keys: ClassVar[Mapping[str, Key]] = {"at": Key(NODE, "which server", required=True)}

    action: str
    at: str

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> WorkNode:
        return cls(values["node"], context.node(values["at"], "at"))

    @property
    def will(self) -> str:
        return f"{self.action} {self.at}" if self.action != "checkpoint" else f"have {self.at} make a checkpoint"

    def act(self, session: Session) -> str:
        node = session.node(self.at)
        if self.action in _ENDS:
            session.note(f"{self.action} {node}", "fault")
        elif self.action == "start":
            session.note(f"start {node}", "heal")
        said, act = _ACTIONS[self.action]
        act(session.lab, node)
        return f"{node} {said}"

    def undo(self, session: Session) -> Undo | None:
        return undos.start_node(session.node(self.at), until="promote") if self.action in _ENDS else None


VERBS: tuple[type[Verb], ...] = (ChangeSettings, WorkNode)
