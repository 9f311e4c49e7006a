"""A report with something of everything, and hostile words in it."""

from __future__ import annotations

from typing import Any

from pgreplterm.drill.check import Check, Verdict
from pgreplterm.drill.figures import Curve, Figure, Mark
from pgreplterm.drill.report.model import Expectation, Outcome, Report, StepTime

BEGAN = 1_795_291_290.25
HOSTILE = 'x</td><script src="http://evil/"></script>|*b*`c`\x1b[31m\n# head'


def snapshot(*nodes: tuple[str, str | None]) -> dict[str, Any]:
    """As cluster.serialize has it, as far as reports look: names with their upstreams."""
    return {
        "nodes": [
            {
                "name": name,
                "role": "standby" if upstream else "primary",
                "state": "streaming",
                "timeline": 1,
                "upstream": upstream,
                "position": "0/5000148",
            }
            for name, upstream in nodes
        ],
        "links": [
            {"upstream": upstream, "downstream": name, "sender": {"sync_state": "async"}}
            for name, upstream in nodes
            if upstream
        ],
    }


def lag_points() -> tuple[tuple[float, float | None], ...]:
    """900 samples at 10 Hz: unknown from 50 to 62 s, and one peak of a single sample at 20.3 s."""
    values = [None if 500 <= tick < 620 else 9_999_999 if tick == 203 else 1000 + tick for tick in range(900)]
    return tuple((BEGAN + tick / 10, value) for tick, value in enumerate(values))


def sample() -> Report:
    """A scenario that was inconclusive."""
    return Report(
        kind="scenario",
        name="network-interruption",
        title="Network interruption",
        summary=f"pg2 was cut off, {HOSTILE}",
        lab="s05",
        backend="local",
        server_version="18.1",
        started_at=BEGAN,
        ended_at=BEGAN + 90,
        outcome=Outcome.INCONCLUSIVE,
        reason="catch_up_seconds was not measured",
        figures=(
            Figure("timeline", "Timeline", "1 -> 2", "", "of the WAL position, before and after"),
            Figure("wal_bytes", "WAL accumulated", 348_190_123, "bytes", "the primary's position, twice"),
            Figure("downtime_seconds", "Downtime", 0.412, "s", "last write acknowledged to the first by the new"),
            Figure("commit_p50_seconds", "Commit latency p50", 0.00059, "s", "of 12,034 commits"),
            Figure("lost_ids", "Lost", (17, 18, 19), "", f"acknowledged ids that {HOSTILE} does not have"),
            Figure("rows_per_second", "Rows", 121_034.2, "rows/s", "50,000 rows in one transaction"),
            Figure("stayed", "Never left streaming", True, "", "in 900 samples"),
            Figure("catch_up_seconds", "Catch-up", None, "s", "pg2 never reported a replay LSN"),
        ),
        expectations=(
            Expectation("lost_ids is 0", False, "lost_ids", (17, 18, 19)),
            Expectation("catch_up_seconds at most 30", None, "catch_up_seconds", None),
            Expectation("wal_bytes at least 1 MB", True, "wal_bytes", 348_190_123),
        ),
        preflight=(Check("one primary", Verdict.OK, "pg1"), Check("wal_log_hints", Verdict.WARNING, "off", "set it")),
        steps=(
            StepTime("cut pg2 off", BEGAN + 20, 0.05, "relay cut"),
            StepTime("wait", BEGAN + 50, 30.0, HOSTILE, "failed", "failover"),
        ),
        curves=(
            Curve("lag_bytes:pg2", "lag of pg2", "bytes", lag_points(), "pg2"),
            Curve("commits_per_second", "commits per second", "commits/s", ((BEGAN, 200.0), (BEGAN + 60, 210.0))),
            Curve("lag_bytes:pg3", "lag of pg3", "bytes", ((BEGAN, None), (BEGAN + 90, None)), "pg3"),
        ),
        marks=(Mark(BEGAN + 20, HOSTILE, "fault"), Mark(BEGAN + 50, "heal cut", "heal")),
        before=snapshot(("pg1", None), ("pg2", "pg1"), ("pg3", "pg2")),
        after=snapshot(("pg2", None), ("pg1", "pg2"), ("pg3", "pg1")),
        checks=(
            Check("rows equal", Verdict.OK, "orders: 12,034"),
            Check("one timeline", Verdict.REFUSAL, "pg3 is on 1"),
        ),
        files={"recording": "/tmp/x y/recording", "journal": "/runs/x/journal.jsonl"},
    )
