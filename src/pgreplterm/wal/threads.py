"""A few threads that work through what they are given, in order.

Owns: starting them, handing out jobs, ending them. Must not: know what the work is.
"""

from __future__ import annotations

from collections.abc import Callable
from queue import SimpleQueue
from threading import Event, Thread
from types import TracebackType
from typing import Generic, TypeVar

T = TypeVar("T")


class Job(Generic[T]):
    """Something to be done by one of the threads, once."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = Event()
        self._result: T
        self._error: BaseException | None = None

    def run(self) -> None:
        """Do it, keeping what comes of it."""
        try:
            self._result = self._work()
        except BaseException as error:  # belongs to whoever waits for the result
            self._error = error
        finally:
            self._done.set()

    def result(self) -> T:
        """What came of it, once it is done; raises what the work raised."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result


class Workers(Generic[T]):
    """That many threads, for as long as the context lasts; what has not begun by its end is dropped.

    concurrent.futures does the same, and its import takes longer than a gigabyte of WAL takes two threads.
    """

    def __init__(self, count: int) -> None:
        self._jobs: SimpleQueue[Job[T] | None] = SimpleQueue()
        self._closing = False
        self._threads = [Thread(target=self._serve, name=f"walk-{number}") for number in range(count)]

    def submit(self, work: Callable[[], T]) -> Job[T]:
        """Have it done behind all that was submitted before."""
        job = Job(work)
        self._jobs.put(job)
        return job

    def __enter__(self) -> Workers[T]:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        for _ in self._threads:
            self._jobs.put(None)
        for thread in self._threads:
            thread.join()

    def _serve(self) -> None:
        while (job := self._jobs.get()) is not None:
            if not self._closing:
                job.run()
