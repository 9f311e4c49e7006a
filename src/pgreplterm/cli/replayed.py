"""--replay and --at: the commands that look at servers, looking at a recording.

Owns: the two options, the snapshots they mean, and how damage is told. Must not: lay out a snapshot.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.recording.reader import Recording

Command = TypeVar("Command", bound=Callable[..., Any])
_FILE, _AT, _OPEN = "pgreplterm.replay", "pgreplterm.at", "pgreplterm.recorded"


def replay_options(command: Command) -> Command:
    """--replay and --at; the command asks ``recorded()`` for them."""
    path = click.Path(path_type=Path)
    at = click.option(
        "--at", metavar="TIME|MARK", callback=_keep(_AT), expose_value=False,
        help="With --replay: that snapshot instead of the last (see replay --list).",
    )  # fmt: skip
    file = click.option(
        "--replay", type=path, metavar="FILE", callback=_keep(_FILE), expose_value=False,
        help="A recording instead of servers.",
    )  # fmt: skip
    return file(at(command))


def recorded() -> Recorded | None:
    """What the current command was told to replay; None when it looks at servers. Raises PgReplTermError."""
    context = click.get_current_context(silent=True)
    if context is None:
        return None
    path, at = context.meta.get(_FILE), context.meta.get(_AT)
    if path is None:
        if at is not None:
            raise click.UsageError("--at needs --replay FILE")
        return None
    if _OPEN not in context.meta:
        context.meta[_OPEN] = context.with_resource(Recorded(path, at))
    found: Recorded = context.meta[_OPEN]
    return found


class Recorded:
    """A recording, at the moment that was asked for; a context manager."""

    def __init__(self, path: Path, at: str | None) -> None:
        from pgreplterm.recording.reader import DamagedRecording

        self._at = at
        self._lost = 0  # damaged snapshots met on the way
        try:
            self._open(path, by_scan=False)
        except DamagedRecording:
            self._open(path, by_scan=True)

    def _open(self, path: Path, by_scan: bool) -> None:
        """By its index, which is quick; by a scan when the very snapshot that was asked for is damaged."""
        from pgreplterm.recording.moments import moment
        from pgreplterm.recording.reader import Recording

        self._recording: Recording = Recording(path, by_scan=by_scan)
        try:
            if by_scan:
                self._recording.check()
            self._number = moment(self._recording, self._at)
            self._recording.snapshot(self._number)
        except BaseException:
            self._recording.close()
            raise

    def __enter__(self) -> Recorded:
        return self

    def __exit__(self, *_: object) -> None:
        self._recording.close()

    @property
    def snapshot(self) -> ClusterSnapshot:
        """The snapshot of that moment."""
        return self._recording.snapshot(self._number)

    def leading(self, seconds: float) -> Iterator[ClusterSnapshot]:
        """The snapshots of so many seconds up to that moment, its own the last."""
        until = self._recording.at(self._number)
        first = self._number
        while first > 0 and until - self._recording.at(first - 1) <= seconds:
            first -= 1
        return self._whole(range(first, self._number + 1))

    def following(self) -> Iterator[ClusterSnapshot]:
        """From that moment to the end; from the beginning when no moment was named."""
        first = 0 if self._at is None else self._number
        return self._whole(range(first, len(self._recording)))

    def _whole(self, numbers: range) -> Iterator[ClusterSnapshot]:
        from pgreplterm.recording.reader import DamagedRecording

        for number in numbers:
            try:
                yield self._recording.snapshot(number)
            except DamagedRecording:
                self._lost += 1

    def told(self, status: int) -> int:
        """The exit status, once damage has been told; a status that says more than that stays."""
        self._recording.unreadable += self._lost
        if self._recording.damage is None:
            return status
        click.echo(f"pgreplterm: {self._recording.damage}", err=True)
        return status or 1


def lacks_privilege(snapshot: ClusterSnapshot) -> bool:
    """Whether some node hid part of what was asked from the role that recorded."""
    return any(node.sample is not None and node.sample.missing_privilege is not None for node in snapshot.nodes)


def _keep(key: str) -> Callable[[click.Context, click.Parameter, Any], None]:
    def keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:  # noqa: ARG001
        context.meta[key] = value

    return keep
