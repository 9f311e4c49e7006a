"""``pgreplterm demo``: a lab, its load and the terminal; without a terminal the same run headless.

Owns: the order of that run, and that nothing of it is left behind. Must not: do any part of it itself.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.terminal import Look, Terminal, is_interactive
from pgreplterm.errors import ExitCode

if TYPE_CHECKING:
    from pgreplterm.cluster.model import ClusterSnapshot
    from pgreplterm.drill.report.model import Report
    from pgreplterm.lab.build import LabSpec
    from pgreplterm.lab.lab import Lab

LOAD_RATE = 200  # rows a second: enough to see, little enough for any machine


@click.command()
@click.option("--standbys", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--cascade", type=click.IntRange(min=0), default=1, show_default=True)
@click.option("--seconds", type=click.FloatRange(min=0), default=2.0, show_default=True, help="Load before the drill.")
@click.option("--backend", type=click.Choice(["local", "docker"]), default="local", show_default=True)
@click.option("--name", default="demo", show_default=True, help="The lab's name.")
@click.option("--pg-bin", type=click.Path(path_type=Path), help="Folder of postgres, initdb and the rest.")
@click.option("--json", "as_json", is_flag=True, help="Headless, with one JSON document on stdout.")
@click.option("--no-tui", is_flag=True, help="Headless, even on a terminal.")
@click.option("--keep", is_flag=True, help="Leave the lab up at the end.")
@click.pass_obj
def demo(
    terminal: Terminal,
    standbys: int,
    cascade: int,
    seconds: float,
    backend: str,
    name: str,
    pg_bin: Path | None,
    as_json: bool,
    no_tui: bool,
    keep: bool,
) -> int:
    """A real cluster in a second, under load; watch it, kill it, read its WAL. All of it is gone when you leave."""
    from pgreplterm.lab.backend import Kind
    from pgreplterm.lab.build import LabSpec

    spec = LabSpec(name=name, standbys=standbys, cascades=cascade, pg_bin=pg_bin, backend=Kind(backend))
    if as_json or no_tui or not is_interactive():
        return _headless(spec, seconds, as_json, keep)
    return _on_screen(terminal, spec, keep)


def _on_screen(terminal: Terminal, spec: LabSpec, keep: bool) -> int:
    built: list[Lab] = []

    def prepare(narrate: Callable[[str], None]) -> Lab:
        built.append(_up(spec, narrate))
        return built[0]

    try:
        return terminal.watch_lab(spec.name, prepare, Look())[0]
    finally:
        for lab in built:
            _leave(lab, keep)


def _headless(spec: LabSpec, seconds: float, as_json: bool, keep: bool) -> int:
    with _lab(spec, keep) as lab:
        click.echo(f"load: {LOAD_RATE} rows a second for {seconds:g} s", err=True)
        time.sleep(seconds)
        _show(_snapshot(lab))
        report = _drill(lab)
        after = _snapshot(lab)
        _show(after)
        _print_report(report, after, as_json)
    return ExitCode.OK


@contextmanager
def _lab(spec: LabSpec, keep: bool) -> Iterator[Lab]:
    lab = _up(spec, lambda line: click.echo(line, err=True))
    try:
        yield lab
    finally:
        _leave(lab, keep)


def _up_somewhere(spec: LabSpec, narrate: Callable[[str], None]) -> Lab:
    """On the backend asked for; as local processes, and saying so, where there is no Docker Engine."""
    from pgreplterm.lab.backend import Kind
    from pgreplterm.lab.docker.errors import EngineUnavailable
    from pgreplterm.lab.lab import up

    try:
        return up(spec, narrate)
    except EngineUnavailable as error:
        narrate(f"{error}")
        narrate("the demo runs as local processes instead")
        return up(replace(spec, backend=Kind.LOCAL), narrate)


def _up(spec: LabSpec, narrate: Callable[[str], None]) -> Lab:
    """The lab with its load; a load that does not start takes the lab with it."""
    lab = _up_somewhere(spec, narrate)
    try:
        lab.start_load(LOAD_RATE)
    except BaseException:
        lab.down()
        raise
    return lab


def _leave(lab: Lab, keep: bool) -> None:
    from pgreplterm.drill.engine.lock import end_running_drill

    if keep:
        click.echo(
            f"lab {lab.name} is still up: pgreplterm watch --lab {lab.name}, pgreplterm lab down {lab.name}", err=True
        )
        return
    end_running_drill(lab)
    lab.down()
    click.echo(f"lab {lab.name} is gone", err=True)


def _snapshot(lab: Lab) -> ClusterSnapshot:
    from pgreplterm.cluster.connecting.connect import named_target
    from pgreplterm.cluster.sampling.sampler import Sampler

    async def sample() -> ClusterSnapshot:
        async with Sampler([named_target(node.name, lab.dsn(node.name)) for node in lab.nodes]) as sampler:
            return await sampler.sample_once()

    return asyncio.run(sample())


def _show(snapshot: ClusterSnapshot) -> None:
    from pgreplterm.cli.status import table_lines

    for line in table_lines(snapshot):
        click.echo(line, err=True)


def _drill(lab: Lab) -> Report:
    """The failover drill, run right here; its report is kept if it can be, and goes with the lab if not."""
    from pgreplterm.drill.narration import narration
    from pgreplterm.drill.report.store import save
    from pgreplterm.drill.request import Kind, Request
    from pgreplterm.drill.run import run
    from pgreplterm.drill.runs import default_base, new_run

    def tell(event: dict[str, Any]) -> None:
        if line := narration(event):
            click.echo(line, err=True)

    request = Request(Kind.DRILL, "failover", lab.name)
    try:
        place = new_run(default_base(), request.name, lab.name, time.time())
    except OSError as error:
        click.echo(f"the report will not outlive the lab: {error.filename}: {error.strerror}", err=True)
        place = new_run(lab.directory / "runs", request.name, lab.name, time.time())
    report = run(request, place, tell)
    paths = save(report, place)
    click.echo(f"saved {paths[0]}, {paths[1].name} and {paths[2].name}", err=True)
    return report


def _print_report(report: Report, after: ClusterSnapshot, as_json: bool) -> None:
    from pgreplterm.cli.tables import terminal_width
    from pgreplterm.cluster.serialize import snapshot_document
    from pgreplterm.drill.report.document import as_document
    from pgreplterm.drill.report.text import as_text

    if not as_json:
        click.echo(as_text(report, terminal_width()))
        return
    document: dict[str, Any] = {"cluster": snapshot_document(after), "drill": as_document(report)}
    click.echo(json.dumps(document, indent=2))
