"""What servers on one machine cannot show: other hosts, NAT, half-open connections, odd histories."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any

import pytest

from pgreplterm.cluster.joining.addresses import machine_of
from pgreplterm.cluster.joining.join import join
from pgreplterm.cluster.joining.observe import Observation
from pgreplterm.cluster.joining.own_ports import receiver_port
from pgreplterm.cluster.model import ClusterSnapshot, LinkKind, Node, NodeState, Role
from pgreplterm.wal.lsn import LSN
from pgreplterm.wal.timeline import TimelineHistory, TimelineSwitch

from .samples import END, NOW, failed, primary, receiver, seen, sender, slot, standby

NAMELESS: dict[str, Any] = {
    "cluster_name": "",
    "primary_conninfo_application_name": None,
    "primary_slot_name": None,
}


def at(address: str, sample: Any, **changes: Any) -> Observation:
    return Observation(address, address, sample, **changes)


def joined(*observations: Observation, **more: Any) -> ClusterSnapshot:
    return join(observations, NOW + 0.1, **more)


def nameless(number: int, host: str, asked: int = 5432, **changes: Any) -> Any:
    asking = receiver(None, sender_host=host, sender_port=asked)
    return standby(f"n{number}", receiver=asking, **{**NAMELESS, "server_addr": f"10.0.0.{number}", **changes})


def row(pid: int, **changes: Any) -> Any:
    return sender("walreceiver", pid=pid, slot_name=None, **changes)


class TestCommonNames:
    """Neither a name that several have nor an address identifies anybody alone."""

    def test_both_ends_addresses_tell_hosts_apart(self) -> None:
        rows = (row(2, client_addr="10.0.0.2"), row(3, client_addr="10.0.0.3"))
        snapshot = joined(
            at("a:5432", primary(server_addr="10.0.0.1", senders=rows)),
            at("c:5432", nameless(3, "vip")),
            at("b:5432", nameless(2, "vip")),
        )
        assert {link.downstream: link.sender and link.sender.pid for link in snapshot.links} == {
            "b:5432": 2,
            "c:5432": 3,
        }

    def test_a_gateway_tells_nobody_apart(self) -> None:
        rows = (row(2, client_addr="172.17.0.1"), row(3, client_addr="172.17.0.1"))
        snapshot = joined(
            at("127.0.0.1:15432", primary(server_addr="172.17.0.2", senders=rows)),
            at("127.0.0.1:15433", nameless(2, "host.docker.internal", 15432)),
            at("127.0.0.1:15434", nameless(3, "host.docker.internal", 15432)),
        )
        assert [node.upstream for node in snapshot.nodes] == [None, None, None]
        assert [(link.downstream, link.receiver) for link in snapshot.links] == [
            ("walreceiver pid 2", None),
            ("walreceiver pid 3", None),
        ]

    def test_two_nodes_on_one_host_are_not_told_apart_by_its_address(self) -> None:
        rows = (row(2, client_addr="10.0.0.2"),)
        snapshot = joined(
            at("a:5432", primary(server_addr="10.0.0.1", senders=rows)),
            at("b:5432", nameless(2, "vip")),
            at("b:5433", nameless(3, "other", 5433, port=5433, server_addr="10.0.0.2")),
        )
        assert [node.upstream for node in snapshot.nodes] == [None, None, None]

    def test_the_walsender_of_another_standby_is_not_taken_for_a_half_open_ones(self) -> None:
        """b is cut off and does not know; the one walreceiver listed is that of a node nobody watches."""
        snapshot = joined(
            at("10.0.0.1:5432", primary(server_addr="10.0.0.1", senders=(row(9, client_addr="10.0.0.9"),))),
            at("b:5432", nameless(2, "10.0.0.1")),
        )
        link = snapshot.link_to("b:5432")
        assert link is not None
        assert (link.upstream, link.sender) == ("pg1", None)

    def test_a_cluster_name_of_all_is_nobodys(self) -> None:
        """s9 and b are both 15/main; a says it streams from elsewhere."""
        alike = {"cluster_name": "15/main", "primary_slot_name": None, "primary_conninfo_application_name": None}
        elsewhere = receiver(None, sender_host="10.9.9.9", sender_port=5432)
        snapshot = joined(
            at("a:5432", primary("15/main", senders=(sender("15/main", slot_name=None),))),
            at("b:5432", standby("b", receiver=elsewhere, **alike)),
        )
        assert snapshot.node("b:5432").upstream is None  # type: ignore[union-attr]

    def test_a_slot_that_several_use_is_nobodys(self) -> None:
        """P feeds a, which nobody watches; a feeds b: both through a slot of one name, as two watched standbys show."""
        shared = {**NAMELESS, "primary_slot_name": "replica"}
        lost = [standby(name, receiver=receiver("replica"), **shared) for name in ("b", "c")]
        snapshot = joined(
            at("p:5432", primary(senders=(sender("walreceiver", slot_name="replica"),))),
            at("b:5432", lost[0]),
            at("c:5432", lost[1]),
        )
        assert [node.upstream for node in snapshot.nodes] == [None, None, None]

    def test_names_may_recur_in_another_cluster(self) -> None:
        pairs = [
            (
                at(f"{host}:1", primary(system_identifier=system, senders=(sender("s1", slot_name=None),))),
                at(
                    f"{host}:2",
                    standby("s1", system_identifier=system, receiver=receiver(None), primary_slot_name=None),
                ),
            )
            for host, system in (("x", 1), ("y", 2))
        ]
        snapshot = joined(*pairs[0], *pairs[1])
        assert {link.downstream: link.upstream for link in snapshot.links} == {"x:2": "x:1", "y:2": "y:1"}


class TestNames:
    """A node and an unwatched downstream never have one name."""

    def test_a_downstream_named_like_its_upstream_is_told_from_it(self) -> None:
        snapshot = joined(at("a:5432", primary("15/main", senders=(sender("15/main", client_addr="10.0.0.2"),))))
        (link,) = snapshot.links
        assert (link.upstream, link.downstream) == ("15/main", "15/main 10.0.0.2")
        assert snapshot.link_to("15/main") is None

    def test_a_name_taken_by_another_nodes_alias_gives_way_to_the_address(self) -> None:
        snapshot = joined(
            Observation("pg1", "a:1", primary("x"), has_alias=True),
            Observation("pg1", "b:1", primary("y", cluster_name=""), discovered=True),
        )
        assert sorted(node.name for node in snapshot.nodes) == ["a:1", "b:1"]
        assert [node.discovered for node in snapshot.nodes] == [False, True]


class TestKinds:
    """What a walsender serves."""

    @pytest.mark.parametrize(
        ("changes", "kind"),
        [
            ({}, LinkKind.STANDBY),
            ({"state": "startup"}, LinkKind.STANDBY),
            ({"write_lsn": None, "replay_lsn": None}, LinkKind.STANDBY),
            ({"application_name": "pg_receivewal"}, LinkKind.RECEIVEWAL),
            ({"replay_lsn": None}, LinkKind.RECEIVEWAL),
            ({"state": "backup"}, LinkKind.BACKUP),
            ({"application_name": "pg_basebackup"}, LinkKind.BACKUP),
            ({"slot_name": "sub"}, LinkKind.LOGICAL),
            ({"slot_name": "sub", "application_name": "", "state": None}, LinkKind.LOGICAL),
        ],
    )
    def test_is_read_off_state_slot_name_and_silence(self, changes: dict[str, Any], kind: LinkKind) -> None:
        slots = (slot("s9"), slot("sub", kind="logical"))
        (link,) = joined(seen(primary(senders=(sender("s9", **changes),), slots=slots))).links
        assert link.kind is kind

    def test_what_is_no_standby_is_no_sign_of_one(self) -> None:
        """An upstream that lists a backup and no walsender for the standby denies that it feeds it."""
        below = standby("s1", receiver=receiver(None, sender_host="10.0.0.1", sender_port=5432), primary_slot_name=None)
        for name, state in (("pg_basebackup", NodeState.STALE), ("s1", NodeState.STREAMING)):
            above = at("10.0.0.1:5432", primary(senders=(sender(name, slot_name=None),)))
            assert joined(above, at("b:5432", below)).node("s1").state is state  # type: ignore[union-attr]

    def test_a_backup_by_a_standbys_name_is_not_the_standby(self) -> None:
        rows = (sender("s1", pid=1, state="backup", slot_name=None), sender("s1", pid=2, slot_name=None))
        below = standby("s1", receiver=receiver(None), primary_slot_name=None)
        link = joined(seen(primary(senders=rows)), seen(below)).link_to("s1")
        assert link is not None and link.sender is not None
        assert link.sender.pid == 2


class TestItself:
    """A standby that is its own upstream."""

    @staticmethod
    def narcissus(host: str, port: int, **changes: Any) -> Any:
        asking = receiver(None, sender_host=host, sender_port=port)
        mine = (sender("s1", slot_name=None),)
        return standby("s1", receiver=asking, primary_slot_name=None, senders=mine, **changes)

    @pytest.mark.parametrize(
        ("address", "host", "port", "changes"),
        [
            ("db1:5432", "db1", 5432, {}),
            ("db1:5432", "localhost", 5432, {}),
            ("db1:5432", "10.0.0.1", 5432, {"server_addr": "10.0.0.1"}),
            ("127.0.0.1:15432", "127.0.0.1", 5432, {"server_addr": "172.17.0.2"}),
            ("/run/a:5432", "/run/a", 5432, {}),
        ],
    )
    def test_is_known_by_its_address(self, address: str, host: str, port: int, changes: dict[str, Any]) -> None:
        (node,) = joined(at(address, self.narcissus(host, port, **changes))).nodes
        assert (node.feeds_itself, node.state, node.upstream) == (True, NodeState.NOT_STREAMING, None)
        assert joined(at(address, self.narcissus(host, port, **changes))).links == ()

    @pytest.mark.parametrize(
        ("address", "host", "port"),
        [("db1:5432", "db2", 5432), ("db1:5432", "localhost", 5433), ("/run/a:5432", "/run/b", 5432)],
    )
    def test_is_not_seen_in_a_neighbour(self, address: str, host: str, port: int) -> None:
        (node,) = joined(at(address, self.narcissus(host, port))).nodes
        assert not node.feeds_itself

    def test_needs_a_walsender_of_its_own_while_it_streams(self) -> None:
        """sender_host may be a name that means another machine there."""
        (node,) = joined(at("db1:5432", replace(self.narcissus("db1", 5432), senders=()))).nodes
        assert not node.feeds_itself

    def test_may_be_a_ring_of_three_with_one_below(self) -> None:
        ring = [seen(standby(name, senders=(sender(feeds),))) for name, feeds in (("a", "b"), ("b", "c"))]
        ring.append(seen(standby("c", senders=(sender("a"), sender("d")))))
        snapshot = joined(seen(standby("d")), *ring)
        assert {node.name: node.feeds_itself for node in snapshot.nodes} == {
            "a": True,
            "b": True,
            "c": True,
            "d": False,
        }
        assert len(snapshot.nodes) == 4


class TestOrphans:
    """A timeline nobody else knows."""

    @staticmethod
    def on(timeline: int, *switches: tuple[int, int]) -> dict[str, Any]:
        steps = tuple(TimelineSwitch(before, LSN(END - back), "") for before, back in switches)
        return {"timeline": timeline, "history": TimelineHistory(timeline, steps) if timeline > 1 else None}

    def orphans(self, *samples: Any) -> set[str]:
        return {node.name for node in joined(*(seen(one) for one in samples)).nodes if node.orphaned}

    def test_is_one_that_left_the_line(self) -> None:
        assert self.orphans(primary(), standby("s1"), standby("s2", **self.on(2, (1, 99)))) == {"s2"}

    def test_is_not_one_the_primary_went_through_or_that_a_second_node_is_on(self) -> None:
        assert self.orphans(primary(**self.on(3, (1, 99), (2, 50))), standby("s2", **self.on(2, (1, 99)))) == set()
        strays = [standby(name, **self.on(2, (1, 99))) for name in ("s2", "s3")]
        assert self.orphans(primary(), *strays) == set()

    def test_is_known_by_where_it_began_and_not_by_its_number(self) -> None:
        assert self.orphans(primary(**self.on(2, (1, 99))), standby("s2", **self.on(2, (1, 50)))) == {"s2"}

    def test_is_not_claimed_without_the_primary_or_with_a_history_unread(self) -> None:
        astray = standby("s2", **self.on(2, (1, 99)))
        assert self.orphans(standby("s1"), astray) == set()
        assert self.orphans(primary(), primary("other"), astray) == set()
        assert self.orphans(primary(), standby("s3", timeline=None), astray) == set()
        assert self.orphans(primary(), replace(astray, history=None)) == set()


class TestOneServerTwice:
    """An address more is no node more."""

    def test_it_is_shown_once_and_by_the_address_that_answers(self) -> None:
        first, again = primary(senders=(sender("s1"),)), primary(senders=(sender("s1"),))
        snapshot = joined(at("a:1", first), at("vip:1", again), seen(standby("s1")))
        assert [node.address for node in snapshot.nodes] == ["a:1", "host:s1"]
        assert [node.name for node in snapshot.primaries] == ["pg1"]
        assert snapshot.nodes[1].upstream == "pg1"

        lost = replace(failed(first), name="a:1", address="a:1")
        assert [node.address for node in joined(lost, at("vip:1", again)).nodes] == ["vip:1"]

    def test_two_servers_of_one_name_are_two(self) -> None:
        assert len(joined(at("a:1", primary()), at("b:1", primary(postmaster_started_at=NOW))).nodes) == 2


@pytest.mark.parametrize(
    ("address", "changes", "machine"),
    [
        ("db1:5432", {}, "db1"),
        ("db1:6432", {}, "db1:6432"),
        ("localhost:5432", {}, "this machine"),
        ("127.0.0.1:5432", {"server_addr": "172.17.0.2"}, "127.0.0.1:5432"),
        ("/run:5432", {}, "this machine"),
        ("[::1]:5432", {}, "[::1]"),
    ],
)
def test_a_tunnel_or_a_published_port_hides_the_machine(address: str, changes: dict[str, Any], machine: str) -> None:
    assert machine_of(address, primary(**changes)) == machine


def test_links_from_a_node_that_is_gone_go_on_counting_as_remembered() -> None:
    before = joined(seen(primary(senders=(sender("s1"),))), seen(standby("s1")))
    after = joined(failed(primary()), seen(standby("s1", receiver=receiver("s1", pid=77))), previous=before)
    node: Node | None = after.node("s1")
    assert node is not None
    assert (node.upstream, node.role) == ("pg1", Role.STANDBY)


class TestWhatIsLeftOpen:
    """An upstream may be sure while its walsender is not; and neither may be."""

    @staticmethod
    def below() -> Observation:
        asking = receiver(None, sender_host="10.0.0.1", sender_port=5432)
        return at("b:5432", standby("s1", receiver=asking, primary_slot_name=None))

    def test_two_walsenders_of_one_name_are_one_upstream_and_no_walsender(self) -> None:
        """One of them may be the half-open connection from before a restart."""
        rows = tuple(sender("s1", pid=pid, slot_name=None) for pid in (1, 2))
        snapshot = joined(at("a:5432", primary(senders=rows)), self.below())
        link = snapshot.link_to("s1")
        assert link is not None
        assert (link.upstream, link.sender) == ("pg1", None)
        assert len(snapshot.links) == 2, "the other one is somebody's"

    def test_two_upstreams_that_list_it_alike_are_none(self) -> None:
        rows = (sender("s1", slot_name=None),)
        snapshot = joined(
            at("a:5432", primary("a", senders=rows)), at("c:5432", primary("c", senders=rows)), self.below()
        )
        assert snapshot.node("s1").upstream is None  # type: ignore[union-attr]

    def test_an_address_counts_unless_the_node_there_lists_only_others(self) -> None:
        for senders, upstream in (((), "pg1"), ((sender("s9", slot_name=None),), None)):
            snapshot = joined(at("10.0.0.1:5432", primary(senders=senders)), self.below())
            assert snapshot.node("s1").upstream == upstream  # type: ignore[union-attr]

    def test_what_was_remembered_ends_with_the_cluster_it_was_of(self) -> None:
        before = joined(seen(primary(senders=(sender("s1"),))), seen(standby("s1")))
        after = joined(seen(primary(system_identifier=1)), seen(standby("s1")), previous=before)
        assert after.link_to("s1") is None


def test_a_process_number_alone_names_no_walreceiver() -> None:
    """In a container the number is another process's: this one's, say."""
    below = standby("s1", receiver=receiver(None, pid=os.getpid(), sender_port=5432))
    assert receiver_port("127.0.0.1:5432", below) is None
    assert receiver_port("db1:5432", below) is None
