"""A drill run in this process by ``run``, with its report and its journal, and what the lab is like afterwards."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.drill.control import Aborted
from pgreplterm.drill.figures import FigureValue
from pgreplterm.drill.look import look
from pgreplterm.drill.procedure import Step
from pgreplterm.drill.report.model import Report
from pgreplterm.drill.request import Kind, Request
from pgreplterm.drill.run import run
from pgreplterm.drill.runs import Run
from pgreplterm.lab.lab import Lab

Event = dict[str, Any]


class AbortBefore:
    """A control that asks for the end before one step."""

    def __init__(self, step: str) -> None:
        self._step = step

    def before(self, step: Step, part: str) -> None:  # noqa: ARG002
        if step.name == self._step:
            raise Aborted(f"aborted before {step.name}")

    def ask(self, question: str, answers: Sequence[str], right: str | None) -> str | None:  # noqa: ARG002
        return None


class Drilled:
    """One drill on one lab; the events are there also when it failed."""

    def __init__(self, lab: Lab, kind: str, folder: Path, **arguments: str) -> None:
        self._request = Request(Kind.DRILL, kind, lab.name, arguments)
        self._run = Run(folder)
        self.events: list[Event] = []
        self.report: Report | None = None

    def run(self, hear: Callable[[Event], None] = lambda _: None, abort_before: str | None = None) -> Report:
        """To its end. Raises as ``run`` does."""

        def tell(event: Event) -> None:
            self.events.append(event)
            hear(event)

        control = None if abort_before is None else AbortBefore(abort_before)
        self.report = run(self._request, self._run, tell, control)
        return self.report

    def figure(self, key: str) -> FigureValue:
        """The value of that figure."""
        assert self.report is not None
        found = self.report.figure(key)
        assert found is not None, f"no figure {key}"
        return found.value

    def number(self, key: str) -> float:
        """The same, which must be a number that was measured."""
        value = self.figure(key)
        assert isinstance(value, int | float), f"{key} is {value!r}"
        return float(value)


def starts(event: Event, step: str) -> bool:
    return bool(event["event"] == "step_started" and event["step"] == step)


def ask(lab: Lab, node: str, statement: str) -> object:
    """The first column of the first row."""
    with lab.connection(node) as link:
        cursor = link.execute(statement.encode())
        row = cursor.fetchone() if cursor.description else None
    return row[0] if row else None


def assert_led_by(lab: Lab, primary: str, timeline: int) -> ClusterSnapshot:
    """That node is the only primary, on that timeline, every other streams on it, and each takes what it should."""
    snapshot = look(lab)
    assert [node.name for node in snapshot.primaries] == [primary]
    assert {node.timeline for node in snapshot.nodes} == {timeline}
    assert {str(node.state) for node in snapshot.nodes if node.name != primary} == {"streaming"}
    for node in lab.nodes:
        assert ask(lab, node.name, "SHOW default_transaction_read_only") == "off"
        assert (node.upstream is None) == (node.name == primary)
    return snapshot


def slots(lab: Lab, node: str) -> object:
    """The names of its slots."""
    return ask(lab, node, "SELECT string_agg(slot_name, ',' ORDER BY slot_name) FROM pg_replication_slots")
