"""Where the terminal's snapshots come from: servers named by DSN, or a lab that may still be coming up.

(A recording is the third: ``replay.Player``.)

Owns: the ``ClusterSource`` protocol and its two implementations. A source never raises into the screen: what goes
wrong becomes a ``Trouble`` event, and the stream goes on.
Must not: draw, or judge a snapshot.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.errors import PgReplTermError
from pgreplterm.tui.risk import AFAR, NEARBY, RiskTeller

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.decoded.risk_watch import AtRisk
    from pgreplterm.lab.lab import Lab

RETRY_AFTER = 2.0  # seconds between attempts to sample again after the sampler itself failed


@dataclass(frozen=True, slots=True)
class Progress:
    """One line of narration while a lab is being built."""

    text: str


@dataclass(frozen=True, slots=True)
class Sampled:
    """One tick of the cluster."""

    snapshot: ClusterSnapshot


@dataclass(frozen=True, slots=True)
class Risked:
    """What promoting each candidate, by name, would have lost a moment ago."""

    risks: Mapping[str, AtRisk]


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something failed; fatal means that no snapshot will ever follow."""

    text: str
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Marked:
    """A named instant of a recording (epoch seconds)."""

    at: float
    text: str


@dataclass(frozen=True, slots=True)
class Jumped:
    """The source is somewhere else now: what was seen before is void, and this leads to where it is."""

    events: tuple[Seen, ...]


Seen = Sampled | Marked | Trouble
SourceEvent = Progress | Seen | Jumped | Risked


class ClusterSource(Protocol):
    """What the application watches."""

    title: str
    interval: float

    def events(self) -> AsyncIterator[SourceEvent]:
        """Progress until the cluster is up, then a snapshot a tick, for ever or until a fatal Trouble."""
        ...

    def data_directory(self, node: str) -> Path | None:
        """Where that node's files are, when they are on this machine and ours to read."""
        ...

    @property
    def owned_lab(self) -> str | None:
        """The name of the lab this is, when this program created it and it is up; drills run nowhere else."""
        ...


async def sampled(
    targets: Sequence[Target], interval: float, bytes_a_look: int = NEARBY, discover: bool = False
) -> AsyncIterator[SourceEvent]:
    """Snapshots of these servers for ever; a failing sampler is reported and started again.

    bytes_a_look is how much WAL is read beside each at most, to tell what is at risk.
    """
    from pgreplterm.cluster.sampling.sampler import Sampler

    teller = RiskTeller(bytes_a_look)
    while True:
        try:
            sampler = Sampler(targets, interval, discover=discover)
            async with aclosing(sampler.snapshots()) as snapshots:
                async for snapshot in snapshots:
                    yield Sampled(snapshot)
                    if (risks := teller.tell(snapshot, sampler.targets)) is not None:
                        yield Risked(risks)
                    if (defect := teller.defect()) is not None:
                        yield Trouble(defect)
        except PgReplTermError as error:
            yield Trouble(str(error))
        except Exception as error:  # any defect in a poller is an event line, never the end of the screen
            yield Trouble(f"sampling failed ({type(error).__name__}: {error}); trying again")
        await asyncio.sleep(RETRY_AFTER)


@dataclass
class DsnSource:
    """Servers the user named; nothing on them is ours."""

    targets: Sequence[Target]
    title: str
    interval: float = 1.0
    discover: bool = False  # watch what they stream from or to, too
    owned_lab: str | None = None

    def events(self) -> AsyncIterator[SourceEvent]:
        """Snapshots from the first tick on."""
        return sampled(self.targets, self.interval, AFAR, self.discover)

    def data_directory(self, node: str) -> Path | None:  # noqa: ARG002
        """Unknown: a DSN says nothing about files."""
        return None


@dataclass
class LabSource:
    """A lab of ours, up already or being built while the screen shows its progress.

    prepare is called once, in a thread, with a function that takes lines of narration; it returns the lab.
    """

    title: str
    prepare: Callable[[Callable[[str], None]], Lab]
    interval: float = 1.0
    lab: Lab | None = None
    _thread: threading.Thread | None = field(default=None, repr=False)
    _directories: dict[str, Path] = field(default_factory=dict, repr=False)

    @property
    def owned_lab(self) -> str | None:
        """Its name once it is up."""
        return self.lab.name if self.lab is not None else None

    async def events(self) -> AsyncIterator[SourceEvent]:
        """Narration, then snapshots; a lab that cannot be built is fatal."""
        from pgreplterm.cluster.connecting.connect import named_target

        loop = asyncio.get_running_loop()
        told: asyncio.Queue[SourceEvent | None] = asyncio.Queue()

        def tell(event: SourceEvent | None) -> None:
            with suppress(RuntimeError):  # the loop is gone: the user has left, and nobody listens
                loop.call_soon_threadsafe(told.put_nowait, event)

        self._thread = threading.Thread(target=self._build, args=(tell,), name="lab", daemon=True)
        self._thread.start()
        while (event := await told.get()) is not None:
            yield event
        if self.lab is None:
            return
        nodes = self.lab.nodes
        self._directories = {node.name: Path(node.data_directory) for node in nodes}
        targets = [named_target(node.name, self.lab.dsn(node.name)) for node in nodes]
        async for event in sampled(targets, self.interval):
            yield event

    def data_directory(self, node: str) -> Path | None:
        """The node's data directory, once the lab is up."""
        return self._directories.get(node)

    def finish(self, within: float | None = None) -> Lab | None:
        """Wait (seconds; None for ever) until building has ended, also when the screen was left before; the lab."""
        if self._thread is not None:
            self._thread.join(within)
        return self.lab

    def _build(self, tell: Callable[[SourceEvent | None], None]) -> None:
        try:
            self.lab = self.prepare(lambda line: tell(Progress(line)))
        except PgReplTermError as error:
            tell(Trouble(str(error), fatal=True))
        except Exception as error:  # a defect in building must reach the screen, or it would wait for ever
            tell(Trouble(f"the lab could not be built ({type(error).__name__}: {error})", fatal=True))
        finally:
            tell(None)
