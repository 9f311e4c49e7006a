"""The relay, the load and the prober of a lab as processes.

Owns: starting each, recording it and awaiting its first success; stopping the latter two. Must not: write to a server,
apart from making the table each of them writes to.

All functions expect the caller to hold the lab's transaction.
"""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from pgreplterm.lab import journal, links, process, server, sql, state
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.journal import Outcome
from pgreplterm.lab.process import ProcessId
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import HelperRecord, NodeRecord

FIRST_SUCCESS_TIMEOUT = 15.0
STOP_TIMEOUT = 10.0


def ensure_relay(site: Site) -> ProcessId:
    """The lab's relay, started again if it was ended by somebody else. Raises LabError."""
    lab = site.read()
    if lab.relay is not None and process.is_running(lab.relay):
        return lab.relay
    relay = links.start_relay(site.directory)
    state.write(site.directory, replace(lab, relay=relay))
    links.await_relay(site.directory, relay, links.read(site.directory).serial)
    return relay


def start_load(site: Site, rate: float) -> None:
    """Start the write load and wait for its first row. Raises LabError."""
    lab = site.read()
    if not 0 < rate <= 100_000:
        raise LabError(f"a load writes more than 0 and at most 100000 rows a second: asked for {rate:g}")
    if lab.load is not None and process.is_running(lab.load.process):
        raise LabError(f"lab {lab.name!r} already has a load of {lab.load.pace:g} rows/s: stop it first")
    with site.connect(_primary(site)) as link:
        sql.create_load_table(link)
    progress = site.directory / "load.json"
    progress.unlink(missing_ok=True)
    identity = links.start_helper(site.directory, "load", str(site.directory), str(progress), f"{rate:g}")
    state.write(site.directory, replace(lab, load=HelperRecord(identity, str(progress), rate)))
    _await_first(site, identity, "load", progress.exists)


def stop_load(site: Site) -> None:
    """End the load and wait for its end."""
    lab = site.read()
    if lab.load is not None:
        _stop(lab.load.process, "load")
        state.write(site.directory, replace(lab, load=None))


def start_prober(site: Site, interval: float) -> Path:
    """Start a prober under a client number of its own; its journal, once an id was acknowledged."""
    lab = site.read()
    if not 0.001 <= interval <= 60:
        raise LabError(f"a prober writes every 0.001 to 60 seconds: asked for {interval:g}")
    if lab.prober is not None and process.is_running(lab.prober.process):
        raise LabError(f"lab {lab.name!r} already has a prober: stop it first")
    with site.connect(_primary(site)) as link:
        sql.create_probe_table(link)
    client = lab.probes + 1
    path = site.directory / f"probe-{client}.tsv"
    identity = links.start_helper(site.directory, "prober", str(site.directory), str(path), f"{interval:g}")
    state.write(site.directory, replace(lab, probes=client, prober=HelperRecord(identity, str(path), interval)))
    _await_first(site, identity, "prober", lambda: _acknowledged(path))
    return path


def stop_prober(site: Site) -> Path | None:
    """End the prober after its current attempt; its journal."""
    lab = site.read()
    if lab.prober is None:
        return None
    _stop(lab.prober.process, "prober")
    state.write(site.directory, replace(lab, prober=None))
    return Path(lab.prober.journal)


def _primary(site: Site) -> NodeRecord:
    """A running node that is no standby. Raises LabError."""
    for node in site.read().nodes:
        if process.is_running(node.process) and not process.is_frozen(node.process) and not server.is_standby(node):
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
