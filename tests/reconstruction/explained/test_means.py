"""Networks rebuilt from integrated gradients and SmoothGrad by `reconstruct` itself."""

import numpy as np
import pytest
import torch

from divulge import NotPiecewiseLinear, OracleError, Victim, reconstruct
from divulge.oracles import (
    ExactIntegratedGradientsOracle,
    IntegratedGradientsOracle,
    LiveOracle,
    MeanGradientOracle,
    Rounded,
    ShapOracle,
    SmoothGradOracle,
    SpannedOracle,
    ValueOracle,
)
from divulge.reconstruction import NoteKind
from divulge.training import mlp


def network(d, hidden, outputs=1, *, seed=0, dtype=torch.float64):
    return mlp((d,), hidden, outputs, seed=seed, dtype=dtype)


def difference(result, net, d):
    x = torch.randn(200, d, dtype=next(net.parameters()).dtype, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        return float((result.module(x) - net(x)).abs().max())


@pytest.mark.parametrize(
    ("d", "h", "steps", "queries"),
    [(784, 8, 10, 260), (784, 32, 20, 340), (20, 8, 1, 260), (12, 12, 300, 400)],
)
def test_integrated_gradients_tell_a_hidden_layer(d, h, steps, queries):
    net = network(d, [h])
    result = reconstruct(IntegratedGradientsOracle(Victim(net), steps=steps))
    assert result.complete
    assert result.hidden_sizes == (h,)
    assert result.queries <= queries
    assert difference(result, net, d) < 1e-12


@pytest.mark.parametrize(
    ("d", "h", "outputs", "queries"), [(784, 32, 1, 260), (12, 12, 1, 320), (30, 8, 3, 200)]
)
@pytest.mark.parametrize("baseline", [0.0, 0.7])
def test_exact_integrated_gradients_tell_it_sooner(d, h, outputs, queries, baseline):
    net = network(d, [h], outputs)
    result = reconstruct(ExactIntegratedGradientsOracle(Victim(net), baseline=baseline))
    assert result.complete
    assert result.hidden_sizes == (h,)
    assert result.queries <= queries
    assert difference(result, net, d) < 1e-11


@pytest.mark.parametrize("steps", [2, 3, 10, 64, None])
@pytest.mark.parametrize("told", [20, 50])
def test_the_number_of_steps_is_read_where_it_is_told_wrongly(steps, told):
    net = network(40, [8], 2, seed=steps or 0)
    victim = Victim(net)
    inner = (
        ExactIntegratedGradientsOracle(victim)
        if steps is None
        else IntegratedGradientsOracle(victim, steps=steps)
    )
    live = LiveOracle(
        lambda points, output: inner.explain(points, output).explanations,
        40,
        tells=f"integrated_gradients:steps={told}",
        classes=["no", "yes"],
    )
    result = reconstruct(live)
    assert result.complete
    x = torch.randn(50, 40, dtype=torch.float64)
    with torch.no_grad():
        assert float((result.module(x) - net(x)).std(dim=0).max()) < 1e-11


def told_by_rule(net, places, weights, tells):
    """A live API of integrated gradients by a quadrature of its own."""

    def explained(points, output):
        x = torch.as_tensor(points, dtype=torch.float64)
        mean = torch.zeros_like(x)
        for place, weight in zip(places, weights, strict=True):
            at = (float(place) * x).requires_grad_()
            mean += float(weight) * torch.autograd.grad(net(at)[:, output].sum(), at)[0]
        return (x * mean).numpy()

    return LiveOracle(explained, net[1].in_features, tells=tells, classes=["no", "yes"])


@pytest.mark.parametrize("said", [2, 50])
@pytest.mark.parametrize(
    ("places", "weights"),
    [
        ([0.5], [1.0]),
        ([1.0], [1.0]),
        ([0.0, 0.5], [0.5, 0.5]),
        ([0.0, 1.0], [0.5, 0.5]),
        ([0.0, 0.5, 1.0], [0.25, 0.5, 0.25]),
        ([0.2113248654, 0.7886751346], [0.5, 0.5]),
    ],
)
def test_steps_by_another_rule_are_never_called_complete(said, places, weights):
    net = network(20, [5], 2)
    result = reconstruct(told_by_rule(net, places, weights, f"integrated_gradients:steps={said}"))
    assert not result.complete
    assert any(kind in str(result.notes[0]) for kind in ("one step", "off by", "one hidden layer"))


@pytest.mark.parametrize("said", [1, 50])
def test_a_linear_model_needs_no_place_of_steps(said):
    net = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(10, 2)).double()
    result = reconstruct(told_by_rule(net, [0.25, 0.75], [0.5, 0.5], f"integrated_gradients:steps={said}"))
    assert result.complete
    assert result.hidden_sizes == ()


