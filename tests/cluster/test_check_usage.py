"""``pgreplterm check`` without a server: whatever goes wrong is UNKNOWN, in one line, with exit code 3."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time

import pytest

from pgreplterm.cli import run
from pgreplterm.cli.plugin import Figure, Status, figures_of, first_line, status_of
from pgreplterm.cluster.findings import RULES, Severity
from pgreplterm.cluster.thresholds import PROFILES, Thresholds, with_limits

from .broken import BLIND, feeding, pair, settings, watched
from .samples import primary, receiver, seen, sender, slot, standby

NOWHERE = "host=127.0.0.1 port=1"


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--profile", "x"], "there is no profile 'x'; there are default, strict, relaxed"),
        (["--nope"], "No such option"),
        (["--timeout", "1"], "is not in the range"),
        (["-w", "5x"], "expected a size such as 10MB or a time such as 30s, found '5x'"),
        (["-w", "2GB"], "a warning must not come after its critical"),
        (["-c", ""], "expected a size such as 10MB or a time such as 30s, found ''"),
        (["hots=1"], 'invalid connection option "hots"'),
        (["--lab", "l", "host=x"], "exclude each other"),
        (["--lab", "no-such-lab"], "no-such-lab"),
        (["--explain", "x"], "there is no rule 'x'"),
    ],
)
def test_wrong_usage_is_unknown(args: list[str], words: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", *args]) == Status.UNKNOWN
    said = capsys.readouterr()
    assert said.out.startswith("PGREPLTERM UNKNOWN - ")
    assert words in said.out
    assert (said.out.count("\n"), said.err) == (1, "")


def test_a_defect_is_unknown_and_shows_no_secret(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no way\nwith password=hunter2")

    monkeypatch.setattr("pgreplterm.cluster.sampling.sampler.Sampler.sample_once", broken)
    assert run(["check", NOWHERE]) == Status.UNKNOWN
    assert capsys.readouterr().out == (
        "PGREPLTERM UNKNOWN - a defect of the check itself: RuntimeError no way with password=***\n"
    )


def test_an_interrupt_is_unknown() -> None:
    """As by a monitoring system that has waited long enough: here for a port that never answers."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        command = [sys.executable, "-m", "pgreplterm", "check", "--timeout", "60", f"host=127.0.0.1 port={port}"]
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        with silent.accept()[0] as asked:
            asked.recv(1)  # it is there and waits
            running.send_signal(signal.SIGTERM)
            out, err = running.communicate(timeout=20)
    assert (running.returncode, err) == (Status.UNKNOWN, "")
    assert out == "PGREPLTERM UNKNOWN - interrupted before the cluster was judged\n"


def test_nobody_there_is_critical_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    started = time.monotonic()
    assert run(["check", NOWHERE]) == Status.CRITICAL
    assert time.monotonic() - started < 8
    assert capsys.readouterr().out.startswith("PGREPLTERM CRITICAL - no server answers: 127.0.0.1:1 is down (")


def test_explain_prints_every_rule(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "--explain", "all"]) == 0
    out = capsys.readouterr().out
    assert all(f"{rule.id}\n\nSeverity: " in out for rule in RULES)
    assert run(["check", "--explain", "slot-lost"]) == 0
    assert capsys.readouterr().out.startswith("slot-lost\n\nSeverity: critical.\n")


def test_the_terminal_library_is_not_imported() -> None:
    code = (
        f"import sys; from pgreplterm.cli import run; run(['check', {NOWHERE!r}]); sys.exit('textual' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, capture_output=True).returncode == 0


def test_a_severity_is_a_status() -> None:
    assert {severity: status_of(severity) for severity in Severity} == {
        Severity.OK: Status.OK,
        Severity.INFO: Status.OK,
        Severity.UNKNOWN: Status.UNKNOWN,
        Severity.WARNING: Status.WARNING,
        Severity.CRITICAL: Status.CRITICAL,
    }


def test_the_figures_keep_to_the_convention() -> None:
    assert str(Figure("s1_replay", 12, "B", "10", "20")) == "'s1_replay'=12B;10;20;0"
    assert str(Figure("s1_time", 1.5, "s")) == "'s1_time'=1.500s;;;0"
    assert str(Figure("a=b|c'd", None, "B")) == "'a_b_c''d'=U"
    assert first_line(Status.OK, "a|b\nc", [Figure("x", 1, "B")]) == "PGREPLTERM OK - a/b c | 'x'=1B;;;0"


def test_unknown_figures_are_u_and_none_is_left_out() -> None:
    blind = receiver(None, status=None, sender_host=None, sender_port=None, last_message_age=None)
    hidden = standby("s1", receiver=blind, flush_lsn=None, replay_lsn=None, missing_privileges=BLIND)
    labels = {figure.label: figure.value for figure in figures_of(pair(primary(), hidden), Thresholds())}
    assert labels["s1_replay"] is None
    assert labels["s1_time"] is None


def test_two_standbys_of_one_name_have_figures_of_their_own() -> None:
    rows = tuple(sender("walreceiver", pid=pid, slot_name=None) for pid in (1, 2))
    found = [figure.label for figure in figures_of(watched(seen(primary(senders=rows))), Thresholds())]
    assert len(set(found)) == len(found)
    assert sum(label.startswith("walreceiver") and label.endswith("_replay") for label in found) == 2


def test_a_slots_safe_size_has_its_limits() -> None:
    snapshot = pair(feeding(slots=(slot("s1", retained=5, safe_wal_size=-7),)))
    told = {figure.label: str(figure) for figure in figures_of(snapshot, Thresholds())}
    assert told["pg1_slot_s1_retained"] == "'pg1_slot_s1_retained'=5B;;;0"
    assert told["pg1_slot_s1_safe"] == "'pg1_slot_s1_safe'=0B;67108864:;1:;0"

    small = pair(feeding(slots=(slot("s1", safe_wal_size=7),), activity=settings(max_slot_wal_keep_size="32")))
    told = {figure.label: str(figure) for figure in figures_of(small, Thresholds())}
    assert told["pg1_slot_s1_safe"] == "'pg1_slot_s1_safe'=7B;16777216:;1:;0"


def test_limits_are_read_in_the_servers_units() -> None:
    limits = with_limits(PROFILES["default"], "5 MB,1min", "1GB, 2h")
    assert (limits.replay_gap, limits.time_lag) == (5 * 1024**2, 60.0)
    assert (limits.replay_gap_critical, limits.time_lag_critical) == (1024**3, 7200.0)
    assert with_limits(limits, None, None) == limits
