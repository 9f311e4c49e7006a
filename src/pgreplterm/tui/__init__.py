"""The terminal program: snapshots drawn, keys taken, nothing decided.

    source = DsnSource(targets(["host=pg1,pg2"]), title="prod")
    sys.exit(run(source))

Owns: the screens. Must not: judge, sample, write to a server, or run a drill in this process.
Importing this package costs nothing; Textual is imported by ``run``.
"""

from __future__ import annotations

from pgreplterm.tui.options import TuiOptions
from pgreplterm.tui.sources import ClusterSource, DsnSource, LabSource

__all__ = ["ClusterSource", "DsnSource", "LabSource", "TuiOptions", "run"]


def run(
    source: ClusterSource,
    *,
    drills: bool = False,
    lab_name: str | None = None,
    options: TuiOptions | None = None,
) -> int:
    """Open the terminal on a source until the user leaves; the exit status.

    drills arms the drills, which still run only on the source's own lab; lab_name, when given, must be that lab's.
    """
    from pgreplterm.tui.launch import launch

    return launch(source, drills=drills, lab_name=lab_name, options=options or TuiOptions())
