import torch

from divulge import GradientOracle, Victim
from divulge.reconstruction.approach import approach_to
from divulge.reconstruction.session import Session


def session_after(*asked: int) -> tuple[Session, GradientOracle]:
    oracle = GradientOracle(Victim(torch.nn.Linear(3, 1), (3,)))
    session = Session(oracle, approach_to(oracle), 0, None)
    for count in asked:
        oracle.ledger.charge("gradient", count)
    return session, oracle


def test_books_what_was_asked_since_the_last_time():
    session, oracle = session_after(10)
    session.book(0)
    oracle.ledger.charge("gradient", 4)
    session.book(2)
    oracle.ledger.charge("gradient", 1)
    session.book(0)
    oracle.ledger.charge("gradient", 5)
    assert session.queries_by_layer(3) == (11, 0, 9)
    assert session.queries_by_layer(2) == (11, 9)
    assert session.queries_by_layer(4) == (11, 0, 4, 5)
    assert session.queries_by_layer(1) == (20,)
    assert session.queries_by_layer(0) == ()


def test_nothing_booked_counts_to_the_last_layer():
    session, _ = session_after(7)
    assert session.queries_by_layer(2) == (0, 7)


def test_what_was_asked_before_does_not_count():
    oracle = GradientOracle(Victim(torch.nn.Linear(3, 1), (3,)))
    oracle.ledger.charge("gradient", 3)
    session = Session(oracle, approach_to(oracle), 0, None)
    oracle.ledger.charge("gradient", 2)
    assert session.queries == 2
