"""The relay, the load and the prober of a lab as processes.

Owns: starting each, recording it and awaiting its first success; stopping the latter two. Must not: write to a server,
apart from making the table each of them writes to.

All functions expect the caller to hold the lab's transaction.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pgreplterm.lab import journal, links, process, server, sql, state
from pgreplterm.lab.conninfo import Way
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.journal import Outcome
from pgreplterm.lab.links import Links
from pgreplterm.lab.load import pgbench_setup, progress
from pgreplterm.lab.load.plan import Kind, Plan
from pgreplterm.lab.load.progress import LoadStatus
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import HelperRecord, NodeRecord

FIRST_SUCCESS_TIMEOUT = 30.0
STOP_TIMEOUT = 10.0
MOST_PROBERS = 20
KEPT_PROBERS = 100
"""The data lies in memory: when probers start, the rows and journals of all but the newest so many clients go."""


def ensure_relay(site: Site) -> ProcessId:
    """The lab's relay, started again if it was ended by somebody else. Raises LabError."""
    lab = site.read()
    if lab.relay is not None and process.is_running(lab.relay):
        return lab.relay
    relay = links.start_relay(site.directory)
    state.write(site.directory, replace(lab, relay=relay))
    links.await_relay(site.directory, relay, links.read(site.directory).serial)
    return relay


def serve(site: Site, changed: Links) -> None:
    """Have the relay serve these edges from now on, also one that ends while it is told. Raises LabError."""
    relay = ensure_relay(site)
    links.write(site.directory, changed)
    try:
        links.reload_relay(site.directory, relay, changed.serial)
    except links.RelaySilent:
        if process.is_running(relay):
            raise
        ensure_relay(site)


def start_load(site: Site, plan: Plan) -> None:
    """Start the load and wait for its first row, or for a commit that waits for a standby. Raises LabError."""
    lab = site.read()
    plan.check(tuple(node.name for node in lab.nodes))
    if lab.load is not None and process.is_running(lab.load.process):
        raise LabError(f"lab {lab.name!r} already has a load: stop it first")
    program = _make_tables(site, plan)
    path = site.directory / progress.FILE_NAME
    path.unlink(missing_ok=True)
    identity = links.start_helper(site.directory, "load", str(site.directory), str(path), plan.to_json(), *program)
    state.write(site.directory, replace(lab, load=HelperRecord(identity, str(path), plan.rate)))
    _await_first(site, identity, "load", lambda: _writes(site))


def stop_load(site: Site) -> None:
    """End the load and wait for its end; its last report stays."""
    lab = site.read()
    if lab.load is not None:
        _stop(lab.load.process, "load")
        state.write(site.directory, replace(lab, load=None))


def load_status(site: Site) -> LoadStatus | None:
    """What the load said last, of one that has ended too; None when there was none."""
    report = progress.read(site.directory)
    if report is None:
        return None
    load = site.read().load
    running = load is not None and process.is_running(load.process)
    return LoadStatus(report, running, max(0.0, time.time() - report["written_at"]))


def start_probers(site: Site, clients: int, interval: float, way: Way) -> tuple[Path, ...]:
    """Start probers, each under a client number of its own; their journals, once each had an id acknowledged."""
    lab = site.read()
    if not 0.001 <= interval <= 60:
        raise LabError(f"a prober writes every 0.001 to 60 seconds: asked for {interval:g}")
    if not 1 <= clients <= MOST_PROBERS:
        raise LabError(f"1 to {MOST_PROBERS} probers write at once: asked for {clients}")
    if lab.prober is not None and process.is_running(lab.prober.process):
        raise LabError(f"lab {lab.name!r} already has a prober: stop it first")
    outdated = lab.probes + clients - KEPT_PROBERS
    with site.connect(_primary(site)) as link:
        sql.create_probe_table(link)
        sql.forget_probes(link, outdated)
    _remove_journals(site, outdated)
    paths = tuple(journal.journal_of(site.directory, lab.probes + number + 1) for number in range(clients))
    names = [str(path) for path in paths]
    identity = links.start_helper(site.directory, "prober", str(site.directory), way.value, f"{interval:g}", *names)
    record = HelperRecord(identity, names[0], interval)
    state.write(site.directory, replace(lab, probes=lab.probes + clients, prober=record))
    _await_first(site, identity, "prober", lambda: all(_acknowledged(path) for path in paths))
    return paths


def _remove_journals(site: Site, last: int) -> None:
    """Those of the clients up to that number; what is not there any more is followed by nothing older."""
    for client in range(last, 0, -1):
        path = journal.journal_of(site.directory, client)
        if not path.exists():
            return
        path.unlink()


def stop_probers(site: Site) -> tuple[Path, ...]:
    """End the probers after their current attempts; their journals, none when there was no prober."""
    lab = site.read()
    if lab.prober is None:
        return ()
    _stop(lab.prober.process, "prober")
    state.write(site.directory, replace(lab, prober=None))
    first = journal.client_of(Path(lab.prober.journal))
    return tuple(journal.journal_of(site.directory, client) for client in range(first, lab.probes + 1))


def _make_tables(site: Site, plan: Plan) -> tuple[str, ...]:
    """What the load writes to and reads from; the argument that names its program, with pgbench."""
    primary = _primary(site)
    with site.connect(primary) as link:
        sql.create_heartbeat_table(link)
        if plan.kind is not Kind.PGBENCH:
            sql.create_load_table(link)
            return ()
    program = pgbench_setup.program(site)
    pgbench_setup.make_tables(site, primary, program)
    return (str(program),)


def _writes(site: Site) -> bool:
    said = progress.read(site.directory)
    return said is not None and bool(said["rows"] or said["waiting_for_standby"])


def _primary(site: Site) -> NodeRecord:
    """A running node that is no standby. Raises LabError."""
    for node in site.read().nodes:
        if site.is_running(node) and not site.is_frozen(node) and not server.is_standby(node):
            return node
    raise LabError(f"lab {site.directory.name!r} has no running primary to write to")


def _await_first(site: Site, identity: ProcessId, name: str, condition: Callable[[], bool]) -> None:
    def settled() -> bool:
        return condition() or not process.is_running(identity)

    if not process.wait_until(settled, FIRST_SUCCESS_TIMEOUT) or not condition():
        _stop(identity, name)
        raise LabError(f"the {name} of lab {site.directory.name!r} wrote nothing: see {site.directory}/{name}.log")


def _acknowledged(path: Path) -> bool:
    return path.exists() and any(attempt.outcome is Outcome.OK for attempt in journal.read_journal(path))


def _stop(identity: ProcessId, name: str) -> None:
    found = process.find(identity)
    if found is None:
        return
    process.send([found], signal.SIGTERM)
    if process.await_gone([found], STOP_TIMEOUT):
        process.send([found], signal.SIGKILL)
        if process.await_gone([found], STOP_TIMEOUT):
            raise LabError(f"the {name} (pid {found.pid}) does not end")
