"""``pgreplterm record``: what a cluster does, tick by tick, into a file.

Owns: its arguments, when it ends, marks typed while it runs, and what it says it wrote. Must not: sample or encode.
"""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pgreplterm.cli.watching import discovers, server_options, watched
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.sampling.sampler import Sampler
    from pgreplterm.recording.writer import Writer, Written

_ENDINGS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LOOK_AGAIN = 1.0  # seconds until a recorder in the background looks whether it has the terminal back
_LONGEST_MARK = 200


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@server_options
@click.option("--interval", type=click.FloatRange(min=0.1), default=1.0, show_default=True, help="Seconds a tick.")
@click.option("--for", "seconds", type=click.FloatRange(min=0), metavar="S", help="End after S seconds.")
@click.option(
    "--max-size", type=click.FloatRange(min=1), default=100.0, show_default=True, metavar="MB", help="The oldest goes."
)
@click.option("--append", is_flag=True, help="Go on with a recording that exists.")
def record(
    file: Path,
    dsns: tuple[str, ...],
    lab_name: str | None,
    interval: float,
    seconds: float | None,
    max_size: float,
    append: bool,
) -> int:
    """Record a cluster into FILE until Ctrl-C, SIGTERM or SIGHUP; replay it with `pgreplterm replay FILE`.

    Each line typed (or piped in) meanwhile becomes a mark. Promotions and nodes that go or come back are marked by
    themselves. The file holds no password; only you may read it.
    """
    from pgreplterm.cluster.sampling.sampler import Sampler
    from pgreplterm.recording.writer import MEGABYTE, Writer

    servers = watched(dsns, lab_name)
    title = lab_name or servers[0].address
    writer = Writer(file, title=title, interval=interval, limit=int(max_size * MEGABYTE), append=append)
    click.echo(f"recording {title} into {file}, every {interval:g} s; Ctrl-C ends it, a line typed is a mark", err=True)
    before = {number: signal.getsignal(number) for number in _ENDINGS}
    try:
        asyncio.run(_record(writer, Sampler(servers, interval, discover=discovers()), seconds))
    finally:
        for number, handler in before.items():  # the event loop put the defaults back
            signal.signal(number, handler)
        writer.close()
        click.echo(summary(writer.written))
    return ExitCode.OK


async def _record(writer: Writer, sampler: Sampler, seconds: float | None) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[None] = loop.create_future()
    for number in _ENDINGS:
        loop.add_signal_handler(number, _end, ended)
    marks = _TypedMarks(writer, ended)
    marks.listen()
    sampling = asyncio.create_task(_sample(writer, sampler))
    try:
        done, _ = await asyncio.wait({sampling, ended}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for each in done:
            each.result()
    finally:
        marks.stop()
        sampling.cancel()
        await asyncio.wait({sampling})


def _end(ended: asyncio.Future[None]) -> None:
    if not ended.done():
        ended.set_result(None)


async def _sample(writer: Writer, sampler: Sampler) -> None:
    from pgreplterm.recording.marks import noticed

    before = None
    async for snapshot in sampler:
        for text in noticed(before, snapshot):
            writer.mark(text, snapshot.taken_at)
        writer.add(snapshot)
        before = snapshot


class _TypedMarks:
    """Lines of standard input as marks, while it has lines and is ours to read."""

    def __init__(self, writer: Writer, ended: asyncio.Future[None]) -> None:
        self._writer, self._ended = writer, ended
        self._loop = ended.get_loop()
        self._begun = b""

    def listen(self) -> None:
        """Standard input may be closed, or a file, which no event loop can await: then there are no marks."""
        try:
            self._loop.add_reader(0, self._read)
        except (OSError, ValueError):
            return

    def stop(self) -> None:
        """No more marks."""
        self._loop.remove_reader(0)

    def _read(self) -> None:
        if os.isatty(0) and os.tcgetpgrp(0) != os.getpgrp():
            self.stop()  # to read the terminal from the background would stop this process
            self._loop.call_later(_LOOK_AGAIN, self.listen)
            return
        data = os.read(0, 4096)
        if not data:
            self.stop()
        *lines, self._begun = (self._begun + data).split(b"\n")
        for line in lines:
            self._mark(line.decode("utf-8", "replace").strip())

    def _mark(self, text: str) -> None:
        from pgreplterm.cluster.words import printable

        try:
            if text:
                self._writer.mark(printable(text)[:_LONGEST_MARK])
        except PgReplTermError as error:
            if not self._ended.done():
                self._ended.set_exception(error)


def summary(written: Written) -> str:
    """One line: how much of what went where."""
    from pgreplterm.cluster.words import duration_in_words, instant, size_in_words

    counts = f"{written.snapshots} snapshots and {written.marks} marks, {size_in_words(written.size)}"
    text = f"wrote {written.path}: {counts}"
    if written.first is not None and written.last is not None:
        text += f", {duration_in_words(written.last - written.first)} from {instant(written.first)}"
    if written.files > 1:
        text += f", in {written.files} files"
    return f"{text}; {written.dropped} older files made room" if written.dropped else text
