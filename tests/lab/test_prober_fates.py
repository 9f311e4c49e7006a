"""What became of each id, and the journal that says what clients were told. No server."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgreplterm.lab.fates import Fate, Read, Verdict, after_all, classify, missing_from
from pgreplterm.lab.journal import Attempt, Lines, Outcome, Server, read_journal

OK, ERROR, UNKNOWN = Outcome.OK, Outcome.ERROR, Outcome.UNKNOWN


def attempts(*outcomes: Outcome) -> list[Attempt]:
    """Ids 1, 2, ...; id N ends at second N."""
    return [Attempt(number, number - 0.5, 0.0, number, outcome, 5001, "") for number, outcome in enumerate(outcomes, 1)]


@pytest.mark.parametrize(
    ("outcome", "reads", "fate", "verdict"),
    [
        (OK, [[1]], Fate.OK, Verdict.PASS),
        (OK, [[]], Fate.LOST, Verdict.FAIL),
        (OK, [[1], []], Fate.LOST, Verdict.FAIL),
        (OK, [[], [1]], Fate.STALE, Verdict.PASS),
        (OK, [[1, 1]], Fate.DUPLICATE, Verdict.FAIL),
        (OK, [], Fate.UNREAD, Verdict.UNKNOWN),
        (UNKNOWN, [[1]], Fate.UNKNOWN_PRESENT, Verdict.UNKNOWN),
        (UNKNOWN, [[]], Fate.UNKNOWN_ABSENT, Verdict.UNKNOWN),
        (UNKNOWN, [[], [1]], Fate.RESURRECTED, Verdict.UNKNOWN),
        (UNKNOWN, [[1, 1]], Fate.DUPLICATE, Verdict.FAIL),
        (ERROR, [[]], Fate.REFUSED, Verdict.UNKNOWN),
        (ERROR, [[1]], Fate.UNEXPECTED, Verdict.FAIL),
    ],
)
def test_the_fate_of_one_id(outcome: Outcome, reads: list[list[int]], fate: Fate, verdict: Verdict) -> None:
    found = classify(attempts(outcome), [Read("pg2", 10.0 + number, tuple(ids)) for number, ids in enumerate(reads)])
    assert dict(found.ids) == {fate: (1,)}
    assert found.verdict is verdict


def test_a_read_that_began_before_the_answer_judges_nothing() -> None:
    found = classify(attempts(OK, OK), [Read("pg2", 1.5, (1,))])
    assert dict(found.ids) == {Fate.OK: (1,), Fate.UNREAD: (2,)}
    assert found.verdict is Verdict.UNKNOWN  # nothing is known to be lost, and not everything was looked for
    assert classify(attempts(OK, OK), [Read("pg2", 1.5, ()), Read("pg2", 3, (1, 2))]).of(Fate.STALE) == (1,)


def test_an_id_that_nobody_wrote_is_unexpected() -> None:
    found = classify(attempts(OK, UNKNOWN), [after_all([1, 2, 9])])
    assert dict(found.ids) == {Fate.OK: (1,), Fate.UNKNOWN_PRESENT: (2,), Fate.UNEXPECTED: (9,)}


def test_after_a_heal_every_node_is_asked_for_every_id() -> None:
    reads = [Read("pg1", 1, (1,)), Read("pg1", 2, (1, 2)), Read("pg2", 1, (2,))]
    assert missing_from((1, 2), reads) == {"pg1": (), "pg2": (1,)}


def test_a_journal_says_who_answered_and_reads_in_pieces(tmp_path: Path) -> None:
    first, second = (Server(number, 5000 + number, 7_300_000_000_000_000_001, number, 42, 1.5) for number in (1, 2))
    told = [
        Attempt(1, 1.0, 2.0, 1.5, OK, 5001, "", first),
        Attempt(2, 2.0, 3.0, 2.5, ERROR, None, "no  node\tanswered"),
        Attempt(3, 3.0, 4.0, 3.5, UNKNOWN, 5002, "server closed", second),
    ]
    text = "".join([first.line(), told[0].line(), told[1].line(), second.line(), told[2].line()])
    lines = Lines()
    pieces = [found for character in text for found in lines.feed(character)]
    assert [each.server for each in pieces] == [first, None, second]
    assert pieces[1].reason == "no node answered"
    path = tmp_path / "probe-1.tsv"
    path.write_text(text + told[0].line()[:10])
    assert list(read_journal(path)) == pieces
    path.write_text(told[0].line())
    with pytest.raises(ValueError, match=r"probe-1\.tsv:1: expected a probe attempt"):
        read_journal(path)  # its server was never introduced
