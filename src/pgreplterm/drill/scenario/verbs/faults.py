"""``fault`` and ``heal``: break the lab, and mend it.

Owns: these two verbs. Must not: know what a fault does (``lab.faults``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgreplterm.drill import undo as undos
from pgreplterm.drill.procedure import Undo
from pgreplterm.drill.scenario.context import ALL, Context
from pgreplterm.drill.scenario.errors import SchemaError, shown
from pgreplterm.drill.scenario.keys import LINE, NODE, TABLE, Key
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.errors import DrillFailed
from pgreplterm.lab.faults import engine, registry
from pgreplterm.lab.faults.fault import Aim
from pgreplterm.unknown_name import unknown


@dataclass(frozen=True, slots=True)
class InjectFault(Verb):
    """A fault of ``pgreplterm fault ls``."""

    word: ClassVar[str] = "fault"
    meaning: ClassVar[str] = "inject a fault and go on; it lasts until a step heals it, or the scenario ends"
    own: ClassVar[Key] = Key(LINE, "its name, as `pgreplterm fault ls` has it", required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "at": Key(NODE, 'the node, or the link by its downstream or both ends ("pg2<-pg1")', required=True),
        "with": Key(TABLE, "the fault's options, numbers as `pgreplterm fault ls NAME` shows them", default={}),
    }

    fault: str
    at: str
    options: Mapping[str, float]

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> InjectFault:
        known = {fault.name: fault for fault in registry.ALL}
        name = values["fault"]
        if name not in known:
            raise SchemaError(unknown("fault", name, known), *context.place, "fault")
        check = context.link if known[name].aim is Aim.LINK else context.node
        check(values["at"], "at")
        options = values["with"]
        for option, value in options.items():
            place = (*context.place, "with", option)
            if option not in known[name].options:
                raise SchemaError(unknown("option", option, known[name].options, f" of the fault {name}"), *place)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
                unit = known[name].options[option].unit
                raise SchemaError(f"{option} is a number of {unit}: found {shown(value)}", *place)
        context.faults.append(name)
        return cls(name, values["at"], options)

    @property
    def will(self) -> str:
        options = "".join(f", {name} {value:g}" for name, value in self.options.items())
        return f"inject {self.fault} at {self.at}{options}"

    def act(self, session: Session) -> str:
        lab = session.lab
        target = "<-".join(session.node(end) for end in self.at.split("<-", 1))
        record = engine.inject(lab, self.fault, target, self.options, None, session.stage.observe)
        session.note(f"{self.fault} at {record.order.target}", "fault", record.injected_at)
        session.injected.append(record)
        return record.done

    def undo(self, session: Session) -> Undo | None:  # noqa: ARG002
        return undos.heal_faults()


@dataclass(frozen=True, slots=True)
class HealFault(Verb):
    """The end of one fault, or of all."""

    word: ClassVar[str] = "heal"
    meaning: ClassVar[str] = "heal one fault, or all; once none is left, wait until every standby streams again"
    own: ClassVar[Key] = Key(LINE, '`"all"`, or the name of a fault that an earlier step injects', required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "at": Key(NODE, "only the fault at this node or link, where several have the same name"),
    }

    fault: str
    at: str | None

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> HealFault:
        name, at = values["heal"], values["at"]
        if name != ALL and name not in context.faults:
            known = [ALL, *dict.fromkeys(context.faults)]
            raise SchemaError(unknown("fault", name, known, " to heal here"), *context.place, "heal")
        if at is not None:
            context.link(at, "at")
        return cls(name, at)

    @property
    def will(self) -> str:
        return "heal every fault" if self.fault == ALL else f"heal {self.fault}{f' at {self.at}' if self.at else ''}"

    def act(self, session: Session) -> str:
        chosen = [record for record in session.injected if self._means(session, record.fault, record.order.target)]
        if not chosen and self.fault != ALL:
            raise DrillFailed(f"expected a fault {self.fault} to heal; it is healed already.")
        session.note(f"heal {', '.join(record.fault for record in chosen) or 'nothing'}", "heal")
        numbers = None if self.fault == ALL else [record.number for record in chosen]
        healing = engine.heal(session.lab, numbers, session.stage.observe)
        if healing.errors:
            raise DrillFailed("; ".join(healing.errors))
        session.injected[:] = [record for record in session.injected if record not in chosen]
        return "; ".join(healed.said for healed in healing.faults if healed.said) or "there was nothing to heal"

    def _means(self, session: Session, fault: str, target: str) -> bool:
        if self.fault not in (ALL, fault):
            return False
        if self.at is None:
            return True
        at = "<-".join(session.node(end) for end in self.at.split("<-", 1))
        return at == target or target.startswith(f"{at}<-")


VERBS: tuple[type[Verb], ...] = (InjectFault, HealFault)
