"""What clients saw so far: latency and throughput by stage, ids by fate, and who waits for a standby now.

Owns: commit-latency, throughput, clients and waiting-commits. Must not: start or stop clients.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pgreplterm.cluster.activity import Waiter
from pgreplterm.cluster.decoded.waiting import waiters_with_lsns
from pgreplterm.cluster.decoded.wal_range import wal_of
from pgreplterm.drill.figures import Figure
from pgreplterm.drill.measure import latency
from pgreplterm.drill.measure.client_figures import ALL as CLIENT_FIGURES
from pgreplterm.drill.measure.client_figures import client_figures
from pgreplterm.drill.measure.clients import ClientSeen, attempts_of, downtime_around, seen
from pgreplterm.drill.measure.context import Context, Window
from pgreplterm.drill.measure.measure import Measure
from pgreplterm.drill.measure.options import Options, Parameter
from pgreplterm.drill.measure.pattern import Pattern
from pgreplterm.errors import DrillFailed, PgReplTermError
from pgreplterm.lab.journal import Attempt

_SENT = "from sent to acknowledged by the clients' own clock; commits sent in that stage on open connections"
_PERCENTS = ("p50", "p95", "p99", "max")
LATENCY = {
    word: Pattern(f"commit_{word}_seconds:STAGE", f"Commit {word} in STAGE", "s", f"{word} of the time {_SENT}")
    for word in _PERCENTS
}
OF_SERVER = {
    word: Pattern(
        f"commit_{word}_seconds:STAGE:SERVER",
        f"Commit {word} in STAGE on SERVER",
        "s",
        f"{word} of those of one server",
    )
    for word in _PERCENTS
}
COUNT = Pattern("commits:STAGE", "Commits in STAGE", "commits", "how many the percentiles are of")
THROUGHPUT = Pattern(
    "commits_per_second:STAGE",
    "Commits a second in STAGE",
    "commits/s",
    "acknowledgements of all clients in that stage over its time, as far as clients ran",
)
WAITING = Pattern(
    "waiting_commits", "Commits that wait", "sessions", "sessions with wait event SyncRep on the primary, now"
)
LONGEST = Pattern("waiting_longest_seconds", "Longest wait", "s", "since the transaction's last state change")
WAITS_FOR = Pattern(
    "waits_for_lsn:PID",
    "Session PID waits for",
    "",
    "the end of its commit record, found in the primary's WAL by the session's transaction id",
    "in any view: PostgreSQL keeps it in shared memory",
)
ALL_WAIT = Pattern("all_writers_wait", "Every writer waits", "", "as many sessions wait as there are clients of ours")

_SINCE = Parameter('one stage, or "start", "fault", "heal" (the last); each stage there was unless said', "")


def _windows(context: Context, options: Options) -> tuple[Window, ...]:
    word = options.text("since")
    return (context.window(word),) if word else context.stages() or (context.window("start"),)


def _clients(context: Context) -> latency.Attempts:
    if not context.probes:
        raise DrillFailed("expected clients whose journals can be read; start some with a [clients] table.")
    return attempts_of(context.probes)


def _commit_latency(context: Context, options: Options) -> tuple[Figure, ...]:
    clients = _clients(context)
    names = {node.port: node.name for node in context.stage.lab.nodes}
    figures: list[Figure] = []
    for window in _windows(context, options):
        spread = latency.latencies(clients, window.since, window.until)
        figures += [
            pattern.figure(getattr(spread, word), window.name, how=f"{pattern.how}: {spread.known} commits")
            for word, pattern in LATENCY.items()
        ]
        figures.append(COUNT.figure(spread.known, window.name))
        if options.flag("per_server"):
            figures += _per_server(clients, window, names)
    return tuple(figures)


def _per_server(clients: latency.Attempts, window: Window, names: dict[int, str]) -> Iterator[Figure]:
    for port in latency.ports(clients):
        spread = latency.latencies(clients, window.since, window.until, port)
        if spread.known:
            for word, pattern in OF_SERVER.items():
                yield pattern.figure(getattr(spread, word), window.name, names.get(port, str(port)))


def _throughput(context: Context, options: Options) -> tuple[Figure, ...]:
    clients = _clients(context)
    return tuple(
        THROUGHPUT.figure(latency.throughput(clients, window.since, window.until), window.name)
        for window in _windows(context, options)
    )


def _seen(context: Context, options: Options) -> tuple[Figure, ...]:
    """By a read of every client's ids on the primary, begun after their journals were read."""
    around = options.text("around")
    moment = context.moment(around) if around else None
    clients = [_client(context, number, attempts, moment) for number, attempts in sorted(_clients(context).items())]
    return client_figures(clients, f"around {around}" if around else "")


def _client(context: Context, number: int, attempts: Sequence[Attempt], moment: float | None) -> ClientSeen:
    read = context.stage.lab.read_probes(context.primary().name, number)
    last = max((each.id for each in attempts), default=0)
    read = replace(read, ids=tuple(one for one in read.ids if one <= last))  # later ones the client writes meanwhile
    return seen(number, attempts, [read], downtime_around(attempts, moment) if moment is not None else None)


def _waiting(context: Context, _: Options) -> tuple[Figure, ...]:
    context.fresh()
    node = context.primary()
    waiters = node.sample.activity.waiters if node.sample is not None else None
    if node.sample is None or waiters is None:
        return (WAITING.figure(None, how="the primary's sessions cannot be seen"), LONGEST.figure(None))
    try:
        found = waiters_with_lsns(node.sample, wal_of(context.target(node.name), node.timeline))
    except PgReplTermError as error:
        found, why = waiters, f"the WAL could not be read: {error}"
    else:
        why = ""
    return tuple(_of_waiters(found, len(context.stage.journals), why))


def _of_waiters(waiters: Sequence[Waiter], clients: int, why: str) -> Iterator[Figure]:
    yield WAITING.figure(len(waiters))
    waits = [waiter.waiting for waiter in waiters if waiter.waiting is not None]
    yield LONGEST.figure(max(waits, default=None))
    if clients:
        ours = sum("prober" in waiter.application_name for waiter in waiters)
        yield ALL_WAIT.figure(ours >= clients, how=f"{ours} of {clients} clients have wait event SyncRep")
    for waiter in waiters:
        lsn = str(waiter.lsn) if waiter.lsn is not None else None
        reason = why or "its commit record was not found in the last 64 MB of WAL"
        who = f"{WAITS_FOR.how}; {waiter.application_name or 'no application_name'}, xid {waiter.xid}"
        yield WAITS_FOR.figure(lsn, str(waiter.pid), how=who if lsn else reason)


MEASURES = (
    Measure(
        "commit-latency",
        "how long commits took that clients sent, p50, p95, p99 and max, in each stage",
        (*LATENCY.values(), *OF_SERVER.values(), COUNT),
        _commit_latency,
        {"since": _SINCE, "per_server": Parameter("of each server too", False)},
    ),
    Measure(
        "throughput", "commits a second of the clients in each stage", (THROUGHPUT,), _throughput, {"since": _SINCE}
    ),
    Measure(
        "clients",
        "what the clients saw so far: acknowledged, failed, unknown, lost, duplicate, and how long nobody served them",
        CLIENT_FIGURES,
        _seen,
        {"around": Parameter('downtime around this moment: "fault", "heal", a stage; none unless said', "")},
    ),
    Measure(
        "waiting-commits",
        "the sessions that wait for a synchronous standby now, and the LSN each waits for",
        (WAITING, LONGEST, ALL_WAIT, WAITS_FOR),
        _waiting,
    ),
)
