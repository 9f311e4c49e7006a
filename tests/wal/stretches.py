"""What the tests of stretches share: how two walks are compared, and WAL whose segments end in switches.

Owns: the comparison. Must not: hold cases.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pgreplterm.wal import Run, WalSource, verify
from pgreplterm.wal.choice import Choice
from pgreplterm.wal.stretches import Ahead, Threads
from pgreplterm.wal.tally import KINDS, Counting, Tally
from pgreplterm.wal.verification import count

from .builder import Wal, noop_of
from .corpus import MB


class Watched(Threads):
    """Threads that tell which stretches were leapt over."""

    def __init__(self, jobs: int, length: int) -> None:
        super().__init__(jobs, length)
        self.leaps = 0

    @contextmanager
    def ahead(
        self, source: WalSource, run: Run, counting: Counting | None = None, tally: Tally | None = None
    ) -> Iterator[Ahead | None]:
        with super().ahead(source, run, counting, tally) as ahead:
            if ahead is not None:
                joined = ahead.joined

                def note() -> None:
                    self.leaps += 1
                    joined()

                ahead.joined = note  # type: ignore[method-assign]
            yield ahead


def assert_same(source: WalSource, length: int, jobs: int = 2, kinds: tuple[str, ...] = KINDS) -> int:
    """Reports and tables are those of one walk; how many stretches of the verification were leapt over."""
    engine = Watched(jobs, length)
    assert list(verify(source, engine)) == list(verify(source))
    leaps = engine.leaps
    for kind in kinds:
        counting = Counting(kind, Choice(), source.format)
        (tally, reports), (alone, alone_reports) = count(source, counting, engine), count(source, counting)
        assert (tally.rows(), tally.lines()) == (alone.rows(), alone.lines()), kind
        assert reports == alone_reports, kind
    return leaps


def stream(major: int = 18, **options: int) -> Wal:
    built = Wal(major, start=5 * MB, segment_size=MB, **options)
    for _ in range(30):
        built.append(noop_of(1000))
    return built


def more(built: Wal, records: int = 60) -> None:
    for _ in range(records):
        built.append(noop_of(1000))


def segments_of_switches(folder: Path) -> list[Path]:
    built = stream()
    for _ in range(5):
        built.switch()
        more(built)
    built.switch()
    return built.write(folder)
