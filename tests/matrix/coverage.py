"""Which kinds of record a major knows, and how many of each the matrix's WAL held.

Owns: the kinds our own tables name, and the table of what was seen. Must not: run anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from pgreplterm.wal.rmgr import record_name, rmgr_name

Kind = tuple[str, str]

# Named by pg_waldump and written by no server of these majors.
NEVER_WRITTEN: Mapping[Kind, str] = {
    ("XLOG", "NOOP"): "no code inserts it since the record was made for benchmarks",
    ("Heap", "HOT_UPDATE+INIT"): "a HOT update stays on a page that has the old row, so it never initialises one",
    ("CommitTs", "SETTS"): "13 still names it, and nothing of 13 asks for it",
}

_TRANSACTION, _GENERIC, _CUSTOM = 1, 20, 128


def kinds_known(major: int) -> set[Kind]:
    """Every kind of record that our own tables name for that major."""
    known = {(rmgr_name(_GENERIC), "Generic")}
    for rmgr in range(_CUSTOM):
        if rmgr == _GENERIC or rmgr_name(rmgr).startswith("custom"):
            continue
        for info in range(0, 0x80 if rmgr == _TRANSACTION else 0x100, 0x10):
            name = record_name(major, rmgr, info)
            if not name.startswith("UNKNOWN"):
                known.add((rmgr_name(rmgr), name))
    return known


def table(seen: Mapping[int, Counter[Kind]]) -> Iterable[str]:
    """A line for each kind, a column for each major: records seen, "-" for a kind it knows and never showed."""
    majors = sorted(seen)
    known = {major: kinds_known(major) for major in majors}
    yield f"{'rmgr':<18}{'record':<32}" + "".join(f"{major:>9}" for major in majors)
    for kind in sorted(set().union(*known.values(), *seen.values())):
        cells = (_cell(seen[major][kind], kind in known[major]) for major in majors)
        yield f"{kind[0]:<18}{kind[1]:<32}" + "".join(f"{cell:>9}" for cell in cells)


def _cell(count: int, known: bool) -> str:
    return str(count) if count else "-" if known else ""
