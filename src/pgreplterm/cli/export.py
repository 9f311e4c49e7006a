"""``pgreplterm export``: every figure as OpenMetrics, once on stdout or served to Prometheus.

Owns: the notation, and serving the newest snapshot. Must not: sample for a scrape: sampling has its own interval.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.cli.watching import discovers, exit_code, server_options, watched
from pgreplterm.errors import ExitCode, PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.connecting.connect import Target
    from pgreplterm.cluster.metrics import Metric
    from pgreplterm.cluster.model import ClusterSnapshot

LISTEN = "127.0.0.1:9187"
_LISTEN = re.compile(r"(?:(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]*):)?(?P<port>\d{1,5})")


@click.command()
@server_options
@click.option("--listen", metavar="[HOST:]PORT", default=LISTEN, show_default=True, help="Where to serve /metrics.")
@click.option("--once", is_flag=True, help="Write the figures of one sample to stdout instead.")
@click.option("--interval", type=click.FloatRange(min=0.1), default=5.0, show_default=True, help="Seconds a sample.")
def export(dsns: tuple[str, ...], lab_name: str | None, listen: str, once: bool, interval: float) -> int:
    """Every figure as OpenMetrics, for Prometheus.

    Servers are asked every interval, whoever scrapes; a figure that is not known has no sample, and each node's says
    how old it is. Only this machine is served unless --listen names another address; there is no password, so anybody
    who reaches that can read.

    With --once, exits as status does.
    """
    host, port = _address(listen)
    watching = watched(dsns, lab_name)
    _require_client()
    if once:
        return asyncio.run(_once(watching))
    return asyncio.run(_serve(watching, interval, host, port))


async def _once(watching: Sequence[Target]) -> int:
    from pgreplterm.cluster.sampling.sampler import Sampler

    async with Sampler(watching, discover=discovers()) as sampler:
        snapshot = await sampler.sample_once()
        click.echo(exposition(snapshot), nl=False)
        return exit_code(snapshot, sampler.lacks_privilege)


async def _serve(watching: Sequence[Target], interval: float, host: str, port: int) -> int:
    from prometheus_client import CollectorRegistry, start_http_server

    from pgreplterm.cli import say
    from pgreplterm.cluster.sampling.sampler import Sampler

    newest, registry = Newest(), CollectorRegistry(auto_describe=False)
    registry.register(newest)
    try:
        server, _ = start_http_server(port, host, registry)
    except OSError as error:
        raise PgReplTermError(
            f"--listen {host}:{port}: expected an address to serve on; {error.strerror or error}."
        ) from error
    try:
        say(f"serving http://{_shown(host)}:{server.server_port}/metrics, a sample every {interval:g} s.")
        async for snapshot in Sampler(watching, interval, discover=discovers()):
            newest.snapshot = snapshot
    finally:
        server.shutdown()
        server.server_close()
    return ExitCode.OK


def exposition(snapshot: ClusterSnapshot) -> str:
    """The snapshot in OpenMetrics' text format."""
    from prometheus_client import CollectorRegistry
    from prometheus_client.openmetrics.exposition import generate_latest

    newest, registry = Newest(), CollectorRegistry(auto_describe=False)
    newest.snapshot = snapshot
    registry.register(newest)
    text: bytes = generate_latest(registry)  # type: ignore[no-untyped-call]
    return text.decode()


class Newest:
    """The newest snapshot, as prometheus_client collects it; nothing before the first."""

    def __init__(self) -> None:
        self.snapshot: ClusterSnapshot | None = None

    def collect(self) -> Iterator[Any]:
        """Each metric as a family."""
        from pgreplterm.cluster.metrics import metrics

        if self.snapshot is not None:
            for metric in metrics(self.snapshot):
                yield _family(metric)


def _family(metric: Metric) -> Any:
    from prometheus_client.core import Metric as Family

    suffix = {"counter": "_total", "info": "_info"}.get(metric.kind, "")
    family = Family(metric.name, metric.help, str(metric.kind))
    for labels, value in metric.samples:
        family.add_sample(f"{metric.name}{suffix}", dict(labels), value)
    return family


def _address(listen: str) -> tuple[str, int]:
    match = _LISTEN.fullmatch(listen)
    if match is None or not 0 <= int(match["port"]) <= 65535:
        raise click.UsageError(f"--listen: expected [HOST:]PORT with a port up to 65535, found {listen!r}")
    return (match["host"] or "127.0.0.1").strip("[]"), int(match["port"])


def _shown(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _require_client() -> None:
    from importlib.util import find_spec

    if find_spec("prometheus_client") is None:
        raise PgReplTermError("export: expected the package prometheus-client; pip install 'pgreplterm[export]'")
