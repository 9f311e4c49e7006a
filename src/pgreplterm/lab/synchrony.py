"""What commits of a lab wait for, changed while it runs.

Owns: recording the rule and giving it to every node, since each may become the primary. Must not: judge whether
standbys keep it (a drill's), or parse it (``cluster.synchronous``).

The caller holds the lab's transaction.
"""

from __future__ import annotations

from dataclasses import replace

from pgreplterm.errors import PgReplTermError
from pgreplterm.lab import links, process, server, sql, state
from pgreplterm.lab.errors import LabError
from pgreplterm.lab.shape.recorded import tree_of
from pgreplterm.lab.shape.synchronous import checked_rule
from pgreplterm.lab.site import Site
from pgreplterm.lab.state import LabState, NodeRecord

COMMIT = "synchronous_commit"
MODES = ("off", "local", "remote_write", "on", "remote_apply")
"""What a commit waits for, the least first."""

RELOAD_TIMEOUT = 10.0
_LOOK = 0.01


def checked(lab: LabState, rule: str, commit: str | None = None) -> str:
    """The rule in its long form, if the lab as it is now could keep it. Raises LabError."""
    if commit and commit not in MODES:
        raise LabError(f"{COMMIT} is {', '.join(MODES[:-1])} or {MODES[-1]}: found {commit!r}")
    primary = _primary(lab)
    if primary is None:
        raise LabError(f"lab {lab.name!r} has not one primary, whose commits would wait")
    direct = [node.name for node in lab.nodes if node.upstream == primary.name]
    known = [node.name for node in tree_of(lab, primary.name).nodes]
    return checked_rule(rule, known, direct, primary.name)


def set_rule(site: Site, rule: str, commit: str | None = None) -> str:
    """synchronous_standby_names of every node from now on, "" for none; the rule as it is set.

    commit is synchronous_commit of every session that does not set its own: "" for the server's default, None leaves it
    as it is. Raises LabError when a primary runs that could never keep the rule; while none does, as between the stop
    of one and the promotion of another, the rule is the caller's.
    """
    lab = site.read()
    primary = _primary(lab)
    if primary is not None and site.is_running(primary):
        rule = checked(lab, rule, commit)
    changed = replace(lab, synchronous=rule, settings=_settings(lab, commit))
    state.write(site.directory, changed)
    edges = links.read(site.directory)
    for node in changed.nodes:
        edge = edges.edge(node.name, node.upstream) if node.upstream else None
        server.configure(node, changed, site.upstream(node, edge) if edge else None)
    told = [node for node in changed.nodes if site.is_running(node) and not site.is_frozen(node)]
    for node in told:
        site.backend.reload(node)
    for node in told:
        _await(site, node)
    return rule


def _await(site: Site, node: NodeRecord) -> None:
    """Return when that server has read its files again, or ended. Raises LabError."""
    try:
        with site.connect(node) as link:

            def has_read() -> bool:
                rows = link.execute(
                    "SELECT applied FROM pg_file_settings WHERE name = 'synchronous_standby_names' AND sourcefile ="
                    " current_setting('config_file') AND setting = current_setting('synchronous_standby_names')"
                ).fetchall()
                held = sql.value(link, "SELECT count(*) FROM pg_file_settings WHERE name = 'synchronous_standby_names'")
                return bool(rows) or held > 1  # ALTER SYSTEM has set it there, which wins

            if not process.wait_until(has_read, RELOAD_TIMEOUT, pause=_LOOK):
                raise LabError(f"{node.name} has not read its new synchronous rule within {RELOAD_TIMEOUT:.0f} s")
    except PgReplTermError:
        if site.is_running(node):
            raise


def _settings(lab: LabState, commit: str | None) -> dict[str, str]:
    kept = {name: value for name, value in lab.settings.items() if commit is None or name != COMMIT}
    return {**kept, COMMIT: commit} if commit else kept


def _primary(lab: LabState) -> NodeRecord | None:
    """The node that follows nobody; None when it is not one, as in the middle of a failover."""
    found = [node for node in lab.nodes if node.upstream is None and not server.is_standby(node)]
    return found[0] if len(found) == 1 else None
