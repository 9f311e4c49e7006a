"""A report as plain data, both ways; the file ``report.json``.

Owns: the keys, which are a contract. Instants are epoch seconds, null is not measured, figures are a mapping by key,
a curve's points are [instant, value]. Reading skips keys it does not know, so that a later program may add some.
Must not: read or write files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any, TypeVar

from pgreplterm.cluster.words import printable
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Curve, Figure, FigureValue, Mark
from pgreplterm.drill.report.model import Expectation, Outcome, Report, StepTime
from pgreplterm.errors import PgReplTermError

FORMAT = 1
Document = dict[str, Any]
_T = TypeVar("_T")
_TOLD = 40
_TEXTS = ("kind", "name", "title", "summary", "lab", "backend", "server_version", "reason")
_PLAIN = (str, int, float, bool, type(None))


class _Damage(ValueError):
    """What was expected where, and what was found."""


def as_document(report: Report) -> Document:
    """Every value of it as JSON can hold it. Of two figures with one key the first stays, as in Report.figure."""
    return {
        "format": FORMAT,
        "kind": report.kind,
        "name": report.name,
        "title": report.title,
        "lab": report.lab,
        "backend": report.backend,
        "server_version": report.server_version,
        "started_at": report.started_at,
        "ended_at": report.ended_at,
        "outcome": str(report.outcome),
        "reason": report.reason,
        "summary": report.summary,
        "figures": plain_figures(report.figures),
        "expectations": [{**asdict(each), "found": _plain_value(each.found)} for each in report.expectations],
        "preflight": [_plain_check(each) for each in report.preflight],
        "steps": [asdict(each) for each in report.steps],
        "curves": [_plain_curve(each) for each in report.curves],
        "marks": [asdict(each) for each in report.marks],
        "before": report.before,
        "after": report.after,
        "checks": [_plain_check(each) for each in report.checks],
        "files": dict(report.files),
    }


def plain_figures(figures: Iterable[Figure]) -> Document:
    """Figures as a mapping by key."""
    found: Document = {}
    for each in figures:
        plain = {"label": each.label, "value": _plain_value(each.value), "unit": each.unit, "how": each.how}
        found.setdefault(each.key, plain)
    return found


def from_document(document: object, where: str = "report") -> Report:
    """The inverse; where names the file in the error. Raises PgReplTermError for what is no report."""
    with _told(where):
        return _report(_mapping(document, "the whole"))


def read_figures(figures: object, where: str) -> tuple[Figure, ...]:
    """The inverse of plain_figures. Raises PgReplTermError."""
    with _told(where):
        return _figures(figures)


@contextmanager
def _told(where: str) -> Iterator[None]:
    try:
        yield
    except _Damage as damage:
        raise PgReplTermError(
            f"{printable(where)}: expected a report of pgreplterm; {damage}. Run the drill again for a new one."
        ) from damage


def _report(document: Mapping[str, Any]) -> Report:
    texts = {key: _optional(document, key, _text, "") for key in _TEXTS}
    for key in ("kind", "name"):
        if not texts[key]:
            raise _Damage(f"it has no {key!r}")
    return Report(
        **texts,
        started_at=_number(document.get("started_at"), "started_at"),
        ended_at=_number(document.get("ended_at"), "ended_at"),
        outcome=_outcome(document.get("outcome")),
        figures=_figures(document.get("figures")),
        expectations=_each(document, "expectations", _expectation),
        preflight=_each(document, "preflight", _check),
        steps=_each(document, "steps", _step),
        curves=_each(document, "curves", _curve),
        marks=_each(document, "marks", _mark),
        before=_optional(document, "before", _mapping, None),
        after=_optional(document, "after", _mapping, None),
        checks=_each(document, "checks", _check),
        files={key: _text(path, f"files.{key}") for key, path in _optional(document, "files", _mapping, {}).items()},
    )


def _plain_value(value: FigureValue) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return _finite(value) if isinstance(value, float) else value


def _finite(value: float | None) -> float | None:
    """JSON has no infinity: what is none is not known."""
    return value if value is not None and math.isfinite(value) else None


def _plain_check(check: Check) -> Document:
    return {"name": check.name, "verdict": str(check.verdict), "evidence": check.evidence, "remedy": check.remedy}


def _plain_curve(curve: Curve) -> Document:
    points = [[at, _finite(value)] for at, value in curve.points]
    return {"key": curve.key, "label": curve.label, "unit": curve.unit, "node": curve.node, "points": points}


def _figures(found: Any) -> tuple[Figure, ...]:
    if found is None:
        return ()
    return tuple(_figure(key, _mapping(each, f"figures.{key}")) for key, each in _mapping(found, "figures").items())


def _figure(key: str, found: Mapping[str, Any]) -> Figure:
    where = f"figures.{key}"
    return Figure(
        key=key,
        label=_optional(found, "label", _text, key, where),
        value=_value(found.get("value"), f"{where}.value"),
        unit=_optional(found, "unit", _text, "", where),
        how=_optional(found, "how", _text, "", where),
    )


def _expectation(found: Mapping[str, Any], where: str) -> Expectation:
    holds = found.get("holds")
    if holds is not None and not isinstance(holds, bool):
        raise _wrong(f"{where}.holds", "true, false or null", holds)
    return Expectation(
        text=_text(found.get("text"), f"{where}.text"),
        holds=holds,
        figure=_optional(found, "figure", _text, "", where),
        found=_value(found.get("found"), f"{where}.found"),
    )


def _check(found: Mapping[str, Any], where: str) -> Check:
    try:
        verdict = Verdict(_text(found.get("verdict"), f"{where}.verdict"))
    except ValueError:
        raise _wrong(f"{where}.verdict", "ok, warning or refusal", found.get("verdict")) from None
    return Check(
        name=_text(found.get("name"), f"{where}.name"),
        verdict=verdict,
        evidence=_optional(found, "evidence", _text, "", where),
        remedy=_optional(found, "remedy", _text, "", where),
    )


def _step(found: Mapping[str, Any], where: str) -> StepTime:
    return StepTime(
        name=_text(found.get("name"), f"{where}.name"),
        began_at=_number(found.get("began_at"), f"{where}.began_at"),
        seconds=_number(found.get("seconds"), f"{where}.seconds"),
        detail=_optional(found, "detail", _text, "", where),
        outcome=_optional(found, "outcome", _text, "done", where),
        part=_optional(found, "part", _text, "", where),
    )


def _curve(found: Mapping[str, Any], where: str) -> Curve:
    points = found.get("points")
    if not isinstance(points, list):
        raise _wrong(f"{where}.points", "a list", points)
    return Curve(
        key=_text(found.get("key"), f"{where}.key"),
        label=_optional(found, "label", _text, "", where),
        unit=_optional(found, "unit", _text, "", where),
        points=tuple(_point(each, f"{where}.points[{number}]") for number, each in enumerate(points)),
        node=_optional(found, "node", _text, None, where),
    )


def _point(found: Any, where: str) -> tuple[float, float | None]:
    if not isinstance(found, list) or len(found) != 2:
        raise _wrong(where, "an instant and a value", found)
    at, value = found
    return _number(at, where), None if value is None else _number(value, where)


def _mark(found: Mapping[str, Any], where: str) -> Mark:
    return Mark(
        at=_number(found.get("at"), f"{where}.at"),
        text=_text(found.get("text"), f"{where}.text"),
        kind=_optional(found, "kind", _text, "step", where),
    )


def _outcome(found: Any) -> Outcome:
    try:
        return Outcome(found)
    except ValueError:
        raise _wrong("outcome", "passed, failed or inconclusive", found) from None


def _value(found: Any, where: str) -> FigureValue:
    if isinstance(found, list) and all(isinstance(each, int | str) for each in found):
        return tuple(found)
    if not isinstance(found, _PLAIN):
        raise _wrong(where, "a number, a text, true, false, null or a list of ids", found)
    return found


def _each(document: Mapping[str, Any], key: str, read: Callable[[Mapping[str, Any], str], _T]) -> tuple[_T, ...]:
    found = document.get(key)
    if found is None:
        return ()
    if not isinstance(found, list):
        raise _wrong(key, "a list", found)
    places = [f"{key}[{number}]" for number in range(len(found))]
    return tuple(read(_mapping(each, where), where) for each, where in zip(found, places, strict=True))


def _optional(
    document: Mapping[str, Any], key: str, read: Callable[[Any, str], Any], otherwise: Any, where: str = ""
) -> Any:
    found = document.get(key)
    return otherwise if found is None else read(found, f"{where}.{key}" if where else key)


def _mapping(found: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise _wrong(where, "an object", found)
    return found


def _text(found: Any, where: str) -> str:
    if not isinstance(found, str):
        raise _wrong(where, "a text", found)
    return found


def _number(found: Any, where: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or not math.isfinite(found):
        raise _wrong(where, "a number", found)
    return found


def _wrong(where: str, expected: str, found: object) -> _Damage:
    told = printable(repr(found))
    told = told if len(told) <= _TOLD else told[:_TOLD] + "..."
    return _Damage(f"{printable(where)} should be {expected}, and is {told}")
