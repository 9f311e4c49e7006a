"""Which scenarios there are: those of this program, and those in the user's folders.

Owns: where they are looked for, in which order, and finding one by what a user typed. Must not: run one.

A user's scenario that bears the name or the number of one of ours never takes its place: it is listed with that
complaint, and runs by its path.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

import pgreplterm
from pgreplterm.cluster.words import printable
from pgreplterm.drill.scenario.errors import ScenarioFileError
from pgreplterm.drill.scenario.file import read_scenario
from pgreplterm.drill.scenario.model import Scenario
from pgreplterm.errors import PgReplTermError

VARIABLE = "PGREPLTERM_SCENARIOS"
"""Folders of the user, with a colon between them."""

_LAST = 1000


@dataclass(frozen=True, slots=True)
class Entry:
    """One file. scenario is None when it cannot be read; problem says why, or why its name does not find it."""

    path: Path
    ours: bool
    scenario: Scenario | None
    problem: str | None = None

    @property
    def order(self) -> tuple[bool, int, str]:
        """The ten of the course by number, then the rest by name."""
        number = self.scenario.number if self.scenario is not None else None
        return not self.ours, number or _LAST, self.scenario.name if self.scenario is not None else self.path.name


def our_folder() -> Path:
    """Where those of this program are."""
    return Path(pgreplterm.__file__).parent / "scenarios"


def user_folders() -> tuple[Path, ...]:
    """Where the user's are looked for; they need not be there."""
    named = [Path(each) for each in os.environ.get(VARIABLE, "").split(os.pathsep) if each]
    base = os.environ.get("XDG_CONFIG_HOME")
    own = (Path(base) if base else Path.home() / ".config") / "pgreplterm" / "scenarios"
    return (*named, own)


def entries() -> tuple[Entry, ...]:
    """Every file, ours first."""
    found = sorted((_read(path, True) for path in _files(our_folder())), key=lambda each: each.order)
    taken = {name for each in found for name in _names(each)}
    for folder in user_folders():
        theirs = sorted((_read(path, False) for path in _files(folder)), key=lambda each: each.order)
        for each in theirs:
            found.append(_judged(each, taken))
            taken |= _names(each)
    return tuple(found)


def scenarios() -> tuple[Scenario, ...]:
    """Those that can be named, in the order they are listed."""
    return tuple(each.scenario for each in entries() if each.scenario is not None and each.problem is None)


def course() -> tuple[Scenario, ...]:
    """All of ours, the ten of the course first. Raises ScenarioFileError for one that cannot be read."""
    return tuple(read_scenario(each.path) for each in entries() if each.ours)


def find(word: str) -> Scenario:
    """The scenario of that number ("4", "04"), name, or path. Raises PgReplTermError naming the nearest."""
    if os.sep in word or word.endswith(".toml"):
        return read_scenario(Path(word))
    known = entries()
    for each in known:
        if each.problem is None and each.scenario is not None and word.lstrip("0") in _names(each):
            return each.scenario
    for each in known:
        if each.problem is not None and word in (each.path.stem, each.scenario.name if each.scenario else None):
            raise ScenarioFileError(each.problem)
    names = [name for each in known if each.problem is None for name in _names(each)]
    meant = get_close_matches(word, names, n=1)
    hint = (
        f"did you mean {meant[0]!r}?" if meant else "'pgreplterm scenario ls' lists them, and a path names any other."
    )
    raise PgReplTermError(f"expected a scenario, found {printable(word)!r}; {hint}")


def _files(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except OSError:
        return


def _read(path: Path, ours: bool) -> Entry:
    try:
        return Entry(path, ours, read_scenario(path))
    except ScenarioFileError as error:
        return Entry(path, ours, None, str(error))


def _names(entry: Entry) -> set[str]:
    """What finds it: its name, its number, and its file's name."""
    if entry.scenario is None or entry.problem is not None:
        return set()
    number = {str(entry.scenario.number)} if entry.scenario.number is not None else set()
    return {entry.scenario.name, entry.path.stem.lstrip("0"), *number}


def _judged(entry: Entry, taken: set[str]) -> Entry:
    clash = sorted(_names(entry) & taken)
    if not clash:
        return entry
    problem = (
        f"{entry.path}: there is a scenario {clash[0]!r} already; give this one another name, or run it by its path"
    )
    return Entry(entry.path, entry.ours, entry.scenario, problem)
