"""The monitoring-plugin convention: one line with a status and figures, more lines below, four exit codes.

Owns: that format (Monitoring Plugins Development Guidelines), and a click command that keeps to it whatever happens.
Must not: sample or judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, Any

import click

from pgreplterm.errors import PgReplTermError

if TYPE_CHECKING:
    from pgreplterm.cluster.findings import Finding, Severity
    from pgreplterm.cluster.model import ClusterSnapshot, Link, NodeSample
    from pgreplterm.cluster.thresholds import Thresholds

_NAME = "PGREPLTERM"


class Status(IntEnum):
    """The convention's words and exit codes."""

    OK = 0
    WARNING = 1
    CRITICAL = 2
    UNKNOWN = 3


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure: ``'label'=value unit;warn;crit;min``; value None is U, the convention's unknown."""

    label: str
    value: float | None
    unit: str
    warning: str = ""
    critical: str = ""

    def __str__(self) -> str:
        label = self.label.replace("=", "_").replace("|", "_").replace("'", "''")
        if self.value is None:
            return f"'{label}'=U"
        value = f"{self.value:d}" if isinstance(self.value, int) else f"{self.value:.3f}"
        return f"'{label}'={value}{self.unit};{self.warning};{self.critical};0"


class PluginCommand(click.Command):
    """A command whose every end is one of the four: a wrong option or a defect is UNKNOWN, in one line on stdout."""

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **extra: Any) -> click.Context:
        """A usage error is UNKNOWN."""
        try:
            return super().make_context(info_name, args, *more, **extra)
        except click.ClickException as error:
            raise _unknown(error.format_message()) from None

    def invoke(self, ctx: click.Context) -> Any:
        """So is everything that goes wrong later."""
        try:
            return super().invoke(ctx)
        except click.exceptions.Exit:
            raise
        except click.ClickException as error:
            raise _unknown(error.format_message()) from None
        except PgReplTermError as error:
            raise _unknown(str(error)) from None
        except (KeyboardInterrupt, click.Abort):
            raise _unknown("interrupted before the cluster was judged") from None
        except BrokenPipeError:
            raise
        except Exception as error:
            from pgreplterm.cluster.connecting.connect import scrub

            raise _unknown(scrub(f"a defect of the check itself: {type(error).__name__} {error}")) from None


def status_of(severity: Severity) -> Status:
    """The plugin's word for a severity; a piece of information is no alarm."""
    name = severity.name
    return Status[name] if name in Status.__members__ else Status.OK


def first_line(status: Status, text: str, figures: Iterable[Figure] = ()) -> str:
    """``PGREPLTERM STATUS - text | figures``."""
    told = " ".join(map(str, figures))
    return f"{_NAME} {status.name} - {_plain(text)}{' | ' + told if told else ''}"


def more_lines(found: Iterable[Finding]) -> Iterator[str]:
    """Each finding with its evidence and what to do."""
    from pgreplterm.cluster.findings import rule_of

    for finding in found:
        yield _plain(f"{finding.severity.name} {finding.rule}: {finding.sentence}")
        if finding.evidence:
            yield _plain(f"  evidence: {finding.evidence}")
        yield _plain(f"  what to do: {rule_of(finding).action}")


def figures_of(snapshot: ClusterSnapshot, limits: Thresholds) -> list[Figure]:
    """Every link's gaps and time, every slot's retained and safe bytes; a standby nobody knows of has unknown ones."""
    from pgreplterm.cluster.model import Role

    figures: list[Figure] = []
    linked = {link.downstream for link in snapshot.links}
    for link in snapshot.links:
        figures += _link_figures(snapshot, link, limits)
    for node in snapshot.nodes:
        if node.name not in linked and node.role is not Role.PRIMARY:
            figures += [Figure(f"{node.name}_replay", None, "B"), Figure(f"{node.name}_time", None, "s")]
    for node in snapshot.nodes:
        if node.sample is not None and node.failure is None:
            figures += _slot_figures(node.name, node.sample, limits)
    return _distinct(figures)


def _link_figures(snapshot: ClusterSnapshot, link: Link, limits: Thresholds) -> Iterator[Figure]:
    from pgreplterm.cluster.findings.lag import judged_gap
    from pgreplterm.cluster.findings.rule import View

    _, judged = judged_gap(View(snapshot, limits), link)
    for stage in ("unsent", "write", "flush", "replay"):
        bounds = (str(limits.replay_gap), str(limits.replay_gap_critical)) if stage == judged else ("", "")
        yield Figure(f"{link.downstream}_{stage}", getattr(link.gaps, stage), "B", *bounds)
    late = 0.0 if link.time_lag is None and link.gaps.replay == 0 else link.time_lag
    bounds = (f"{limits.time_lag:g}", f"{limits.time_lag_critical:g}")
    yield Figure(f"{link.downstream}_time", late, "s", *bounds)


def _slot_figures(name: str, sample: NodeSample, limits: Thresholds) -> Iterator[Figure]:
    from pgreplterm.cluster.findings.slots import safe_limit

    for slot in sample.slots:
        yield Figure(f"{name}_slot_{slot.name}_retained", slot.retained, "B")
        if slot.safe_wal_size is not None:
            safe = max(0, slot.safe_wal_size)
            yield Figure(f"{name}_slot_{slot.name}_safe", safe, "B", f"{safe_limit(sample, limits)}:", "1:")


def _distinct(figures: list[Figure]) -> list[Figure]:
    """Two standbys of one application_name must not share a label: a grapher would mix them."""
    from dataclasses import replace

    seen: dict[str, int] = {}
    distinct: list[Figure] = []
    for figure in figures:
        seen[figure.label] = number = seen.get(figure.label, 0) + 1
        distinct.append(figure if number == 1 else replace(figure, label=f"{figure.label}_{number}"))
    return distinct


def _unknown(text: str) -> click.exceptions.Exit:
    click.echo(first_line(Status.UNKNOWN, text))
    return click.exceptions.Exit(Status.UNKNOWN)


def _plain(text: str) -> str:
    """One line without a ``|``, which begins the figures."""
    from pgreplterm.cluster.words import printable

    return printable(" ".join(text.split("\n"))).replace("|", "/")
