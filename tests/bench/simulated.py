"""A simulated cluster of any size: what one real primary and one real standby answered, under other names.

Owns: the recording, its multiplication into a tree, and the process that answers. Must not: measure.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pgreplterm.cluster.connecting.connect import Target, named_target
from pgreplterm.cluster.sampling.statements import Capabilities, capabilities_sql, folder_sql, sample_sql
from tests.cluster.replicas import Node, cluster

Answer = dict[str, Any]
_END = "@LSN@"  # the stub puts a position there that moves
_STUB = Path(__file__).with_name("stub_server.py")


@contextmanager
def simulated(nodes: int, fan_out: int) -> Iterator[tuple[list[Target], int]]:
    """Targets of that many servers on Unix sockets, a primary first, each with at most fan_out standbys; their pid."""
    with tempfile.TemporaryDirectory(prefix="pgreplterm-") as name:
        folder = Path(name)
        answers = folder / "answers.json"
        answers.write_text(json.dumps(_answers(nodes, fan_out)))
        stub = subprocess.Popen([sys.executable, _STUB, folder, answers])
        try:
            deadline = time.monotonic() + 20
            while not (folder / "ready").exists():
                assert time.monotonic() < deadline and stub.poll() is None
                time.sleep(0.02)
            sockets = (f"host={folder / str(number)} user=postgres" for number in range(nodes))
            yield [named_target(f"n{number}", dsn) for number, dsn in enumerate(sockets)], stub.pid
        finally:
            stub.terminate()
            stub.wait(10)


def _answers(nodes: int, fan_out: int) -> list[dict[str, str]]:
    """For each node, what it answers to a statement that holds the key."""
    with cluster(18, {"pg1": None, "s1": "pg1"}) as made:
        primary, standby = _recorded(made["pg1"]), _recorded(made["s1"])
        capabilities = _value(made["pg1"], capabilities_sql(18))
        folder = _value(made["pg1"], folder_sql(18, Capabilities()) or "")
    answers: list[dict[str, str]] = []
    for number in range(nodes):
        below = [child for child in range(number * fan_out + 1, (number + 1) * fan_out + 1) if child < nodes]
        answer = _renamed(standby if number else primary, number, below, primary)
        text = json.dumps(answer)
        without_settings = json.dumps({**answer, "settings": None})
        answers.append(
            {"'denied'": json.dumps(capabilities), "'segments'": json.dumps(folder), "'senders'": text,
             "held:'senders'": without_settings}
        )  # fmt: skip
    return answers


def _renamed(recorded: Answer, number: int, below: list[int], primary: Answer) -> Answer:
    answer = json.loads(json.dumps(recorded))
    sender, slot = primary["senders"][0], primary["slots"][0]
    answer["senders"] = [
        {**sender, "pid": 1000 + child, "application_name": f"n{child}", "slot_name": f"n{child}"}
        | dict.fromkeys(("sent_lsn", "write_lsn", "flush_lsn", "replay_lsn"), _END)
        for child in below
    ]
    answer["slots"] = [
        {**slot, "name": f"n{child}", "active_pid": 1000 + child, "restart_lsn": _END} for child in below
    ]
    answer["settings"] |= {"cluster_name": f"n{number}", "primary_slot_name": f"n{number}" if number else ""}
    if number:
        answer["receiver"] |= {"slot_name": f"n{number}"}
        answer["receiver"] |= dict.fromkeys(("written_lsn", "flushed_lsn", "latest_end_lsn"), _END)
        answer["node"] |= {"flush_lsn": _END, "replay_lsn": _END}
    else:
        answer["node"] |= {"write_lsn": _END, "flush_lsn": _END}
    return answer  # type: ignore[no-any-return]


def _recorded(node: Node) -> Answer:
    statement = sample_sql(18, Capabilities())
    for number in (1, 2, 3):
        statement = statement.replace(f"${number}", "NULL")
    answer: Answer = _value(node, statement)
    return answer


def _value(node: Node, statement: str) -> Any:
    return node.sql(statement)
