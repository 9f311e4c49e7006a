"""What a client saw, from attempts."""

from __future__ import annotations

from pgreplterm.drill.loss import client_view
from pgreplterm.lab.journal import Attempt, Outcome

OLD, NEW = 5001, 5002


def attempt(number: int, outcome: Outcome, port: int | None, ended: float) -> Attempt:
    return Attempt(number, ended - 0.001, 0.0, ended, outcome, port, "")


def test_a_clean_failover() -> None:
    view = client_view(
        [
            attempt(1, Outcome.OK, OLD, 10.0),
            attempt(2, Outcome.OK, OLD, 10.1),
            attempt(3, Outcome.ERROR, None, 10.2),
            attempt(4, Outcome.OK, NEW, 10.6),
        ],
        {1, 2, 4},
        OLD,
        NEW,
    )
    assert (view.acked, view.errors, view.unknown, view.lost_ids) == (3, 1, 0, ())
    assert view.downtime_seconds is not None
    assert abs(view.downtime_seconds - 0.5) < 1e-9


def test_acknowledged_and_gone_is_lost_unknown_is_not() -> None:
    view = client_view(
        [
            attempt(1, Outcome.OK, OLD, 10.0),
            attempt(2, Outcome.OK, OLD, 10.1),
            attempt(3, Outcome.UNKNOWN, OLD, 10.2),
            attempt(4, Outcome.UNKNOWN, OLD, 10.3),
            attempt(5, Outcome.OK, NEW, 11.0),
        ],
        {1, 4, 5},
        OLD,
        NEW,
    )
    assert view.lost_ids == (2,)
    assert (view.unknown, view.unknown_but_present) == (2, 1)


def test_no_write_after_the_loss_means_no_downtime_figure() -> None:
    assert client_view([attempt(1, Outcome.OK, OLD, 1.0)], {1}, OLD, NEW).downtime_seconds is None
