"""Which finding is raised how long after a fault, and which while nothing was wrong.

Owns: alerts. Must not: have limits of its own: they are those of a profile of ``config``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pgreplterm.cluster.findings import RULES, Severity
from pgreplterm.cluster.thresholds import PROFILES
from pgreplterm.cluster.words import printable
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure.alarms import Alarm
from pgreplterm.drill.measure.context import Context
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.errors import DrillFailed

AFTER = Pattern(
    "alert_seconds:RULE",
    "Alert RULE after",
    "s",
    "from that moment to the first tick at which the finding is there, by ten looks a second",
    "the time until somebody is told: a monitoring system looks less often",
)
FIRST = Pattern("first_alert", "First alert", "", "the finding that came first after that moment")
FIRST_AFTER = Pattern("first_alert_seconds", "First alert after", "s", "from that moment to that finding")
SEVERITY = Pattern("alert_severity:RULE", "Alert RULE is", "", "the worst severity it had")
COUNT = Pattern("alerts", "Alerts", "", "different findings raised after that moment, information left out")
FALSE = Pattern(
    "false_alarms",
    "False alarms",
    "",
    "findings that were there from the quiet moment on until that moment, at any tick",
)
OVER = Pattern("alert_lasted_seconds:RULE", "Alert RULE lasted", "s", "from its first tick to the first without it")


def _alerts(context: Context, options: Options) -> tuple[Figure, ...]:
    since, quiet = context.moment(options.text("since")), options.text("quiet_since")
    profile, rules = options.text("profile"), options.names("rules")

    def raised() -> dict[str, Alarm]:
        found: dict[str, Alarm] = {}
        for each in context.track.alarms.all(profile):
            if each.since >= since:
                found.setdefault(each.rule, each)
        return found

    within = options.number("within")
    if rules and within:
        try:
            context.stage.until(lambda _: set(rules) <= raised().keys(), f"{', '.join(rules)} to be raised", within)
        except DrillFailed as error:
            context.stage.observe(str(error))
    found = raised()
    figures = list(_raised(found, rules, since, profile))
    if quiet:
        before = context.moment(quiet)
        figures.append(_false(context.track.alarms.all(profile), before, since))
    return tuple(figures)


def _raised(found: dict[str, Alarm], rules: Sequence[str], since: float, profile: str) -> Iterator[Figure]:
    first = min(found.values(), key=lambda each: each.since, default=None)
    yield COUNT.figure(len(found), how=f"{COUNT.how}; profile {profile}: {', '.join(found) or 'none'}")
    yield FIRST.figure(first.rule if first else None)
    yield FIRST_AFTER.figure(first.since - since if first else None)
    for rule in dict.fromkeys((*rules, *found)):
        alarm = found.get(rule)
        how = printable(f"{alarm.node or 'cluster'}: {alarm.sentence}") if alarm else "it was not raised"
        yield AFTER.figure(alarm.since - since if alarm else None, rule, how=how)
        yield SEVERITY.figure(alarm.severity.name.lower() if alarm else None, rule)
        lasted = alarm.until - alarm.since if alarm is not None and alarm.until is not None else None
        yield OVER.figure(lasted, rule, how=OVER.how if lasted is not None else "it lasts, or was not raised")


def _false(alarms: Sequence[Alarm], quiet: float, since: float) -> Figure:
    there = [each for each in alarms if each.since < since and (each.until is None or each.until > quiet)]
    worst = [each for each in there if each.severity >= Severity.UNKNOWN]
    names = ", ".join(dict.fromkeys(each.rule for each in worst))
    return FALSE.figure(len(worst), how=FALSE.how + (f": {names}" if names else ""))


MEASURES = (
    Measure(
        "alerts",
        "which finding is raised how long after a moment, and how many there were while nothing was wrong",
        (COUNT, FIRST, FIRST_AFTER, AFTER, SEVERITY, OVER, FALSE),
        _alerts,
        {
            "since": Parameter('after when: "fault" (the last), "heal" or a stage', "fault"),
            "rules": Parameter(
                "findings that are expected; they are waited for", (), choices=tuple(r.id for r in RULES)
            ),
            "within": Parameter("how long to wait for those", 10.0, "s", least=0),
            "profile": Parameter("limits", "default", choices=tuple(PROFILES)),
            "quiet_since": Parameter('count false alarms from then on, "start" or a stage; none unless said', ""),
        },
    ),
)
