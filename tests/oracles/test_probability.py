import numpy as np
import pytest
import torch
from torch import nn

from divulge import BudgetExhausted, OracleError, ProbabilityOracle, Victim


def victim(outputs, dtype=torch.float64, scale=1.0):
    torch.manual_seed(outputs)
    net = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, outputs)).to(dtype)
    with torch.no_grad():
        net[2].weight *= scale
    return Victim(net)


def by_autograd(model, points, k):
    """Probability k and its gradient as torch has them, a single output z being the logits (0, z)."""
    x = torch.tensor(points, requires_grad=True)
    logits = model.module(x)
    if logits.shape[1] == 1:
        logits = torch.cat([torch.zeros_like(logits), logits], dim=1)
    p = logits.softmax(dim=1)
    return p.detach().numpy(), torch.autograd.grad(p[:, k].sum(), x)[0].numpy()


@pytest.fixture
def points():
    return np.random.default_rng(3).standard_normal((7, 4))


@pytest.mark.parametrize("outputs", [1, 2, 5])
def test_probabilities_and_their_gradients(outputs, points):
    model = victim(outputs)
    oracle = ProbabilityOracle(model, output=1, gradients=True)
    p, gradients = by_autograd(model, points, 1)
    np.testing.assert_allclose(oracle.probabilities(points), p, rtol=1e-13)
    values, found = oracle.query(points)
    np.testing.assert_allclose(values, p[:, 1], rtol=1e-13)
    np.testing.assert_allclose(found, gradients, rtol=1e-10, atol=1e-14)
    assert oracle.output_size == max(2, outputs)
    assert oracle.ledger.by_kind == {"probability": 14}


def test_without_gradients(points):
    oracle = ProbabilityOracle(victim(3))
    assert not oracle.has_gradients
    assert oracle.query(points)[1] is None
    assert oracle.log_odds().query(points)[1] is None


@pytest.mark.parametrize(("outputs", "price"), [(1, 1), (2, 1), (5, 2)])
def test_log_odds_are_differences_of_logits(outputs, price, points):
    model = victim(outputs, scale=5.0)
    oracle = ProbabilityOracle(model, gradients=True, domain=(-9, 9), budget=100)
    odds = oracle.log_odds()
    logits = model.values(points)
    gradients = np.stack([model.values_and_gradients(points, k)[1] for k in range(outputs)], axis=1)
    if outputs == 1:
        logits, gradients = np.pad(logits, ((0, 0), (1, 0))), np.pad(gradients, ((0, 0), (1, 0), (0, 0)))
    assert odds.output_size == logits.shape[1] - 1
    for k in range(odds.output_size):
        values, found = odds.query(points, k)
        np.testing.assert_allclose(values, logits[:, k + 1] - logits[:, 0], atol=1e-12)
        np.testing.assert_allclose(found, gradients[:, k + 1] - gradients[:, 0], atol=1e-12)
    assert oracle.ledger.by_kind == {"probability": 7 * price * odds.output_size}
    assert odds.ledger is oracle.ledger
    np.testing.assert_array_equal(odds.domain, oracle.domain)


def test_log_odds_without_gradients_cost_one_query(points):
    oracle = ProbabilityOracle(victim(5), budget=8)
    odds = oracle.log_odds()
    assert odds.query(points, 3)[0].shape == (7,)
    assert oracle.ledger.remaining == 1
    with pytest.raises(BudgetExhausted):
        odds.query(points)


def test_single_precision_is_the_victims(points):
    oracle = ProbabilityOracle(victim(3, torch.float32))
    p = oracle.probabilities(points)
    assert oracle.dtype == oracle.log_odds().dtype == torch.float32
    np.testing.assert_array_equal(p, p.astype(np.float32))


def test_a_probability_that_underflows_has_no_odds():
    model = Victim(nn.Linear(1, 3).double())
    with torch.no_grad():
        model.module.weight[:] = torch.tensor([[0.0], [0.0], [-1.0]])
    oracle = ProbabilityOracle(Victim(model.module)).log_odds()
    assert np.isfinite(oracle.query([[0.0], [700.0]], 1)[0]).all()
    with pytest.raises(OracleError, match="class 2 is 0 for point 1 of 2"):
        oracle.query([[0.0], [800.0]], 1)


@pytest.mark.parametrize("outputs", [1, 3])
def test_probabilities_of_a_victim_that_tells_them_are_told_as_they_are(outputs, points):
    logits = victim(outputs)
    module = nn.Sequential(logits.module, nn.Sigmoid() if outputs == 1 else nn.Softmax(dim=1))
    told, expected = (ProbabilityOracle(v, gradients=True) for v in (Victim(module, (4,)), logits))
    for k in range(told.output_size):
        for part, true in zip(told.query(points, k), expected.query(points, k), strict=True):
            np.testing.assert_allclose(part, true, rtol=1e-9, atol=1e-12)
    for part, true in zip(told.log_odds().query(points), expected.log_odds().query(points), strict=True):
        np.testing.assert_allclose(part, true, rtol=1e-8, atol=1e-10)
    names = told.explain(points)
    assert names.labels.tolist() == expected.explain(points).labels.tolist()
