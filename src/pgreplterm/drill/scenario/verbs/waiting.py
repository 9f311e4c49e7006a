"""``wait`` and ``hold``: for something to happen, and for nothing but time to pass.

Owns: these two verbs. Must not: know the conditions (``conditions``).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.scenario.conditions import BY_NAME, Condition, Evidence
from pgreplterm.drill.scenario.context import Context
from pgreplterm.drill.scenario.errors import SchemaError, shown
from pgreplterm.drill.scenario.keys import FIGURE, LINE, NODE, NODES, TABLE, Key, number, one_of, read_table
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.errors import DrillFailed
from pgreplterm.unknown_name import unknown

_LOOK = 0.05
"""Seconds between two questions to a server."""


@dataclass(frozen=True, slots=True)
class Await(Verb):
    """A condition, with a deadline."""

    word: ClassVar[str] = "wait"
    meaning: ClassVar[str] = "wait until a condition holds; the scenario fails when it does not in time"
    own: ClassVar[Key] = Key(LINE, "the condition, one of the list below", required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "with": Key(TABLE, "the condition's options", default={}),
        "within": Key(number(0.1, 3600), "seconds it may take", default=30.0),
        "save": Key(FIGURE, "keep how many seconds it took as this figure"),
        "label": Key(LINE, "what that figure is called in the report"),
        "since": Key(one_of("step", "fault", "heal", "stage"), "seconds since when: this step, or the last of these",
                     default="step"),
        "save_outcome": Key(FIGURE, 'of the condition "background": keep how the statement ended as this figure'),
    }  # fmt: skip

    condition: Condition
    options: Mapping[str, Any]
    within: float
    save: str | None
    label: str
    since: str
    save_outcome: str | None

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> Await:
        name = values["wait"]
        if name not in BY_NAME:
            raise SchemaError(unknown("condition", name, BY_NAME), *context.place, "wait")
        condition = BY_NAME[name]
        place = (*context.place, "with")
        options = read_table(values["with"], condition.keys, place, f" of the condition {name}")
        _check_names(condition, options, context)
        if name == "lag" and (options["above"] is None) == (options["below"] is None):
            raise SchemaError("the condition lag has either above or below", *place)
        if name == "slot" and options["status"] is None and options["active"] is None:
            raise SchemaError("the condition slot has status, active, or both", *place)
        if values["save_outcome"] is not None and name != "background":
            raise SchemaError('save_outcome goes with the condition "background"', *context.place, "save_outcome")
        for key in ("save", "save_outcome"):
            if values[key] is not None:
                context.save(values[key], key)
        label = values["label"] or f"time until {_in_words(name, values['with'])}"
        return cls(condition, options, values["within"], values["save"], label, values["since"], values["save_outcome"])

    @property
    def will(self) -> str:
        given = {name: value for name, value in self.options.items() if value is not None}
        return f"wait at most {self.within:g} s until {_in_words(self.condition.name, given)}"

    def act(self, session: Session) -> str:
        began = time.time()
        evidence, at = self._wait(session, self.condition.begin(session, self.options))
        origin = began if self.since == "step" else session.moment(self.since)
        if origin is None:
            raise DrillFailed(f"expected a {self.since} before this step to count from, found none.")
        seconds = max(0.0, at - origin)
        if self.save is not None:
            how = f"from {_ORIGINS[self.since]} until, sampled ten times a second, {evidence}"
            session.keep(Figure(self.save, self.label, seconds, "s", how))
        if self.save_outcome is not None:
            self._keep_outcome(session)
        return f"{evidence}, after {at - began:.1f} s"

    def _wait(self, session: Session, evidence: Evidence) -> tuple[str, float]:
        """What was seen, and when."""
        what = _in_words(self.condition.name, {key: value for key, value in self.options.items() if value is not None})
        if self.condition.asks_servers:
            return self._poll(session, evidence, what)
        found: list[str] = []

        def holds(snapshot: ClusterSnapshot) -> bool:
            said = evidence(snapshot)
            found[:] = [] if said is None else [said]
            return said is not None

        session.stage.until(holds, what, self.within)
        return found[0], time.time()

    def _poll(self, session: Session, evidence: Evidence, what: str) -> tuple[str, float]:
        deadline = time.monotonic() + self.within
        while (said := evidence(session.stage.watch.newest())) is None:
            if time.monotonic() > deadline:
                raise DrillFailed(f"expected {what} within {self.within:.0f} s; it did not happen.")
            time.sleep(_LOOK)
        return said, time.time()

    def _keep_outcome(self, session: Session) -> None:
        assert self.save_outcome is not None
        background = session.backgrounds[self.options["step"]]
        answer = background.answer
        value = answer.outcome if answer is not None else None
        how = background.failure or "what the server said at the end of the statement"
        if answer is not None and answer.sqlstate is not None:
            how = f"the SQLSTATE it failed with: {answer.message}"
        session.keep(Figure(self.save_outcome, f"how the statement of {background.step!r} ended", value, "", how))


_ORIGINS = {"step": "the step's beginning", "fault": "the fault", "heal": "the healing", "stage": "the stage's start"}


def _check_names(condition: Condition, options: Mapping[str, Any], context: Context) -> None:
    inner = Context(context.plan, place=(*context.place, "with"))
    inner.nodes = context.nodes
    for key, kind in ((name, key.kind) for name, key in condition.keys.items()):
        if kind in (NODE, NODES) and options[key] is not None:
            inner.node(options[key], key, several=kind is NODES)
    if "slot" in options and options["slot"] not in context.nodes:
        raise SchemaError(unknown("slot", options["slot"], context.nodes), *inner.place, "slot")
    if condition.name == "background":
        inner.backgrounds = context.backgrounds
        inner.background(options["step"], "step")


def _in_words(name: str, options: Mapping[str, Any]) -> str:
    given = ", ".join(f"{key} {shown(value) if isinstance(value, bool) else value}" for key, value in options.items())
    return f"{name} ({given})" if given else name


@dataclass(frozen=True, slots=True)
class Hold(Verb):
    """Time passes while everything is sampled."""

    word: ClassVar[str] = "hold"
    meaning: ClassVar[str] = "let time pass while everything is sampled ten times a second"
    own: ClassVar[Key] = Key(number(0.1, 3600), "seconds", required=True)

    seconds: float

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> Hold:  # noqa: ARG003
        return cls(values["hold"])

    @property
    def will(self) -> str:
        return f"look on for {self.seconds:g} s"

    def act(self, session: Session) -> str:  # noqa: ARG002
        time.sleep(self.seconds)
        return f"{self.seconds:g} s"


VERBS: tuple[type[Verb], ...] = (Await, Hold)
