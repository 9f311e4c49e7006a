"""``pgreplterm export``: what Prometheus' own parser reads out of it, and how it is served."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from pgreplterm.cli import run
from pgreplterm.errors import ExitCode

from .replicas import Cluster

Labels = dict[str, str]


def read(text: str) -> dict[str, list[tuple[Labels, float]]]:
    """Samples by name, as the parser gives them."""
    found: dict[str, list[tuple[Labels, float]]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((dict(sample.labels), float(sample.value)))
    return found


def once(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, dict[str, list[tuple[Labels, float]]]]:
    status = run(["export", "--once", *words])
    return status, read(capsys.readouterr().out)


def by_node(samples: list[tuple[Labels, float]]) -> dict[str, float]:
    return {labels["node"]: value for labels, value in samples}


def test_a_healthy_cluster(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    calm["s1"].wait_for("count(*) = 1 from pg_replication_slots where restart_lsn is not null")
    status, found = once(capsys, *calm.dsns())
    assert status == ExitCode.OK
    assert by_node(found["pgreplterm_up"]) == {"pg1": 1, "s1": 1, "leaf": 1, "s2": 1}
    roles = {labels["node"]: labels["role"] for labels, _ in found["pgreplterm_node_info"]}
    assert roles == {"pg1": "primary", "s1": "standby", "s2": "standby", "leaf": "cascade"}
    gaps = {(labels["upstream"], labels["downstream"]): value for labels, value in found["pgreplterm_replay_gap_bytes"]}
    assert set(gaps) == {("pg1", "s1"), ("pg1", "s2"), ("s1", "leaf")}
    assert {labels["severity"]: value for labels, value in found["pgreplterm_verdict"]}["ok"] == 1
    current = int(calm["pg1"].sql("select pg_current_wal_lsn() - '0/0'"))
    assert 0 < by_node(found["pgreplterm_wal_position_bytes"])["pg1"] <= current
    timed = int(calm["pg1"].sql(CHECKPOINTS[calm["pg1"].sql("show server_version_num") >= "170000"]))
    assert by_node(found["pgreplterm_checkpoints_timed_total"])["pg1"] <= timed
    slots = {(labels["node"], labels["slot"]) for labels, _ in found["pgreplterm_slot_retained_bytes"]}
    assert {("pg1", "s1"), ("pg1", "s2"), ("s1", "leaf")} <= slots


CHECKPOINTS = {
    False: "select checkpoints_timed from pg_stat_bgwriter",
    True: "select num_timed from pg_stat_checkpointer",
}


def test_what_is_not_known_has_no_sample(calm: Cluster, capsys: pytest.CaptureFixture[str]) -> None:
    status, found = once(capsys, *calm.dsns("nobody_special"), "host=127.0.0.1 port=1")
    assert status == ExitCode.NO_PRIVILEGE or status == ExitCode.FINDING
    assert by_node(found["pgreplterm_up"])["127.0.0.1:1"] == 0
    assert "127.0.0.1:1" not in by_node(found["pgreplterm_sample_age_seconds"])
    assert "127.0.0.1:1" not in by_node(found["pgreplterm_wal_position_bytes"])
    assert "pgreplterm_archive_ready_segments" not in found
    assert {labels["severity"]: value for labels, value in found["pgreplterm_verdict"]}["ok"] == 0
    assert found["pgreplterm_findings"]


@contextmanager
def served(*words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    command = [sys.executable, "-m", "pgreplterm", "export", "--listen", "0", "--interval", "0.1", *words]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        try:
            line = process.stderr.readline()
            match = re.search(r"http://127\.0\.0\.1:\d+/metrics", line)
            assert match is not None, line
            yield process, match[0]
        finally:
            process.kill()


def test_it_is_served_to_this_machine_until_it_is_told_to_end(calm: Cluster) -> None:
    with served(*calm.dsns()) as (process, url):
        asked = urllib.request.Request(url, headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        stamps: set[float] = set()
        while len(stamps) < 2:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                text = answer.read().decode()
            stamps |= {value for _, value in read(text).get("pgreplterm_snapshot_timestamp_seconds", [])}
        assert sum(by_node(read(text)["pgreplterm_up"]).values()) == 4
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == ExitCode.INTERRUPTED


@pytest.mark.parametrize("listen", ["here", "1:2:3", "127.0.0.1:70000", ""])
def test_a_wrong_address_is_one_sentence(listen: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["export", "--listen", listen, "host=127.0.0.1 port=1"]) == ExitCode.USAGE
    assert "expected [HOST:]PORT" in capsys.readouterr().err


def test_an_address_in_use_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    with served("host=127.0.0.1 port=1") as (_, url):
        taken = url.split("/")[2]
        assert run(["export", "--listen", taken, "host=127.0.0.1 port=1"]) == ExitCode.USAGE
        assert "in use" in capsys.readouterr().err
