"""Conditions of links as data: what there is, what there is not, and what is said of it."""

from __future__ import annotations

import json

import pytest

from pgreplterm.lab.link_condition import CLEAR, PARTITION, BadCondition, Flow, LinkCondition, Stall, parse

EVERYTHING = LinkCondition(
    wal=Flow(latency=0.02, jitter=0.005, bandwidth=1_000_000, stall=Stall(5, 0.5)), replies=Flow(cut=True), refuse=True
)


@pytest.mark.parametrize("condition", [CLEAR, PARTITION, EVERYTHING, LinkCondition(replies=Flow(bandwidth=1))])
def test_a_condition_survives_its_json_form(condition: LinkCondition) -> None:
    assert parse(json.loads(json.dumps(condition.document()))) == condition


def test_only_what_is_wrong_is_written() -> None:
    assert CLEAR.document() == {}
    assert PARTITION.document() == {"wal": {"cut": True}, "replies": {"cut": True}}
    assert LinkCondition(wal=Flow(stall=Stall(2, 1))).document() == {"wal": {"stall": {"every": 2, "hold": 1}}}
    assert CLEAR.is_clear
    assert not LinkCondition(refuse=True).is_clear


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (CLEAR, "clear"),
        (PARTITION, "both ways cut"),
        (LinkCondition(wal=Flow(cut=True)), "WAL cut"),
        (EVERYTHING, "refused"),
        (
            LinkCondition(Flow(latency=0.02, jitter=0.005, bandwidth=1_000_000), Flow(stall=Stall(5, 0.5))),
            "WAL 20 +-5 ms late, at most 1,000,000 bytes/s; replies stalls 0.5 s every 5 s",
        ),
    ],
)
def test_one_line_describes_it(condition: LinkCondition, words: str) -> None:
    assert condition.describe() == words


@pytest.mark.parametrize(
    ("document", "sentence"),
    [
        (None, "a link condition must be an object: found null"),
        ([], "a link condition must be an object: found []"),
        ({"downstream": {}}, 'a link condition has refuse, replies, wal and no "downstream"'),
        ({"refuse": 1}, "refuse must be true or false: found 1"),
        ({"wal": True}, "wal must be an object: found true"),
        ({"wal": {"delay": 1}}, 'wal has bandwidth, cut, jitter, latency, stall and no "delay"'),
        ({"wal": {"cut": "yes"}}, 'wal.cut must be true or false: found "yes"'),
        ({"replies": {"latency": "20ms"}}, 'replies.latency must be a number of seconds from 0 to 60: found "20ms"'),
        ({"replies": {"latency": True}}, "replies.latency must be a number of seconds from 0 to 60: found true"),
        ({"wal": {"latency": float("nan")}}, "wal.latency must be a number of seconds from 0 to 60: found NaN"),
        ({"wal": {"latency": 61}}, "wal.latency must be a number of seconds from 0 to 60: found 61"),
        ({"wal": {"jitter": 0.1}}, "wal.jitter must be at most the latency (0 s): found 0.1"),
        ({"wal": {"bandwidth": 0}}, "wal.bandwidth must be a whole number of bytes a second from 1 on: found 0"),
        ({"wal": {"bandwidth": 1.5}}, "wal.bandwidth must be a whole number of bytes a second from 1 on: found 1.5"),
        ({"wal": {"stall": 1}}, "wal.stall must be an object: found 1"),
        ({"wal": {"stall": {"every": 1}}}, 'wal.stall must have every and hold: found {"every": 1}'),
        (
            {"wal": {"stall": {"every": 1, "hold": 1}}},
            "wal.stall.hold must be more than 0 and less than every (1 s): found 1",
        ),
        (
            {"wal": {"stall": {"every": -1, "hold": 1}}},
            "wal.stall.every must be a number of seconds from 0 to 3600: found -1",
        ),
        ({"wal": {"\x1b[31m": 1}}, r'wal has bandwidth, cut, jitter, latency, stall and no "\u001b[31m"'),
        ({"refuse": "x" * 200}, "refuse must be true or false: found " + '"' + "x" * 56 + "..."),
    ],
)
def test_what_is_no_condition_is_said_in_one_sentence(document: object, sentence: str) -> None:
    with pytest.raises(BadCondition) as caught:
        parse(document)
    assert str(caught.value) == sentence


def test_a_condition_made_in_python_is_checked_too() -> None:
    with pytest.raises(BadCondition, match="jitter must be at most the latency"):
        Flow(jitter=1)
    with pytest.raises(BadCondition, match="bandwidth must be a whole number"):
        Flow(bandwidth=True)
