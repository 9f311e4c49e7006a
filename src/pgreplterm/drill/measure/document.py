"""The measures and their figures as a page of documentation.

Owns: docs/measurements.md, which a test compares with what this makes. Must not: be needed at run time.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from textwrap import fill

from pgreplterm.drill.measure import client_figures, curves, phases, registry
from pgreplterm.drill.measure.latency import COMMITS_PER_SECOND
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Parameter, Value
from pgreplterm.drill.measure.pattern import Pattern

_INTRODUCTION = """# Measurements

What a run measures, how, and what each figure is not. This page is made from the program:

    python -m pgreplterm.drill.measure.document > docs/measurements.md

A figure has a key, which is a contract; a capital word in it stands for a name of the run: `lag_bytes:NODE` is
`lag_bytes:pg2` for node pg2. Names are written small, with `_` for everything but letters and digits: the stage "cut
pg2 off" is `cut_pg2_off`. Bytes are bytes, times seconds. **A figure that was not measured has no value; it is never
0**, and `how` says why.

Everything that changes over time is looked at more than ten times a second, by the sampler of `pgreplterm watch`; each
peak says how many looks are behind it, how often that was, and how many of them saw nothing. Clients journal every
write with their own clock ([docs/load.md](load.md), [docs/lab.md](lab.md)).

A scenario takes a measure in a step: `measure = "lag-peak"`, its options in `with = { since = "cut" }`; with
`prefix = "big"` the figure `peak_lag_bytes:pg2` becomes `big_peak_lag_bytes:pg2`, so that a measure can be taken twice.
An option that is a moment takes `"start"`, `"fault"` or `"heal"` (the last of each), or the name of a stage, which is
then also where it ends.
"""
_AGREEMENT = """## When do nodes agree

After every run all nodes are compared, each line of it with its evidence: every node answers; there is one primary;
every standby streams; all are on one timeline; every standby has replayed what the primary had flushed when the
comparison began (30 s are waited for that); no slot that nobody uses; no fault is left; rows are equal; every id a
client was told is on every node, once, and none that was refused.

Rows are compared in every database: the number of rows of every permanent user table, and the sum of a 64-bit hash of
each row, which does not depend on their order. Of a table with more than 1,000,000 rows the first 1,000,000 are hashed
and all are counted; the line names each such table. Unlogged tables are on no standby and left out. While a load or a
client of ours still writes, or a standby is behind, rows are not compared, and that is a warning. A standby with a
delay (`recovery_min_apply_delay`) must have received everything; its rows are left out, and the line names it.

One line that does not hold fails the comparison. A line that could not be looked at makes it unknown, never passed. Ids
that a failover lost, and that were measured as lost, must be missing on every node alike.
"""
_WIDTH = 120


def page(measures: Sequence[Measure] = registry.ALL) -> str:
    """The whole page."""
    parts = [
        _INTRODUCTION,
        _section("## Curves", "In every report that saw anything of them.", (*curves.ALL, COMMITS_PER_SECOND)),
        _section("## Clients", "Of every run with clients.", client_figures.ALL),
        _section("## Phases of a failover", "Each from the end of the one before.", phases.ALL),
        _AGREEMENT,
        "## Measures\n",
        *(_measure(each) for each in measures),
    ]
    return "\n".join(parts)


def _section(heading: str, sentence: str, patterns: Sequence[Pattern]) -> str:
    return "\n".join([heading, "", sentence, "", *_figures(patterns)]) + "\n"


def _measure(measure: Measure) -> str:
    lines = [f"### {measure.name}", "", _wrapped(f"{measure.meaning[0].upper()}{measure.meaning[1:]}."), ""]
    if measure.parameters:
        lines += ["| option | unless said | unit | meaning |", "| --- | --- | --- | --- |"]
        lines += [_option(name, parameter) for name, parameter in measure.parameters.items()]
        lines.append("")
    return "\n".join([*lines, *_figures(measure.yields)]) + "\n"


def _option(name: str, parameter: Parameter) -> str:
    default = "has to be given" if parameter.required else _default(parameter.default)
    among = f" ({', '.join(parameter.choices)})" if 0 < len(parameter.choices) <= 6 else ""
    return f"| {name} | {default} | {parameter.unit} | {_cell(parameter.meaning)}{among} |"


def _default(value: Value) -> str:
    if value in ("", ()):
        return ""
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def _figures(patterns: Iterable[Pattern]) -> Iterator[str]:
    yield "| figure | label | unit | how it is measured | what it is not |"
    yield "| --- | --- | --- | --- | --- |"
    for each in patterns:
        cells = (f"`{each.key}`", each.label, each.unit, each.how, each.is_not)
        yield f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _wrapped(text: str) -> str:
    return fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


if __name__ == "__main__":
    sys.stdout.write(page())
