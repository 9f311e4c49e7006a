"""Following what the writers of a lab log while a run goes on.

Owns: finding their journals by the lab's own state, and reading what came since the last look.
Must not: judge an attempt, or fail: a lab that is not there yet, or no more, has no writers.
"""

from __future__ import annotations

from pathlib import Path

from pgreplterm.lab.journal import Attempt, Lines, client_of, journal_of


class Tail:
    """One journal as it grows."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self._lines = Lines()

    def more(self) -> list[Attempt]:
        """The attempts since the last call; none once the file is gone or is no journal."""
        try:
            with self._path.open("rb") as file:
                file.seek(self._position)
                data = file.read()
            self._position += len(data)
            return self._lines.feed(data.decode("ascii", "replace"))
        except (OSError, ValueError):
            return []


class Writers:
    """All that write, or wrote, to one lab since this was made, and what they did before."""

    def __init__(self, lab: str) -> None:
        self._lab = lab
        self._tails: dict[Path, Tail] = {}

    def more(self) -> list[Attempt]:
        """What they were told since the last call. Reads files: not for the event loop."""
        for path in _journals(self._lab):
            self._tails.setdefault(path, Tail(path))
        return [attempt for tail in self._tails.values() for attempt in tail.more()]


def _journals(name: str) -> list[Path]:
    """Of the writers that run now."""
    from pgreplterm.errors import PgReplTermError
    from pgreplterm.lab import places, state

    try:
        directory = places.find(name)
        lab = state.read(directory)
    except PgReplTermError:
        return []
    if lab.prober is None:
        return []
    newest = range(client_of(Path(lab.prober.journal)), lab.probes + 1)
    return [journal_of(directory, client) for client in newest]
