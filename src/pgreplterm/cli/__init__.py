"""The command line: one module a group of commands, each a thin caller of the rooms below.

Owns: argument parsing, the exit code, and how an error is shown. stdout is data, stderr is narration.
Must not: import Textual, or anything heavy before a command that needs it runs.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import click

from pgreplterm import __version__
from pgreplterm.cli.lazy import LazyGroup
from pgreplterm.errors import ExitCode, PgReplTermError

_BROKEN_PIPE = 128 + 13


class _Commands(LazyGroup):
    places: ClassVar[Mapping[str, tuple[str, str]]] = {
        "check": ("pgreplterm.cli.check:check", "Judge a cluster once, as a monitoring plugin: exit 0 to 3"),
        "config": ("pgreplterm.cli.config:config", "Profiles and settings: show, validate, init, path"),
        "demo": ("pgreplterm.cli.demo:demo", "lab up + load + terminal; without a terminal the same run headless"),
        "drill": ("pgreplterm.cli.drill:drill", "Rehearse failures on a lab, with a measured report"),
        "export": ("pgreplterm.cli.export:export", "Every figure as OpenMetrics, for Prometheus"),
        "fault": ("pgreplterm.cli.fault:fault", "Break a lab on purpose, and mend it: ls, inject, heal"),
        "info": ("pgreplterm.cli.info:info", "Versions and the terminal, for a bug report"),
        "lab": ("pgreplterm.cli.lab:lab", "Clusters of our own: up, ls, status, psql, stop, start, kill, heal, down"),
        "lag": ("pgreplterm.cli.lag:lag", "Bytes and time behind by stage, rates, catch-up, percentiles"),
        "load": ("pgreplterm.cli.load:load", "Writers and readers on a lab, at a held rate: start, stop, status"),
        "plan": ("pgreplterm.cli.plan:plan", "Calculators: wal-size, retention, capacity"),
        "record": ("pgreplterm.cli.record:record", "Write what a cluster does, tick by tick, into a file"),
        "replay": ("pgreplterm.cli.replay:replay", "Go through a recording in the terminal, forward and backward"),
        "scenario": ("pgreplterm.cli.scenario:scenario", "Rehearsals as data, ten of them a course: ls, show, run"),
        "slots": ("pgreplterm.cli.slots:slots", "Who holds back WAL, how much, and how near to be lost"),
        "status": ("pgreplterm.cli.status:status", "Who is primary, who follows, how far behind"),
        "timeline": ("pgreplterm.cli.timeline:timeline", "Timelines, forks, and how each node may follow again"),
        "wal": ("pgreplterm.cli.wal:wal", "Read WAL: ls, dump, stat, verify, page; risk, why, diverged"),
        "watch": ("pgreplterm.cli.watch:watch", "The terminal (also what plain `pgreplterm DSN` opens)"),
    }

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """An option that is not the program's own is the terminal's: its name may be left out."""
        is_watch = bool(args) and args[0].startswith("-") and args[0] not in ("--version", "-h", "--help")
        return super().parse_args(ctx, ["watch", *args] if is_watch else args)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """A first word that is no command is a DSN for the terminal, as with psql; a misspelt command is neither."""
        word = args[0]
        if word in self.places or word.startswith("-"):
            return super().resolve_command(ctx, args)
        from difflib import get_close_matches

        if meant := get_close_matches(word, self.places, n=1, cutoff=0.75):
            raise click.UsageError(
                f"there is no command {word!r}; did you mean {meant[0]!r}? For a database of that name: watch {word}"
            )
        return "watch", self.get_command(ctx, "watch"), args


@click.group(cls=_Commands, invoke_without_command=True, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="pgreplterm", message="%(prog)s %(version)s")
@click.pass_context
def cli(ctx: click.Context) -> Any:
    """PostgreSQL physical replication: live, down to the WAL, and rehearsed.

    Without a command, or with DSNs, opens the terminal.
    """
    if ctx.invoked_subcommand is None:
        watch = cli.get_command(ctx, "watch")
        assert watch is not None
        with watch.make_context("watch", [], parent=ctx) as own:  # ctx.invoke would not look at the configuration
            return watch.invoke(own)
    return None


def run(argv: Sequence[str], terminal: Any = None) -> int:
    """Run one command line. terminal opens screens for the commands that want one. Returns the exit status."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _interrupt)
    try:
        result = cli.main(list(argv), prog_name="pgreplterm", standalone_mode=False, obj=terminal)
        sys.stdout.flush()
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        error.show()
        return ExitCode.USAGE
    except (KeyboardInterrupt, click.Abort):
        say("interrupted.")
        return ExitCode.INTERRUPTED
    except PgReplTermError as error:
        say(str(error))
        return error.exit_code
    except (BrokenPipeError, SystemExit):  # click turns a broken pipe, and nothing else here, into SystemExit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _BROKEN_PIPE
    return int(result) if isinstance(result, int) else ExitCode.OK


class _Interrupted(KeyboardInterrupt):
    """SIGTERM, a lost terminal, or Ctrl-C.

    A class of its own because Python ends by SIGINT, whatever the exit status, once a bare KeyboardInterrupt has left
    any exec of a string (Python/pythonrun.c, run_eval_code_obj), and every dataclass made at import is one.
    """


def _interrupt(number: int, frame: object) -> None:  # noqa: ARG001
    """SIGTERM and a lost terminal end a command as Ctrl-C does, so that it cleans up."""
    raise _Interrupted


def say(sentence: str) -> None:
    """Narrate on stderr."""
    click.echo(f"pgreplterm: {sentence}", err=True)
