"""``ask``: a question to the learner.

Owns: this verb. Must not: know how it is put (``drill.control``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from pgreplterm.drill.scenario.context import Context
from pgreplterm.drill.scenario.errors import SchemaError
from pgreplterm.drill.scenario.keys import TEXT, TEXTS, Key
from pgreplterm.drill.scenario.session import Session
from pgreplterm.drill.scenario.verbs.verb import Verb
from pgreplterm.unknown_name import unknown


@dataclass(frozen=True, slots=True)
class Ask(Verb):
    """A question that is skipped, with its answer told, when nobody is there."""

    word: ClassVar[str] = "ask"
    meaning: ClassVar[str] = "ask the learner; when nobody is there the right answer is told and the run goes on"
    own: ClassVar[Key] = Key(TEXT, "the question", required=True)
    keys: ClassVar[Mapping[str, Key]] = {
        "answers": Key(TEXTS, "what may be answered", required=True),
        "right": Key(TEXT, "the right one of them; without it there is none"),
        "because": Key(TEXT, "why, told afterwards", default=""),
    }

    question: str
    answers: tuple[str, ...]
    right: str | None
    because: str

    @classmethod
    def read(cls, values: Mapping[str, Any], context: Context) -> Ask:
        right, answers = values["right"], values["answers"]
        if right is not None and right not in answers:
            raise SchemaError(unknown("answer", right, answers), *context.place, "right")
        return cls(values["ask"].strip(), answers, right, values["because"].strip())

    @property
    def will(self) -> str:
        return f"ask: {' '.join(self.question.split())}"

    def act(self, session: Session) -> str:
        given = session.control.ask(self.question, self.answers, self.right)
        because = f": {' '.join(self.because.split())}" if self.because else ""
        if given is None:
            return f"nobody to ask; the answer is {self.right!r}{because}" if self.right else "nobody to ask"
        if self.right is None:
            return f"answered {given!r}{because}"
        if given.strip().casefold() == self.right.strip().casefold():
            return f"answered {given!r}, which is right{because}"
        return f"answered {given!r}; right is {self.right!r}{because}"


VERBS: tuple[type[Verb], ...] = (Ask,)
