from __future__ import annotations

import numpy as np
import pytest

from divulge import Influence
from divulge.influence import SingularCurvature, fit_linear, leave_groups_out


def regression(dtype=np.float64, n=40):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(n, 3)).astype(dtype)
    y = (x @ [[1.0], [-2.0], [0.5]] + 1 + rng.normal(size=(n, 1))).astype(dtype)
    return x, y


def fitted(x, y, decay):
    return fit_linear(x, y, 1, loss="squared", weight_decay=decay)


@pytest.mark.parametrize("solver", ["cg", "direct"])
@pytest.mark.parametrize("mean", ["all", "kept"])
def test_a_newton_step_is_exact_where_the_loss_is_quadratic(mean, solver):
    x, y = regression()
    decay, groups = 0.1, [[3], list(range(15)), [5, 5, 7, 30]]
    module = fitted(x, y, decay)
    influence = Influence(
        module, (x, y), loss="squared", damping=0, weight_decay=decay, solver=solver, tolerance=1e-12
    )
    changes = leave_groups_out(influence, (x[:6], y[:6]), groups, of=lambda z, _: z[:, 0], mean=mean)
    for column, group in zip(changes.T, groups, strict=True):
        kept = np.setdiff1d(np.arange(40), group)
        again = fitted(x[kept], y[kept], decay * (40 / len(kept) if mean == "all" else 1))
        expected = (x[:6] @ (again.weight - module.weight).detach().numpy().T)[:, 0]
        expected += float((again.bias - module.bias).detach())
        np.testing.assert_allclose(column, expected, atol=1e-9)


def classes(n=150):
    rng = np.random.default_rng(1)
    x = rng.normal(size=(n, 4))
    return x, (x[:, :3] + 0.7 * rng.normal(size=(n, 3))).argmax(1)


def test_orders_come_nearer_to_training_again():
    x, y = classes()
    decay, coherent = 0.02, np.argsort(-x[:, 0])[:40]
    test, groups = (x[:30], y[:30]), [coherent, np.arange(20), np.arange(100, 150)]
    module = fit_linear(x, y, 3, weight_decay=decay)
    influence = Influence(module, (x, y), damping=0, weight_decay=decay)
    before, actual = influence.losses(test), []
    for group in groups:
        kept = np.setdiff1d(np.arange(150), group)
        again = fit_linear(x[kept], y[kept], 3, weight_decay=decay)
        actual.append(Influence(again, (x, y)).losses(test) - before)
    gaps = {
        method: np.abs(
            leave_groups_out(influence, test, groups, method=method, mean="kept") - np.array(actual).T
        )
        for method in ("first", "second", "newton")
    }
    sums = {method: gap.mean(axis=0) for method, gap in gaps.items()}
    assert (sums["second"] < sums["first"]).all()
    assert (sums["newton"] < sums["second"]).all()


def test_one_sample_is_what_leave_one_out_says():
    x, y = classes()
    influence = Influence(fit_linear(x, y, 3), (x, y), damping=0.01, solver="direct", tolerance=1e-12)
    changes = leave_groups_out(influence, (x[:5], y[:5]), [[4], [9]])
    np.testing.assert_allclose(changes, influence.leave_one_out((x[:5], y[:5]))[:, [4, 9]], rtol=1e-7)


def test_first_order_is_the_sum_of_scores(make):
    module, train, test = make("mlp")
    for curvature in ("gauss_newton", "ekfac"):
        influence = Influence(module, train, curvature=curvature, damping=0.5)
        changes = leave_groups_out(influence, test, [[1, 5, 9]], method="first")
        expected = -influence.scores(test)[:, [1, 5, 9]].sum(1) / 40
        np.testing.assert_allclose(changes[:, 0], expected, rtol=1e-5)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_second_order_is_the_start_of_the_newton_steps_series(make, name):
    module, train, test = make(name)
    influence = Influence(module, train, curvature="gauss_newton", damping=5, tolerance=1e-10)
    first, second, newton = (
        leave_groups_out(influence, test, [[0, 3]], method=method) for method in ("first", "second", "newton")
    )
    assert np.abs(second - newton).max() < 0.2 * np.abs(first - newton).max()


def test_an_interruption_leaves_nan():
    x, y = classes()
    influence = Influence(fit_linear(x, y, 3), (x, y), damping=0.01)

    def stop(done, _):
        if done == 2:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match="interrupted: 2 of 3 changes are known, the others NaN"):
        changes = leave_groups_out(influence, (x[:5], y[:5]), [[1], [2], [3]], progress=stop)
    assert np.isfinite(changes[:, :2]).all()
    assert np.isnan(changes[:, 2]).all()


def test_bad_input_is_named():
    x, y = classes()
    influence = Influence(fit_linear(x, y, 3), (x, y), damping=0.01)
    test = x[:5], y[:5]
    for groups, options, message in (
        ([[1]], {"method": "x"}, "expected a method first, second, newton, got 'x'"),
        ([[1]], {"mean": "x"}, "expected mean= all or kept, got 'x'"),
        ([], {}, "expected at least one group, got none"),
        ([[1], []], {}, "expected groups of 1 to 149 samples, group 1 has 0"),
        ([np.arange(150)], {}, "expected groups of 1 to 149 samples, group 0 has 150"),
        ([[150]], {}, "expected rows from 0 to 149, got 150"),
        ([[0.5]], {}, "expected rows as whole numbers"),
    ):
        with pytest.raises(ValueError, match=message):
            leave_groups_out(influence, test, groups, **options)
    kronecker = Influence(fit_linear(x, y, 3), (x, y), curvature="ekfac")
    with pytest.raises(ValueError, match="curvature='ekfac' has no part that belongs to a group"):
        leave_groups_out(kronecker, test, [[1]])


def test_a_curvature_that_leaves_with_the_group_is_said():
    x, y = regression(n=6)
    influence = Influence(fitted(x, y, 1e-3), (x, y), loss="squared", damping=0)
    with pytest.raises(SingularCurvature, match="without the group"):
        leave_groups_out(influence, (x, y), [[0, 1, 2, 3, 4]])
