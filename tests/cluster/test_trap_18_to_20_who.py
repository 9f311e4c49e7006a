"""Traps 18 to 20: whom pg_stat_replication lists, whom it does not, and by whose clock."""

from __future__ import annotations

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, NodeState
from pgreplterm.lab.binaries import environment
from tests.wal.servers import EDGES

from . import naive, replicas
from .naive import refutes
from .replicas import Cluster, Node, cluster
from .watching import gaps, states, until, watch

AHEAD = 300  # seconds
# Every PostgreSQL takes its timestamps from gettimeofday(): reply_time, too.
_SHIFTED_CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <sys/time.h>

int gettimeofday(struct timeval *restrict now, void *restrict zone)
{
    static int (*real)(struct timeval *, void *);
    if (!real)
        real = (int (*)(struct timeval *, void *)) dlsym(RTLD_NEXT, "gettimeofday");
    int result = real(now, zone);
    now->tv_sec += atol(getenv("CLOCK_AHEAD"));
    return result;
}
"""


@pytest.fixture(scope="module", params=EDGES, ids=lambda major: f"pg{major}")
def chain(request: pytest.FixtureRequest) -> Iterator[Cluster]:
    """A primary that also decodes, a standby, and a cascade below it."""
    with cluster(request.param, {"pg1": None, "s1": "pg1", "leaf": "s1"}) as made:
        made["pg1"].configure(wal_level="logical")
        made["pg1"].stop()
        made["pg1"].start()
        made["s1"].wait_for("status = 'streaming' from pg_stat_wal_receiver")
        yield made


@contextmanager
def client(node: Node, program: str, *args: str | Path) -> Iterator[None]:
    """A replication client of that server, ended at the end."""
    process = subprocess.Popen(
        [node.bin / program, "-h", node.folder, "-U", "postgres", *args],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", env=environment(), **node.account.spawn_options,
    )  # fmt: skip
    try:
        yield
    finally:
        process.kill()
        process.wait(20)


def folder_for(node: Node, name: str) -> Path:
    """An empty folder of the server's own user."""
    made = node.folder / name
    made.mkdir()
    node.account.own(made)
    return made


def kinds(snapshot: ClusterSnapshot, upstream: str) -> list[LinkKind]:
    return sorted(link.kind for link in snapshot.links if link.upstream == upstream)


async def test_trap_18_a_cascade_is_invisible_from_the_primary(chain: Cluster) -> None:
    """And over a socket no row has an address to find a standby by."""

    def check(standbys: int) -> None:
        assert standbys == 2

    async with watch(chain) as sampler:
        seen = await until(sampler, lambda seen: len(seen.links) == 2 and states(seen)["leaf"] is NodeState.STREAMING)
    assert {link.downstream: link.upstream for link in seen.links} == {"s1": "pg1", "leaf": "s1"}
    assert chain["pg1"].sql("select client_addr from pg_stat_replication") is None
    refutes(check, ours=len(seen.links), naive=naive.rows_of_pg_stat_replication(chain["pg1"]))


async def test_trap_19_not_every_row_is_a_standby(chain: Cluster) -> None:
    """pg_receivewal, both walsenders of a base backup and a logical client stand beside the one standby."""
    pg1 = chain["pg1"]
    pg1.sql("create publication all_changes for all tables")
    pg1.sql("select pg_create_logical_replication_slot('changes', 'pgoutput')")
    changes = ("-d", "postgres", "-S", "changes", "--start", "-f", "-")
    decode = ("-o", "proto_version=1", "-o", "publication_names=all_changes")
    copy = ("-D", folder_for(pg1, "copy"), "-c", "fast", "-X", "stream", "--max-rate=32")

    def check(standbys: int) -> None:
        assert standbys == 1

    with ExitStack() as clients:
        clients.enter_context(client(pg1, "pg_receivewal", "-D", folder_for(pg1, "received")))
        clients.enter_context(client(pg1, "pg_recvlogical", *changes, *decode))
        clients.enter_context(client(pg1, "pg_basebackup", *copy))
        pg1.wait_for("count(*) = 5 from pg_stat_replication where state in ('streaming', 'backup')")
        async with watch(chain) as sampler:
            seen = await until(sampler, lambda seen: len(kinds(seen, "pg1")) == 5)
            rows = naive.rows_of_pg_stat_replication(pg1)
    found = kinds(seen, "pg1")
    assert found == sorted([LinkKind.STANDBY, LinkKind.RECEIVEWAL, LinkKind.LOGICAL, LinkKind.BACKUP, LinkKind.BACKUP])
    refutes(check, ours=found.count(LinkKind.STANDBY), naive=rows)


@pytest.fixture(scope="module")
def shifted_clock(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A library that puts a server's clock off, where every account may read it."""
    source = tmp_path_factory.mktemp("clock") / "clock.c"
    source.write_text(_SHIFTED_CLOCK)
    with replicas.scratch_folder() as folder:
        library = folder / "clock.so"
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("no C compiler to make a shifted clock with")
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source, "-ldl"], check=True)
        library.chmod(0o755)
        yield library


def restart_with_clock(node: Node, library: Path, ahead: int, patch: pytest.MonkeyPatch) -> None:
    """Restart the node with its clock that many seconds ahead of everybody's."""
    shifted = {**environment(), "LD_PRELOAD": str(library), "CLOCK_AHEAD": str(ahead)}
    node.stop()
    with patch.context() as patched:
        patched.setattr(replicas, "environment", lambda: shifted)
        node.launch()
    node.wait_for("status = 'streaming' from pg_stat_wal_receiver")


async def test_trap_20_a_reply_bears_the_standbys_time(
    chain: Cluster, shifted_clock: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock ahead makes a stalled standby look fresh, one behind a healthy one look stalled; so with commits."""
    s1 = chain["s1"]

    def check_healthy(age: float) -> None:
        assert 0 <= age < 15

    def check_stalled(age: float) -> None:
        assert age > 2

    restart_with_clock(s1, shifted_clock, -AHEAD, monkeypatch)
    assert s1.sql("select clock_timestamp()") < chain["pg1"].sql("select clock_timestamp() - interval '250 s'")
    async with watch(chain) as sampler:
        seen = await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
        assert states(seen)["s1"] is NodeState.STREAMING
        refutes(check_healthy, ours=age(seen), naive=naive.seconds_since_reply(chain["pg1"], "s1"))

    restart_with_clock(s1, shifted_clock, AHEAD, monkeypatch)
    async with watch(chain) as sampler:
        chain.write(rows=10)
        level = await until(sampler, lambda seen: gaps(seen, "s1").replay == 0)
        refutes(check_healthy, ours=age(level), naive=naive.seconds_since_last_commit(s1) or 0)
        s1.send_to_walreceiver(signal.SIGSTOP)
        try:
            chain.write()
            stale = await until(sampler, lambda seen: states(seen)["s1"] is NodeState.STALE)
            refutes(check_stalled, ours=age(stale), naive=naive.seconds_since_reply(chain["pg1"], "s1"))
        finally:
            s1.send_to_walreceiver(signal.SIGCONT)
    s1.stop()
    s1.start()


def age(snapshot: ClusterSnapshot) -> float:
    """The evidence's, of the link to s1."""
    link = snapshot.link_to("s1")
    assert link is not None
    assert link.evidence_age is not None
    return link.evidence_age
