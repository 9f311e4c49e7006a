"""``sql``: a statement on one node or several.

Owns: this verb. Must not: measure what is not this statement's.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any, ClassVar

from pgreplterm.cluster.words import printable
from pgreplterm.drill.figures import Figure, FigureValue
from pgreplterm.drill.scenario.background import Answer, Background, Statement, ask
from pgreplterm.drill.scenario.context import ALL, STANDBYS, Context
from pgreplterm.drill.scenario.errors import SchemaError, shown
from pgreplterm.drill.scenario.keys import FIGURE, LINE, NODES, SETTINGS, SWITCH, TEXT, Key, number
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.errors import DrillFailed

_SQLSTATE = re.compile(r"[0-9A-Z]{5}\Z")
_SHORTEST = 72


@dataclass(frozen=True, slots=True)
class RunSql(Verb):
    """SQL as superuser, as an application would send it."""

    word: ClassVar[str] = "sql"
    meaning: ClassVar[str] = "run SQL as superuser; an error fails the scenario unless it is expected"
    own: ClassVar[Key] = Key(TEXT, "one statement, or several with semicolons", required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "on": Key(NODES, "where", default="primary"),
        "save": Key(FIGURE, "keep the first column of the first row as this figure; with fails, the SQLSTATE"),
        "label": Key(LINE, "what that figure is called in the report"),
        "unit": Key(LINE, 'its unit: "rows", "bytes", "s" ...', default=""),
        "how": Key(LINE, "how it was measured; the statement itself unless said"),
        "save_seconds": Key(FIGURE, "keep how long it took, all repetitions together, as this figure"),
        "fails": Key(LINE, "the SQLSTATE with which it has to fail, on every node"),
        "repeat": Key(number(1, 1_000_000, whole=True), "so many times, one after another", default=1),
        "within": Key(number(0.001, 3600), "seconds it may take (statement_timeout)", default=60.0),
        "settings": Key(SETTINGS, "settings of its session, like synchronous_commit", default={}),
        "background": Key(
            SWITCH, 'go on without waiting; `wait = "background"` has its end', default=False
        ),
    }  # fmt: skip

    statement: Statement
    on: str
    save: str | None
    label: str
    unit: str
    how: str
    save_seconds: str | None
    fails: str | None
    background: bool
    step: str

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> RunSql:
        on = context.node(values["on"], "on", several=True)
        fails = values["fails"]
        if fails is not None and not _SQLSTATE.match(fails):
            raise SchemaError(f'fails is a SQLSTATE such as "25006": found {shown(fails)}', *context.place, "fails")
        if values["background"]:
            for key in ("save", "save_seconds", "fails"):
                if values[key] is not None:
                    raise SchemaError(
                        f'{key} does not go with background = true: a later wait = "background" keeps its figures',
                        *context.place,
                        key,
                    )
            if on in (ALL, STANDBYS):
                raise SchemaError("a statement in the background runs on one node", *context.place, "on")
            context.backgrounds.append(context.step)
        for key in ("save", "save_seconds"):
            if values[key] is not None:
                context.save(values[key], key)
        text = values["sql"].strip()
        return cls(
            Statement(text, values["settings"], values["repeat"], values["within"]),
            on,
            values["save"],
            values["label"] or _label(values["save"]),
            values["unit"],
            values["how"] or f"by {_short(text)}",
            values["save_seconds"],
            fails,
            values["background"],
            context.step,
        )

    @property
    def will(self) -> str:
        times = f", {self.statement.repeat} times" if self.statement.repeat > 1 else ""
        refused = f"; {self.fails} is expected" if self.fails else ""
        behind = " in the background" if self.background else ""
        return f"on {self.on}{behind}{times}: {_short(self.statement.text)}{refused}"

    def act(self, session: Session) -> str:
        nodes = session.nodes(self.on)
        if self.background:
            session.backgrounds[self.step] = Background(session.lab, nodes[0], self.step, self.statement)
            return f"it runs on {nodes[0]}"
        found = []
        for node in nodes:
            answer = ask(session.lab, node, self.statement)
            self._judge(node, answer)
            self._keep(session, node, answer)
            found.append(f"{node}: {_in_words(answer)}" if len(nodes) > 1 else _in_words(answer))
        return "; ".join(found)

    def _judge(self, node: str, answer: Answer) -> None:
        if answer.sqlstate == self.fails:
            return
        if self.fails is None:
            raise DrillFailed(f"{node} answered {answer.sqlstate}: {answer.message}")
        found = f"{answer.sqlstate}: {answer.message}" if answer.sqlstate else "it succeeded"
        raise DrillFailed(f"expected {node} to refuse it with {self.fails}, found {found}")

    def _keep(self, session: Session, node: str, answer: Answer) -> None:
        suffix = f":{node}" if self.on in (ALL, STANDBYS) else ""
        of = f" on {node}" if suffix else ""
        if self.save is not None:
            value = answer.sqlstate if self.fails else figure_value(answer.value)
            how = f"{self.how}; {node} answered: {answer.message}" if self.fails else self.how
            session.keep(Figure(f"{self.save}{suffix}", f"{self.label}{of}", value, self.unit, how))
        if self.save_seconds is not None:
            what = f"for {self.statement.repeat} times " if self.statement.repeat > 1 else "for "
            how = f"{what}{_short(self.statement.text)}, on this machine's clock, from sending it to its answer"
            label = f"{_label(self.save_seconds)}{of}"
            session.keep(Figure(f"{self.save_seconds}{suffix}", label, answer.seconds, "s", how))


def figure_value(value: Any) -> FigureValue:
    """A column of a row as a figure."""
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else float(value)
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, list) and all(isinstance(each, int) for each in value):
        return tuple(value)
    return printable(value.isoformat() if isinstance(value, datetime) else str(value))


def _label(key: str | None) -> str:
    """``lag_bytes:pg2`` as words."""
    return (key or "").replace("_", " ").replace(":", " ")


def _short(text: str) -> str:
    """A statement in one short line."""
    line = " ".join(printable(" ".join(text.split())).split())
    return line if len(line) <= _SHORTEST else f"{line[: _SHORTEST - 3]}..."


def _in_words(answer: Answer) -> str:
    if answer.sqlstate is not None:
        return f"{answer.sqlstate}, {answer.message}"
    if answer.value is not None:
        return printable(str(answer.value))
    return "done" if answer.rows is None else f"{answer.rows} row{'s' * (answer.rows != 1)}"


VERBS: tuple[type[Verb], ...] = (RunSql,)