def test_where_one_step_lies_is_shown_by_values():
    net = network(20, [5])
    victim = Victim(net)
    oracle, real = (IntegratedGradientsOracle(victim, steps=steps) for steps in (50, 1))
    oracle._attribute = real._attribute
    result = reconstruct(oracle)
    assert result.complete
    assert difference(result, net, 20) < 1e-12


@pytest.mark.parametrize(("d", "h", "outputs"), [(784, 32, 1), (30, 8, 3)])
def test_smoothgrad_with_fresh_noise_beside_values_does_too(d, h, outputs):
    net = network(d, [h], outputs)
    result = reconstruct(SmoothGradOracle(Victim(net), seed=3))
    assert result.complete
    assert result.hidden_sizes == (h,)
    assert result.queries <= 320
    assert difference(result, net, d) < 1e-11


@pytest.mark.parametrize("kind", [IntegratedGradientsOracle, SmoothGradOracle])
def test_the_same_seed_asks_the_same(kind):
    found = [reconstruct(kind(Victim(network(20, [6], 2))), seed=5) for _ in range(2)]
    assert found[0].queries == found[1].queries
    for a, b in zip(*(result.module.parameters() for result in found), strict=True):
        np.testing.assert_array_equal(a.detach(), b.detach())


def test_a_baseline_and_several_outputs():
    net = network(20, [8], 3)
    baseline = np.random.default_rng(0).normal(size=20)
    result = reconstruct(IntegratedGradientsOracle(Victim(net), steps=7, baseline=baseline, output=1))
    assert result.complete
    assert difference(result, net, 20) < 1e-11


def test_single_precision():
    net = network(30, [8], 2, dtype=torch.float32)
    result = reconstruct(IntegratedGradientsOracle(Victim(net)))
    assert result.complete
    assert difference(result, net, 30) < 1e-5


@pytest.mark.parametrize(
    ("kind", "d", "h", "seeds"),
    [
        (ValueOracle, 100, 3, 6),
        (ValueOracle, 200, 3, 6),
        (ValueOracle, 200, 4, 6),
        (SmoothGradOracle, 200, 3, 3),
        (IntegratedGradientsOracle, 30, 3, 2),
    ],
)
def test_values_in_bfloat16_are_refused_or_called_incomplete(kind, d, h, seeds):
    # Steps of rounded values look like kinks at which no gradient changes: on the first line of one or two of
    # six such networks of few units.
    for seed in range(seeds):
        net = network(d, [h], seed=seed, dtype=torch.float32).bfloat16()
        try:
            result = reconstruct(kind(Victim(net), budget=60_000))
        except NotPiecewiseLinear as error:
            assert "half precision" in str(error)  # noqa: PT017
        else:
            assert not result.complete
            assert result.notes


def test_explanations_alone_leave_the_output_bias_open():
    net = network(20, [8])
    result = reconstruct(IntegratedGradientsOracle(Victim(net), values=False))
    assert result.complete
    assert [note.kind for note in result.notes] == [NoteKind.OUTPUT_BIASES]
    x = torch.randn(50, 20, dtype=torch.float64)
    with torch.no_grad():
        assert float((result.module(x) - net(x)).std()) < 1e-12


def test_a_live_api_that_explains_its_top_class_by_integrated_gradients():
    net = network(20, [8], 2)
    inner = IntegratedGradientsOracle(Victim(net), steps=20)
    live = LiveOracle(
        lambda points: inner.explain(points, 1).explanations,
        20,
        tells="integrated_gradients:steps=20",
        classes=["no", "yes"],
        output=1,
    )
    result = reconstruct(live)
    assert result.complete
    x = torch.randn(50, 20, dtype=torch.float64)
    with torch.no_grad():
        assert float((result.module(x)[:, 0] - net(x)[:, 1]).std()) < 1e-12
    with pytest.raises(ValueError, match="expected to be asked about output 1, got 0: explanations of other"):
        live.explain(np.zeros((2, 20)), 0)


def test_a_live_api_may_explain_any_output():
    net = network(20, [8], 2)
    inner = IntegratedGradientsOracle(Victim(net), steps=20)

    def ask(points, output):
        return inner.explain(points, output).explanations

    live = LiveOracle(ask, 20, tells="integrated_gradients:steps=20", classes=["no", "yes"])
    points = np.random.default_rng(0).normal(size=(4, 20))
    np.testing.assert_array_equal(live.explain(points, [0, 1, 1, 0]).outputs, [0, 1, 1, 0])
    np.testing.assert_allclose(live.explain(points, 1).explanations, inner.explain(points, 1).explanations)
    assert reconstruct(live).complete


def test_a_checkpoint_is_gone_on_from(tmp_path):
    victim = Victim(network(20, [8]))
    stopped = reconstruct(IntegratedGradientsOracle(victim, budget=120), checkpoint=tmp_path / "file")
    assert not stopped.complete
    again = IntegratedGradientsOracle(victim)
    result = reconstruct(again, checkpoint=tmp_path / "file")
    assert result.complete
    assert again.ledger.total < result.queries


