"""The cluster as a drill sees it: snapshots from a thread of their own, and conditions to wait for.

Owns: the sampling loop's thread. Must not: decide anything.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Sequence
from types import TracebackType

from pgreplterm.cluster.connecting.connect import Target
from pgreplterm.cluster.model import ClusterSnapshot
from pgreplterm.cluster.sampling.sampler import Sampler
from pgreplterm.errors import DrillFailed


class Watch:
    """Samples targets every interval seconds until left; a context manager."""

    def __init__(
        self, targets: Sequence[Target], interval: float, see: Callable[[ClusterSnapshot], None] = lambda _: None
    ) -> None:
        """see is told every snapshot, in the watch's own thread; it must not raise."""
        self._targets = targets
        self._interval = interval
        self._see = see
        self._news = threading.Condition()
        self._latest: ClusterSnapshot | None = None
        self._error: BaseException | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None
        self._left = False
        self._sampler: Sampler | None = None
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._left = True  # before the look at the task: a thread that is only about to make one sees it
        if self._loop is not None and self._task is not None:
            self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(timeout=2)

    def until(self, condition: Callable[[ClusterSnapshot], bool], what: str, within: float) -> ClusterSnapshot:
        """The first snapshot for which condition holds, the newest included.

        Raises DrillFailed, naming what was waited for, when within seconds pass without one.
        """
        deadline = time.monotonic() + within
        with self._news:
            while True:
                if self._error is not None:
                    raise self._error
                if self._latest is not None and condition(self._latest):
                    return self._latest
                left = deadline - time.monotonic()
                if left <= 0:
                    raise DrillFailed(f"expected {what} within {within:.0f} s; it did not happen.")
                self._news.wait(left)

    def also(self, targets: Sequence[Target]) -> None:
        """Watch these as well, from the next tick on."""
        loop, sampler = self._loop, self._sampler
        if loop is not None and sampler is not None:
            loop.call_soon_threadsafe(sampler.watch, targets)

    def newest(self, within: float = 5.0) -> ClusterSnapshot:
        """The newest snapshot. Raises DrillFailed when there is none within seconds."""
        return self.until(lambda _: True, "a first look at the cluster", within)

    def _run(self) -> None:
        try:
            asyncio.run(self._sample())
        except asyncio.CancelledError:
            return
        except BaseException as error:
            with self._news:
                self._error = error
                self._news.notify_all()

    async def _sample(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        if self._left:
            return
        async with Sampler(self._targets, self._interval) as sampler:
            self._sampler = sampler
            async for snapshot in sampler.snapshots():
                self._see(snapshot)
                with self._news:
                    self._latest = snapshot
                    self._news.notify_all()
