"""Who walks: threads of this process, or the workers of a Dask cluster; with a bar while they do.

Owns: ``--engine``, what ``--jobs`` means beside it, and the context both commands walk in. Must not: walk.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING

import click

from pgreplterm.cli import say
from pgreplterm.cli.progress import Bar

if TYPE_CHECKING:
    from pgreplterm.wal.stretches import Engine
    from pgreplterm.wal.verification import SoFar

_DASK = re.compile(r"dask(?:://(?P<address>[^/\s]+:\d+)/?)?")


def _engine(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    if value is None or _DASK.fullmatch(value):
        return value
    raise click.BadParameter(f"{value!r} is none of: dask, dask://HOST:PORT", ctx, param)


engine_option = click.option(
    "--engine",
    callback=_engine,
    metavar="dask[://HOST:PORT]",
    help="Walk on the workers of a Dask cluster; without an address, in processes of this machine.",
)


@contextmanager
def at_work(engine: str | None, jobs: int | None, so_far: SoFar) -> Iterator[tuple[Engine, Bar]]:
    """The engine that the options ask for, and the bar that shows how far it has come."""
    bar = Bar(so_far)

    def say_aside(sentence: str) -> None:
        with bar.aside():
            say(sentence)

    # The bar's thread comes second: what the engine starts must not find threads here that take its signals.
    with _opened(engine, jobs, say_aside) as opened, bar:
        yield opened, bar


def _opened(engine: str | None, jobs: int | None, say_aside: Callable[[str], None]) -> AbstractContextManager[Engine]:
    if engine is None:
        from pgreplterm.wal.stretches import Threads

        return nullcontext(Threads(jobs or 1))
    from pgreplterm.wal.dask_engine import dask_cluster, dask_processes

    match = _DASK.fullmatch(engine)
    address = match and match["address"]
    if address is None:
        return dask_processes(jobs, say_aside)
    if jobs is not None:
        raise click.UsageError("--jobs is for this machine; how many workers walk is for the Dask cluster to say")
    return dask_cluster(address, say_aside)
