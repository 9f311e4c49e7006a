"""Stretches walked by the workers of a Dask cluster: a far one, or processes of this machine.

Owns: the client, the cluster where it is ours, what is sent to a worker, and what a lost or unfit worker means.
Must not: print; decide anything by what a worker says. A stretch that comes back empty is read here.

A worker that dies has its stretches walked by another (the scheduler sees to that), one that fails has them tried
again. What a worker needs is small: a stretch's own segments, not the archive's list of them.
"""

from __future__ import annotations

import logging
import os
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing import resource_tracker
from typing import Any

from pgreplterm import __version__
from pgreplterm.errors import CannotConnect
from pgreplterm.wal.errors import WalError
from pgreplterm.wal.source import Run, Segment, WalSource
from pgreplterm.wal.stores.local import LocalFolder
from pgreplterm.wal.stores.tar import PackedTar
from pgreplterm.wal.stretches import LENGTH, Ahead, Found, Stretch, cut, walk_stretch
from pgreplterm.wal.tally import Counting, Tally

_CONNECT_SECONDS = 10
_PATIENCE_SECONDS = 10  # without a worker, before stretches are walked here; one that died may be started again
_RETRIES = 2
_WAITING = 3  # stretches under way for each of the workers' threads

Say = Callable[[str], object]


@contextmanager
def dask_cluster(address: str, say: Say, length: int = LENGTH) -> Iterator[Dask]:
    """An engine on the cluster whose scheduler listens at address (``host:port``).

    say is told, once, why stretches had to be read here. length is that of a stretch, in bytes of WAL. Raises
    CannotConnect when there is no such scheduler or it has no workers, WalError when Dask is not installed.
    """
    distributed = _distributed()
    with _quiet():
        try:
            client = distributed.Client(f"tcp://{address}", timeout=_CONNECT_SECONDS, set_as_default=False)
        except (OSError, ValueError) as error:
            raise CannotConnect(
                f"{address}: expected a Dask scheduler; none answers within {_CONNECT_SECONDS} s."
            ) from error
        with client:
            try:
                client.wait_for_workers(1, timeout=_CONNECT_SECONDS)
            except TimeoutError as error:
                raise CannotConnect(f"{address}: expected workers on this Dask scheduler; it has none.") from error
            yield Dask(client, say, length)


@contextmanager
def dask_processes(processes: int | None, say: Say, length: int = LENGTH) -> Iterator[Dask]:
    """An engine on that many processes of this machine (None: one a core), which end with the context.

    Raises WalError when Dask is not installed.
    """
    distributed = _distributed()
    # No memory limit: a walk takes the same few MB whatever it reads. The usual port of a dashboard may be another's.
    options = {
        "n_workers": processes or os.cpu_count() or 1,
        "threads_per_worker": 1,
        "processes": True,
        "dashboard_address": "127.0.0.1:0",
        "memory_limit": None,
        "silence_logs": logging.CRITICAL,
    }
    with tempfile.TemporaryDirectory(prefix="pgreplterm-dask-") as folder, _quiet():
        with _for_this_process_alone(signal.SIGINT):
            cluster = distributed.LocalCluster(
                local_directory=folder, scheduler_kwargs={"local_directory": folder}, **options
            )
        with cluster, distributed.Client(cluster, set_as_default=False) as client:
            yield Dask(client, say, length)


