import numpy as np
import pytest

from divulge import BudgetExhausted, Ledger


def test_counts_by_kind():
    ledger = Ledger()
    ledger.charge("gradient", 3)
    ledger.charge("value", 2)
    ledger.charge("gradient", np.int64(4))
    ledger.charge("label", 0)
    assert ledger.total == 9
    assert ledger.by_kind == {"gradient": 7, "value": 2}
    assert ledger.budget is None
    assert ledger.remaining is None


def test_by_kind_is_a_copy():
    ledger = Ledger()
    ledger.charge("gradient", 1)
    ledger.by_kind["gradient"] = 0
    assert ledger.total == 1


def test_budget_is_all_or_nothing():
    ledger = Ledger(budget=10)
    ledger.charge("gradient", 7)
    assert not ledger.exhausted
    with pytest.raises(BudgetExhausted, match="budget of 10 queries ran out: 7 were asked and 4 more"):
        ledger.charge("gradient", 4)
    assert (ledger.total, ledger.remaining) == (7, 3)
    assert ledger.exhausted
    ledger.charge("gradient", 3)
    assert ledger.remaining == 0


@pytest.mark.parametrize(
    ("budget", "error", "message"),
    [(-1, ValueError, "got -1"), (2.5, TypeError, "got 2.5"), (True, TypeError, "got True")],
)
def test_refuses_a_budget_that_is_no_count(budget, error, message):
    with pytest.raises(error, match=message):
        Ledger(budget=budget)


def test_refuses_a_negative_charge():
    with pytest.raises(ValueError, match="got -2"):
        Ledger().charge("gradient", -2)


def test_the_cost_is_the_price_of_all_queries():
    ledger = Ledger(price=0.25)
    ledger.charge("label", 3)
    ledger.charge("shap", 1)
    assert ledger.cost == 1.0
    assert "cost=1.00" in repr(ledger)
    assert Ledger().cost is None
    assert "cost" not in repr(Ledger())
