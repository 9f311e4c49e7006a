"""The rules as a page of documentation.

Owns: docs/findings.md, which a test compares with what this makes. Must not: be needed at run time.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from textwrap import fill

from pgreplterm.cluster.findings import RULES, Rule
from pgreplterm.cluster.thresholds import PROFILES
from pgreplterm.cluster.words import duration_in_words, size_in_words

_INTRODUCTION = """# Findings

What `status`, `check` and the terminal call wrong, each with a stable id. This page is made from the rules:

    python -m pgreplterm.cluster.findings.document > docs/findings.md

A finding has a severity (info, unknown, warning, critical), the node it is about, a sentence, and the figures behind
it with their age. The worst one is the verdict on the cluster; info is no alarm. **Unknown is never ok**: what a role
may not see, or what nobody has said lately, is a finding of its own.

`status --json` gives each finding as `rule`, `severity`, `node`, `text`, `evidence`, `meaning`, `action` and `mysql`;
`check --explain ID` prints the texts of one rule.
"""
_WIDTH = 120
# What each limit is for, in the order of Thresholds; a figure above it is a finding unless said otherwise.
_LIMITS = {
    "replay_gap": "bytes a standby is behind in replay",
    "replay_gap_critical": "... critical",
    "time_lag": "time it is behind, beyond its recovery_min_apply_delay",
    "time_lag_critical": "... critical",
    "stalled_for": "time that replay stands still while received WAL waits",
    "commit_wait": "time a commit waits for a synchronous standby",
    "commit_wait_critical": "... critical",
    "safe_wal_size": "a slot that is lost after less WAL than this",
    "safe_wal_percent": "... or than this share of max_slot_wal_keep_size, but never more than half of it",
    "inactive_slot": "bytes that a slot nobody uses holds back",
    "ready_files": "WAL files that wait for the archiver",
    "requested_percent": "checkpoints requested, in percent of those timed",
    "requested_least": "... when there were so many",
    "checkpoints_least": "... of so many in all",
    "senders_percent": "walsenders in use, in percent of max_wal_senders",
}
_BYTES = frozenset({"replay_gap", "replay_gap_critical", "safe_wal_size", "inactive_slot"})


def page(rules: Sequence[Rule] = RULES) -> str:
    """The whole page."""
    return "\n".join([_INTRODUCTION, _limits(), *(explained(rule, "## ") for rule in rules)])


def explained(rule: Rule, heading: str = "") -> str:
    """One rule: what it means, what to do, what MySQL calls it."""
    can_be = " or ".join(severity.name.lower() for severity in rule.severities)
    paragraphs = (
        f"Severity: {can_be}.",
        rule.meaning,
        f"**What to do.** {rule.action}",
        f"**In MySQL.** {rule.mysql[0].upper()}{rule.mysql[1:]}.",
    )
    wrapped = (fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False) for text in paragraphs)
    return "\n\n".join((f"{heading}{rule.id}", *wrapped)) + "\n"


def _limits() -> str:
    lines = [
        "## Limits",
        "",
        f"| limit | {' | '.join(PROFILES)} | what for |",
        f"| --- |{' --- |' * len(PROFILES)} --- |",
    ]
    for name, purpose in _LIMITS.items():
        values = [_value(name, getattr(limits, name)) for limits in PROFILES.values()]
        lines.append(f"| {name} | {' | '.join(values)} | {purpose} |")
    return "\n".join(lines) + "\n"


def _value(name: str, value: float) -> str:
    if name in _BYTES:
        return size_in_words(int(value))
    if isinstance(value, float):
        return duration_in_words(value)
    return f"{value} %" if name.endswith("_percent") else str(value)


if __name__ == "__main__":
    sys.stdout.write(page())
