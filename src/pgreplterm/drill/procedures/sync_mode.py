"""Changing what commits wait for: asynchronous, a quorum, or the first standbys of a list.

Owns: the order of its steps and their undo, and whether the standbys keep the rule. Must not: cancel anybody's wait.

The lab's own sessions commit with synchronous_commit = local, so a rule that nobody keeps cannot hold them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from statistics import median
from typing import ClassVar

from pgreplterm.cluster.model import ClusterSnapshot, Sender
from pgreplterm.cluster.synchronous import Method, SyncRule, parse_synchronous_standby_names
from pgreplterm.drill import undo
from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Figure, Mark
from pgreplterm.drill.preflight import for_sync_mode, look
from pgreplterm.drill.procedure import Option, Procedure, Scene, Step, Undo
from pgreplterm.drill.stage import Stage
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab import synchrony
from pgreplterm.lab.faults import settings

NAMES = "synchronous_standby_names"
COMMITS = 20
"""As many commits are timed afterwards."""

_COMMIT = "SELECT pg_logical_emit_message(true, 'pgreplterm', 'a commit that waits')"
_COMMIT_TIMEOUT = "5s"
_DEFAULT_COMMIT = "on"


class SyncMode(Procedure):
    """The rule goes to every node, so that it holds after a failover as well."""

    kind: ClassVar[str] = "sync-mode"
    effect: ClassVar[str] = "change what commits wait for: synchronous_standby_names, and synchronous_commit"
    radius: ClassVar[str] = "every commit from then on waits for the standbys that the rule names"
    duration: ClassVar[str] = "1 s"
    reversibility: ClassVar[str] = "at any time, by a reload"
    options: ClassVar[Mapping[str, Option]] = {
        "rule": Option("synchronous_standby_names: 'ANY 1 (pg2, pg3)', 'FIRST 1 (*)', or nothing for asynchronous"),
        "commit": Option("synchronous_commit: off, local, remote_write, on, remote_apply; left out: as it is"),
    }

    def __init__(self, scene: Scene) -> None:
        """What is wrong with the rule is for preflight to say."""
        super().__init__(scene)
        self._rule = scene.arguments.get("rule", "")
        self._commit = scene.arguments.get("commit") or None
        primaries = scene.snapshot.primaries
        self._primary = primaries[0].name if len(primaries) == 1 else "the primary"
        self._before = scene.lab.state.synchronous
        self._after: str | None = None
        self._seconds: float | None = None
        self._states: str | None = None
        self._commits: list[float] = []

    def preflight(self) -> tuple[Check, ...]:
        """That the lab could keep the rule, and that nothing else sets it."""
        return (*self._checks(), *for_sync_mode(self.scene, self._rule, look(self.scene.lab, self.scene.snapshot)))

    def steps(self) -> tuple[Step, ...]:
        """Set it, see that it is kept, and time some commits."""
        wanted = repr(self._rule) if self._rule else "empty: asynchronous"
        return (
            Step(
                "set rule",
                f"{NAMES} = {wanted} on every node, and a reload",
                "The rule is the primary's own setting and does not travel with the WAL. Every node gets it, so that "
                "the next primary waits as well. A reload is enough; commits that wait already are judged by the new "
                "rule at once.",
                self._set,
                self._undo_set,
            ),
            Step(
                "see it kept",
                f"wait until sync_state on {self._primary} is as the rule says",
                "Names in the rule are application_name, and only walsenders of the primary count: a cascade cannot "
                "confirm anything. With ANY the standbys are 'quorum', with FIRST the first ones 'sync' and the rest "
                "'potential'.",
                self._await_states,
            ),
            Step(
                "time commits",
                f"{COMMITS} commits one after the other on {self._primary}",
                "A commit waits for the standbys after it is on the primary's own disk and before anybody sees it. "
                "What it waits for there is synchronous_commit: written (remote_write), on disk (on), or visible "
                "(remote_apply). A wait that is cancelled is committed all the same.",
                self._time_commits,
            ),
        )

    def figures(self) -> tuple[Figure, ...]:
        """What was measured."""
        return tuple(self._figures())

    def summary(self) -> str:
        """What commits wait for now."""
        return f"commits on {self._primary} wait for {self._after or 'nobody'}"

    def _checks(self) -> Iterator[Check]:
        lab = self.scene.lab
        if len(self.scene.snapshot.primaries) != 1:
            names = ", ".join(node.name for node in self.scene.snapshot.primaries) or "none"
            yield Check("one primary", Verdict.REFUSAL, f"{names} answer as one")
            return
        try:
            rule = synchrony.checked(lab.state, self._rule, self._commit)
            yield Check("the rule can be kept", Verdict.OK, rule or "nobody is waited for")
        except PgReplTermError as error:
            yield Check("the rule can be kept", Verdict.REFUSAL, str(error))
        wanted = [NAMES, *([synchrony.COMMIT] if self._commit else [])]
        held = [name for name in wanted if name in settings.held(lab, self._primary)]
        if held:
            remedy = f"ALTER SYSTEM RESET it on {self._primary}, or heal the fault that set it"
            evidence = f"ALTER SYSTEM has set {', '.join(held)} on {self._primary}, which wins over the lab's"
            yield Check("nothing else sets it", Verdict.REFUSAL, evidence, remedy)

    def _undo_set(self, stage: Stage) -> Undo:
        was = stage.lab.state.settings.get(synchrony.COMMIT, "") if self._commit else None
        return undo.set_synchronous(self._before, was)

    def _set(self, stage: Stage) -> str:
        began = time.monotonic()
        stage.mark(Mark(time.time(), f"{NAMES} = {self._rule!r}"))
        self._after = stage.lab.set_synchronous(self._rule, self._commit)
        stage.until(self._is_known, f"{self._primary} to have the rule")
        self._seconds = time.monotonic() - began
        return f"{NAMES} = {self._after!r}" + (f", {synchrony.COMMIT} = {self._commit}" if self._commit else "")

    def _is_known(self, now: ClusterSnapshot) -> bool:
        node = now.node(self._primary)
        return node is not None and node.sample is not None and node.sample.synchronous_standby_names == self._after

    def _await_states(self, stage: Stage) -> str:
        rule = parse_synchronous_standby_names(self._after or "")

        def kept(now: ClusterSnapshot) -> bool:
            node = now.node(self._primary)
            return self._is_known(now) and node is not None and keeps(rule, node.sample.senders if node.sample else ())

        node = stage.until(kept, f"the standbys of {self._primary} to be as {self._after!r} says").node(self._primary)
        assert node is not None and node.sample is not None  # kept looked
        shown = sorted((each.application_name, str(each.sync_state)) for each in node.sample.senders)
        self._states = ", ".join(f"{name} {state}" for name, state in shown) or "no standby"
        return self._states

    def _time_commits(self, stage: Stage) -> str:
        mode = self._mode(stage)
        with stage.lab.connection(self._primary) as link:
            link.execute("SELECT set_config('synchronous_commit', %s, false)", [mode])
            link.execute("SELECT set_config('statement_timeout', %s, false)", [_COMMIT_TIMEOUT])
            for _ in range(COMMITS):
                began = time.perf_counter()
                link.execute(_COMMIT)
                self._commits.append(time.perf_counter() - began)
        if self._after and mode not in ("off", "local") and max(self._commits) > float(_COMMIT_TIMEOUT[:-1]):
            raise DrillFailed(f"expected commits on {self._primary} to end; one waited for {_COMMIT_TIMEOUT}.")
        return f"{COMMITS} commits with {mode}, the median {median(self._commits) * 1000:.2f} ms"

    def _mode(self, stage: Stage) -> str:
        state = stage.lab.state
        configured = {**state.settings, **state.node(self._primary).settings}
        return str(configured.get(synchrony.COMMIT, _DEFAULT_COMMIT))

    def _figures(self) -> Iterator[Figure]:
        how = f"{NAMES} of the lab, on every node"
        yield Figure("rule_before", "Rule before", self._before, "", how)
        yield Figure("rule_after", "Rule after", self._after, "", how)
        yield Figure("change_seconds", "Change", self._seconds, "s", f"reload to {self._primary} reporting the rule")
        yield Figure(
            "sync_states", "Standbys", self._states, "", f"sync_state in pg_stat_replication of {self._primary}"
        )
        how = f"{COMMITS} commits of one session, one after the other, by its own clock"
        known = len(self._commits) == COMMITS
        middle, slowest = (median(self._commits), max(self._commits)) if known else (None, None)
        yield Figure("commit_median_seconds", "Commit, median", middle, "s", how)
        yield Figure("commit_max_seconds", "Commit, slowest", slowest, "s", how)


def keeps(rule: SyncRule | None, senders: tuple[Sender, ...]) -> bool:
    """Whether the walsenders' sync_state is what the rule makes of those that are there, and enough of them are."""
    listed = () if rule is None else rule.candidates(senders)
    others = [each for each in senders if each not in listed]
    if any(each.sync_state != "async" for each in others if each.state == "streaming"):
        return False
    if rule is None:
        return True
    states = [each.sync_state for each in listed]
    if rule.method is Method.ANY:
        return len(listed) >= rule.count and set(states) == {"quorum"}
    last_sync = max(
        (rule.priority(each.application_name) or 0 for each in listed if each.sync_state == "sync"), default=0
    )
    first_other = min(
        (rule.priority(each.application_name) or 0 for each in listed if each.sync_state == "potential"),
        default=last_sync,
    )
    return states.count("sync") == rule.count and set(states) <= {"sync", "potential"} and last_sync <= first_other