class Dask:
    """The engine: see ``stretches.Engine``."""

    def __init__(self, client: Any, say: Say, length: int = LENGTH) -> None:
        self._client, self._length = client, length
        self._say: Say | None = say
        self._is_lost = False

    @contextmanager
    def ahead(
        self, source: WalSource, run: Run, counting: Counting | None = None, tally: Tally | None = None
    ) -> Iterator[Ahead | None]:
        """See Engine. At the end what was not asked for is cancelled.

        A packed tar archive is walked here: every worker would have to read all of it to come to its part.
        """
        if any(isinstance(segment.file.store, PackedTar) for segment in run.segments):
            yield None
            return
        stretches = cut(source, run, self._length, None if counting is None else counting.choice)
        if not stretches:
            yield None
            return
        bare = replace(source, runs=(), aside=(), histories=(), lineage=None)
        given: dict[Stretch, Any] = {}

        def submit(stretch: Stretch) -> _Given:
            given[stretch] = self._submit(bare, _around(source, run, stretch), stretch, counting)
            return _Given(self, given, stretch)

        try:
            yield Ahead(stretches, submit, _WAITING * max(self._threads(), 1), tally)
        finally:
            with suppress(Exception):  # a scheduler that is gone keeps nothing
                self._client.cancel([future for future in given.values() if future is not None])

    def _threads(self) -> int:
        """Of all the workers there are now; a client that has lost its scheduler would wait long to say so."""
        with suppress(Exception):
            if self._client.status == "running":
                return sum(self._client.nthreads().values())
        return 0

    def _submit(self, source: WalSource, run: Run, stretch: Stretch, counting: Counting | None) -> Any:
        with suppress(Exception):  # a client whose scheduler is gone; None is nothing found
            return self._client.submit(
                _walk, __version__, source, run, stretch, counting,
                pure=False, retries=_RETRIES, priority=-stretch.start,
            )  # fmt: skip
        return None

    def found(self, future: Any) -> Found:
        """What a worker found, and nothing if no worker did."""
        try:
            found = self._wait(future)
        except Exception as error:
            said = (str(error).strip() or type(error).__name__).splitlines()[-1]
            found = Found(trouble=f"{type(error).__name__}: {said}")
        if found.trouble is not None and self._say is not None:
            self._say(f"a worker could not do its part ({found.trouble.rstrip('.')}); it is done here instead.")
            self._say = None
        return found

    def _wait(self, future: Any) -> Found:
        left = 0 if future is None or self._is_lost else _PATIENCE_SECONDS
        while future is not None:
            try:
                found: Found = future.result(timeout=min(left, 1))
            except TimeoutError:
                if future.status not in ("pending", "finished"):  # it can be finished in the instant after the timeout
                    raise
                left = _PATIENCE_SECONDS if self._threads() else left - 1
                if left <= 0 or self._client.status != "running":
                    break
            else:
                self._is_lost = False
                return found
        self._is_lost = True
        return Found(trouble="no worker is left")


@dataclass(frozen=True, slots=True)
class _Given:
    """A stretch that a worker has, or will have."""

    engine: Dask
    given: dict[Stretch, Any]
    stretch: Stretch

    def result(self) -> Found:
        """Waits for it; afterwards the cluster keeps nothing of it."""
        future = self.given.pop(self.stretch)
        try:
            return self.engine.found(future)
        finally:
            if future is not None:
                future.release()


def _walk(version: str, source: WalSource, run: Run, stretch: Stretch, counting: Counting | None) -> Found:
    """What a worker does."""
    if version != __version__:
        return Found(trouble=f"expected pgreplterm {version} on the workers, found {__version__}")
    return walk_stretch(source, run, stretch, counting)


def _around(source: WalSource, run: Run, stretch: Stretch) -> Run:
    """The run as far as the stretch needs it: its segments, and the one that its last record may go on in."""
    first = run.segments[0].number
    begin, end = (lsn.segment_number(source.segment_size) - first for lsn in (stretch.start, stretch.end))
    return Run(run.timeline, tuple(_abroad(segment) for segment in run.segments[begin : end + 1]))


def _abroad(segment: Segment) -> Segment:
    """The segment as it is found from another working directory, too."""
    store = segment.file.store
    if not isinstance(store, LocalFolder):
        return segment
    return replace(segment, file=replace(segment.file, store=LocalFolder(store.root.absolute())))


def _distributed() -> Any:
    try:
        return import_module("distributed")
    except ImportError as error:
        raise WalError(
            "--engine dask needs the packages dask and distributed, which are not installed; "
            "install them with: pip install 'pgreplterm[dask]'"
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Dask's log off the terminal: workers come and go, and what that means is said in our own words.

    After an interrupt it stays off: Dask's threads outlive this context then, and tell of each connection they lose.
    """
    handlers = list(logging.getLogger("distributed").handlers)
    for handler in handlers:
        handler.addFilter(_drop)
    try:
        yield
    except Exception:
        _speak(handlers)
        raise
    _speak(handlers)


def _drop(_: logging.LogRecord) -> bool:
    return False


def _speak(handlers: Iterable[logging.Handler]) -> None:
    for handler in handlers:
        handler.removeFilter(_drop)


@contextmanager
def _for_this_process_alone(number: signal.Signals) -> Iterator[None]:
    """Threads that begin here, and the processes they start, never see the signal.

    A Ctrl-C at a terminal goes to every process of its group, and workers that print tracebacks are no help.
    """
    resource_tracker.ensure_running()  # which unblocks signals in the thread that starts it
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {number})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
