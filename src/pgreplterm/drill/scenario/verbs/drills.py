"""``drill``: a whole procedure as one step.

Owns: this verb. Must not: know a procedure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from typing import Any, ClassVar

from pgreplterm.drill import procedures
from pgreplterm.drill.procedure import Procedure, Scene
from pgreplterm.drill.scenario.context import CANDIDATE, PRIMARY, Context
from pgreplterm.drill.scenario.errors import SchemaError, shown
from pgreplterm.drill.scenario.keys import LINE, TABLE, WORD, Key
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.unknown_name import unknown

_MAKES_A_NODE = ("add-standby", "add-cascade", "pitr")
_NODES = ("node", "upstream", "source", "candidate")
_WORDS = (PRIMARY, CANDIDATE)
_FIGURE = re.compile(r"\{([a-z][a-z0-9_:]*)\}\Z")
"""An argument that is what an earlier step has saved, like "{before_the_mistake}"."""


@dataclass(frozen=True, slots=True)
class RunDrill(Verb):
    """A drill of ``pgreplterm drill ls``: its preflight, its steps, its figures."""

    word: ClassVar[str] = "drill"
    meaning: ClassVar[str] = "run a whole drill: preflight, its own steps, its figures"
    own: ClassVar[Key] = Key(LINE, "its kind, as `pgreplterm drill ls` has it", required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "with": Key(
            TABLE, 'the drill\'s options; `"{key}"` is what an earlier step has saved as that figure', default={}
        ),
        "prefix": Key(WORD, "put before the keys of its figures, with an underscore between", default=""),
    }

    kind: type[Procedure]
    arguments: Mapping[str, str]
    prefix: str
    step: str

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> RunDrill:
        known = {each.kind: each for each in procedures.ALL}
        name = values["drill"]
        if name not in known:
            raise SchemaError(unknown("drill", name, known), *context.place, "drill")
        kind = known[name]
        arguments = {key: _argument(kind, key, value, context) for key, value in values["with"].items()}
        for key, option in kind.options.items():
            if option.required and key not in arguments:
                raise SchemaError(
                    f"the drill {name} needs {key}, {option.meaning}: add it to with", *context.place, "with"
                )
        context.drills = True
        context.nodes += _made(kind, arguments, context)
        return cls(kind, arguments, values["prefix"], context.step)

    @property
    def will(self) -> str:
        given = "".join(f", {key} {value}" for key, value in self.arguments.items())
        return f"run the drill {self.kind.kind}{given}: {self.kind.effect}"

    def act(self, session: Session) -> str:
        from pgreplterm.drill.run import refuse

        words = {key: _said(session, value) for key, value in self.arguments.items()}
        session.stage.watch_all()
        procedure = self.kind(Scene(session.lab, session.fresh(), words))
        checks = procedure.preflight()
        session.checks += checks
        refuse(self.kind.kind, checks)
        steps = procedure.steps()
        session.conductor.plan(steps, self.kind.kind)
        session.conductor.perform(steps, self.kind.kind)
        session.after_drill()
        session.keep(*procedure.figures(), prefix=self.prefix)
        return procedure.summary()


def _argument(kind: type[Procedure], key: str, value: Any, context: Context) -> str:
    place = (*context.place, "with", key)
    if key not in kind.options:
        raise SchemaError(unknown("option", key, kind.options, f" of the drill {kind.kind}"), *place)
    if not isinstance(value, str | int | float):
        raise SchemaError(f"{key} is a text, a number, true or false: found {shown(value)}", *place)
    text = shown(value) if isinstance(value, bool) else str(value)
    figure = _FIGURE.match(text)
    if figure is not None and figure[1] not in context.saved:
        raise SchemaError(unknown("figure", figure[1], context.saved, f" in {key}: no step before saves it"), *place)
    if figure is None and text and key in _NODES and text not in (*context.nodes, *_WORDS):
        raise SchemaError(unknown("node", text, (*context.nodes, *_WORDS)), *place)
    return text


def _made(kind: type[Procedure], arguments: Mapping[str, str], context: Context) -> list[str]:
    """The node that the drill makes, by the name it was given or will have."""
    if kind.kind not in _MAKES_A_NODE:
        return []
    name = arguments.get("name") or kind.options["name"].default
    free = (f"pg{number}" for number in count(1) if f"pg{number}" not in context.nodes)
    return [name or next(free)]


def _said(session: Session, value: str) -> str:
    """An argument as the drill takes it: a node that only the run knows, or what a figure is."""
    figure = _FIGURE.match(value)
    if figure is not None:
        return str(session.figures[figure[1]].value)
    return session.node(value) if value in _WORDS else value


VERBS: tuple[type[Verb], ...] = (RunDrill,)