@pytest.mark.parametrize(
    "kind", [IntegratedGradientsOracle, ExactIntegratedGradientsOracle, SmoothGradOracle]
)
@pytest.mark.parametrize(("d", "hidden"), [(6, [9]), (24, [6, 4])])
def test_what_they_do_not_tell_is_rebuilt_from_values(kind, d, hidden):
    net = network(d, hidden)
    oracle = kind(Victim(net))
    result = reconstruct(oracle)
    assert result.complete
    assert result.hidden_sizes == tuple(hidden)
    assert result.queries == oracle.ledger.total == sum(result.queries_by_kind.values())
    assert sum(result.queries_by_layer) == result.queries
    assert NoteKind.EARLIER_QUERIES in [note.kind for note in result.notes]
    assert difference(result, net, d) < 1e-8


@pytest.mark.parametrize("budget", [1, 40, 120])
@pytest.mark.parametrize("kind", [IntegratedGradientsOracle, SmoothGradOracle])
def test_a_budget_that_ends_is_said(kind, budget):
    result = reconstruct(kind(Victim(network(20, [8])), budget=budget))
    assert not result.complete
    assert result.queries <= budget
    assert NoteKind.STOPPED in [note.kind for note in result.notes]


def test_ctrl_c_returns_what_is_known():
    class Interrupted(IntegratedGradientsOracle):
        def _explain(self, points, outputs):
            if self.ledger.total > 150:
                raise KeyboardInterrupt
            return super()._explain(points, outputs)

    result = reconstruct(Interrupted(Victim(network(20, [8]))))
    assert not result.complete
    assert NoteKind.INTERRUPTED in [note.kind for note in result.notes]


def test_rounded_explanations_are_not_called_complete():
    oracle = Rounded(IntegratedGradientsOracle(Victim(network(20, [8])), values=False), decimals=2)
    assert not reconstruct(oracle).complete


def test_a_view_of_explanations():
    victim = Victim(network(5, [4]))
    view = MeanGradientOracle(IntegratedGradientsOracle(victim, steps=1, baseline=1.0, budget=9))
    points = np.array([[0.0, 1, 2, 0, -1]])
    values, gradients = view.query(points)
    slope = victim.values_and_gradients(1 + points / 2, 0)[1]
    np.testing.assert_allclose(values, victim.values(1 + points)[:, 0])
    np.testing.assert_allclose(gradients, slope, rtol=1e-6)
    assert view.ledger.total == 1
    with pytest.raises(TypeError, match="of integrated gradients or of SmoothGrad, got one of shap"):
        MeanGradientOracle(ShapOracle(victim))
    with pytest.raises(ValueError, match="in all of R\\^d, got one of a box"):
        MeanGradientOracle(IntegratedGradientsOracle(victim, domain=(0, 1)))


def test_values_within_a_span():
    victim = Victim(network(5, [4]))
    basis = np.eye(5)[[1, 3]]
    oracle = SpannedOracle(SmoothGradOracle(victim), basis)
    z = np.random.default_rng(0).normal(size=(3, 2))
    np.testing.assert_allclose(oracle.query(z)[0], victim.values(z @ basis)[:, 0])
    with pytest.raises(ValueError, match="rows of 5 numbers, got shape"):
        SpannedOracle(SmoothGradOracle(victim), np.eye(4))
    with pytest.raises(ValueError, match="tells values"):
        SpannedOracle(SmoothGradOracle(victim, values=False), basis)


def test_a_failing_oracle_is_named():
    oracle = LiveOracle(lambda p: p[:, :3], 20, tells="integrated_gradients", classes=["a", "b"])
    result = reconstruct(oracle)
    assert "expected explanations (integrated_gradients) of shape" in str(result.notes[0])
    with pytest.raises(OracleError):
        oracle.explain(np.zeros((1, 20)))


@pytest.mark.parametrize("weight", [0.02, 0.15, -0.15])
@pytest.mark.parametrize("gap", [1e-2, 1e-5])
@pytest.mark.parametrize("kind", [IntegratedGradientsOracle, ExactIntegratedGradientsOracle])
def test_two_parallel_units_are_not_taken_for_one(kind, weight, gap):
    net = network(12, [4])
    first = net[1]
    with torch.no_grad():
        first.weight[1] = first.weight[0]
        first.bias[1] = first.bias[0] + gap
        net[3].weight[0, :2] = torch.tensor([1.0, weight])
    alone = reconstruct(kind(Victim(net), values=False))
    assert not alone.complete
    told = reconstruct(kind(Victim(net)))
    between = torch.randn(200, 12, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        off = between @ first.weight[0] + first.bias[0] + gap / 2
        between -= off[:, None] * first.weight[0] / first.weight[0].norm() ** 2
        error = float((told.module(between) - net(between)).abs().max())
    assert not told.complete or error < 1e-6
