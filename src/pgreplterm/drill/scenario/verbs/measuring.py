"""``measure``: figures taken at this moment.

Owns: this verb. Must not: measure (``drill.measure``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgreplterm.cluster.words import printable
from pgreplterm.drill.measure import registry
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import checked
from pgreplterm.drill.report.words import figure_in_words
from pgreplterm.drill.scenario.context import ALL, MOMENTS, PRIMARY, STANDBYS, Context
from pgreplterm.drill.scenario.errors import SchemaError
from pgreplterm.drill.scenario.keys import LINE, TABLE, WORD, Key
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.errors import PgReplTermError
from pgreplterm.toml_text import Keys
from pgreplterm.unknown_name import unknown

_TOLD = 4
"""Figures told at once; the report has them all."""

_NODES = ("node", "nodes", "old", "new")
_SINCE = ("since", "around", "quiet_since")


@dataclass(frozen=True, slots=True)
class TakeMeasure(Verb):
    """A measure of the list below."""

    word: ClassVar[str] = "measure"
    meaning: ClassVar[str] = "take a measure; its figures are in the report from here on"
    own: ClassVar[Key] = Key(LINE, "its name, one of the list below", required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "with": Key(TABLE, "the measure's options", default={}),
        "prefix": Key(WORD, "put before the keys of its figures, with an underscore between", default=""),
    }

    measure: Measure
    options: Mapping[str, Any]
    prefix: str

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> TakeMeasure:
        known = {each.name: each for each in registry.ALL}
        name, options, prefix = values["measure"], values["with"], values["prefix"]
        if name not in known:
            raise SchemaError(unknown("measure", name, known), *context.place, "measure")
        measure = known[name]
        place = (*context.place, "with")
        for option, value in options.items():
            if option not in measure.parameters:
                raise SchemaError(
                    unknown("option", option, measure.parameters, f" of the measure {name}"), *place, option
                )
            _check_names(option, value, context, place)
            try:
                checked(name, {option: measure.parameters[option]}, {option: value})
            except PgReplTermError as error:
                raise SchemaError(_clause(error), *place, option) from None
        try:
            measure.check(options)
        except PgReplTermError as error:
            raise SchemaError(_clause(error), *place) from None
        context.measured(measure, prefix)
        return cls(measure, options, prefix)

    @property
    def will(self) -> str:
        given = ", ".join(f"{key} {value}" for key, value in self.options.items())
        return f"measure {self.measure.name}{f' ({given})' if given else ''}: {self.measure.meaning}"

    def act(self, session: Session) -> str:
        figures = self.measure.run(session.moment_now(), self.options, self.prefix)
        session.keep(*figures)
        shown = "; ".join(f"{each.label} {figure_in_words(each)}" for each in figures[:_TOLD])
        more = f"; and {len(figures) - _TOLD} more" if len(figures) > _TOLD else ""
        return printable(shown + more) or "there is nothing to measure"


def _check_names(option: str, value: Any, context: Context, place: Keys) -> None:
    """Nodes and stages there are not would only show when the measure is taken."""
    if not isinstance(value, str) or not value:
        return
    if option in _NODES:
        known = (*context.nodes, PRIMARY, STANDBYS, ALL)
        if value not in known:
            raise SchemaError(unknown("node", value, known), *place, option)
    elif option in _SINCE and value not in (*context.stages, *MOMENTS):
        known = (*MOMENTS, *context.stages)
        raise SchemaError(unknown("moment", value, known, ": a stage, or one of these"), *place, option)


def _clause(error: PgReplTermError) -> str:
    return str(error).removesuffix(".")


VERBS: tuple[type[Verb], ...] = (TakeMeasure,)
