from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from chains import relative_error
from torch import nn

from divulge import Influence
from divulge.influence import NotConverged, UnresolvedDamping
from divulge.influence.kronecker import KroneckerCurvature
from divulge.influence.label_cotangents import label_cotangents
from divulge.influence.losses import resolve_loss
from divulge.influence.operators import LayerPlace


def dense_of(influence):
    return influence.hvp(np.eye(influence.operator.parameters))


def test_kfac_of_one_linear_layer_without_inputs_that_vary_is_the_fisher_matrix(make):
    module, (x, y), _ = make("logistic")
    same = np.repeat(x[:1], 40, axis=0)  # one input: the factors are independent of each other
    kfac = Influence(module, (same, y), curvature="kfac", damping=1.0)
    fisher = Influence(module, (same, y), curvature="fisher", damping=1.0)
    assert relative_error(dense_of(kfac), dense_of(fisher), floor=1e-6) < 1e-10


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
@pytest.mark.parametrize("name", ["mlp", "tanh", "logistic"])
def test_ekfac_has_the_fisher_matrix_diagonal_in_its_own_basis(make, name, loss):
    module, train, _ = make(name, loss=loss)
    ekfac = Influence(module, train, loss=loss, curvature="ekfac", damping=1.0)
    kfac = Influence(module, train, loss=loss, curvature="kfac", damping=1.0)
    fisher = dense_of(Influence(module, train, loss=loss, curvature="fisher", damping=1.0))
    error = [np.linalg.norm(dense_of(i) - fisher) for i in (ekfac, kfac)]
    assert error[0] <= error[1] + 1e-12
    assert np.trace(dense_of(ekfac)) == pytest.approx(np.trace(fisher))


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
def test_it_is_inverted_exactly(make, curvature):
    module, train, test = make("tanh")
    influence = Influence(module, train, curvature=curvature, damping=0.1, weight_decay=0.05)
    v = np.random.default_rng(0).standard_normal((3, influence.operator.parameters))
    solution = influence.solve(v)
    assert solution.converged.all()
    np.testing.assert_allclose(influence.hvp(solution.vectors) + 0.1 * solution.vectors, v, atol=1e-9)
    assert influence.scores(test).shape == (7, 40)
    assert (influence.self_influence() >= 0).all()


def test_drawn_labels_have_the_expected_outer_products():
    z = np.random.default_rng(0).standard_normal((1, 20))
    loss = resolve_loss("cross_entropy", 0)
    drawn = label_cotangents(np.repeat(z, 4000, axis=0), loss, 0).reshape(-1, 8, 20)
    p = np.exp(z[0]) / np.exp(z[0]).sum()
    mean = np.einsum("nsa,nsb->ab", drawn, drawn) / len(drawn)
    np.testing.assert_allclose(mean, np.diag(p) - np.outer(p, p), atol=0.01)
    exact = label_cotangents(z[:, :10], loss, 0).reshape(9, 10)
    p = np.exp(z[0, :10]) / np.exp(z[0, :10]).sum()
    np.testing.assert_allclose(exact.T @ exact, np.diag(p) - np.outer(p, p), atol=1e-12)


CONVOLUTION = {
    "cnn": lambda: nn.Sequential(
        nn.Conv2d(1, 2, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(2, 3, 2), nn.GELU(), nn.Flatten(),
        nn.Linear(12, 3),
    ),
    "tokens": lambda: nn.Sequential(
        nn.Flatten(1, 2), nn.Linear(6, 4), nn.Tanh(), nn.Linear(4, 2, bias=False), nn.Flatten(),
        nn.Linear(12, 3),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CONVOLUTION)
def test_layers_anywhere_in_a_module(make, truth, name):
    _, train, test = make()
    torch.manual_seed(0)
    module = CONVOLUTION[name]().double().eval()
    ekfac = Influence(module, train, curvature="ekfac", damping=0.5)
    assert ekfac.path == "torch"
    fisher = dense_of(Influence(module, train, curvature="fisher", damping=1.0))
    assert np.trace(dense_of(ekfac)) == pytest.approx(np.trace(fisher))
    kfac = Influence(module, train, curvature="kfac", damping=0.5)
    error = [np.linalg.norm(dense_of(i) - fisher) for i in (ekfac, kfac)]
    assert error[0] <= error[1] < np.linalg.norm(fisher)
    g = truth(module, train, test)[1]
    for influence in (ekfac, kfac):
        expected = np.einsum("ij,ij->i", g, influence.solve(g).vectors)
        np.testing.assert_allclose(influence.self_influence(), expected, rtol=1e-9)


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("name", ["mlp", "tanh", "logistic"])
def test_torch_fits_what_the_core_fits(make, name, curvature):
    module, train, test = make(name)
    native, by_torch = (
        Influence(module, train, curvature=curvature, damping=0.5, lower=lower) for lower in (True, False)
    )
    assert relative_error(dense_of(by_torch), dense_of(native), floor=1e-6) < 1e-10
    assert relative_error(by_torch.scores(test), native.scores(test), floor=1e-6) < 1e-9
    rows = [5, 0, 39]
    np.testing.assert_allclose(by_torch.self_influence(rows), native.self_influence(rows), rtol=1e-9)


def test_a_part_of_the_parameters(make):
    module, train, test = make("cnn")
    influence = Influence(module, train, curvature="ekfac", parameters=["0", "5"])
    assert np.isfinite(influence.scores(test)).all()
    assert influence.self_influence([1]).shape == (1,)


def test_labels_do_not_depend_on_the_parts_they_are_drawn_in():
    z = np.random.default_rng(0).standard_normal((30, 20))
    loss = resolve_loss("cross_entropy", 0)
    whole = label_cotangents(z, loss, 3)
    np.testing.assert_array_equal(whole[11:], label_cotangents(z[11:], loss, 3, first=11))


def test_batch_norm_between_convolutions(make):
    module, train, _ = make("cnn")
    products = [
        Influence(module, train, curvature=curvature, lower=False).hvp(np.eye(51))
        for curvature in ("ekfac", "gauss_newton")
    ]
    assert np.trace(products[0]) == pytest.approx(np.trace(products[1]), rel=1e-8)


def test_what_it_cannot_do_is_said(make):
    module, train, _ = make("attention")
    module.attention = nn.MultiheadAttention(6, 2, batch_first=True, add_bias_kv=True)
    with pytest.raises(ValueError, match=r"bias_k' belongs to MultiheadAttention: name others in par"):
        Influence(module.double().eval(), train, curvature="ekfac").self_influence()
    module, train, _ = make("mlp")
    with pytest.raises(ValueError, match="damping or weight decay above 0"):
        Influence(module, train, curvature="kfac", damping=0).solve(np.zeros(163))
    with pytest.raises(ValueError, match="takes no solver, got 'cg'"):
        Influence(module, train, curvature="kfac", solver="cg")
    with pytest.raises(ValueError, match="needs a loss that is a likelihood"):
        Influence(module, train, loss=lambda z, y: z.sum(1), curvature="fisher")


@pytest.mark.parametrize("name", ["mlp", "cnn", "attention"])
@pytest.mark.parametrize("of", ["loss", "margin"])
def test_gradients_are_the_same_once_factors_are_fitted(make, name, of):
    module, train, test = make(name)
    influence = Influence(module, train, curvature="ekfac", lower=False)
    before = influence.gradients(test, of)
    influence.self_influence([0])
    after = influence.gradients(test, of)
    assert not np.array_equal(before, 0)
    np.testing.assert_allclose(after, before, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("scale", [1.0, 2.0**-60])
@pytest.mark.parametrize("damping", [0.1, 1e-5])
def test_single_precision_is_solved_for_as_in_double(make, damping, scale):
    module, (x, y), (test_x, test_y) = make("mlp")
    module.float()
    train, test = (x.astype(np.float32), y), (test_x.astype(np.float32), test_y)
    influence = Influence(module, train, curvature="ekfac", damping=damping, lower=False)

    def scaled(outputs, targets):
        return scale * nn.functional.cross_entropy(outputs, targets, reduction="none")

    found = influence.scores(test, of=scaled)
    assert influence.solution.vectors.dtype == np.float32
    assert influence.solution.converged.all()
    solved = influence.solve(influence.gradients(test, scaled)).vectors
    expected = -influence.operator.scores(solved.astype(np.float32))
    assert np.abs(found - expected).max() < 1e-4 * np.abs(expected).max()


def wide_and_trained(rng, steps, width=256):
    module = nn.Sequential(
        nn.Linear(20, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 10)
    )
    x, y = rng.standard_normal((100, 20)).astype(np.float32), rng.integers(0, 10, 100)
    optimizer = torch.optim.Adam(module.parameters(), 1e-2)
    for _ in range(steps):
        optimizer.zero_grad()
        nn.functional.cross_entropy(module(torch.from_numpy(x)), torch.from_numpy(y)).backward()
        optimizer.step()
    return module.eval(), (x, y)


@pytest.mark.parametrize("seed", [0, 1])
def test_rounding_of_single_precision_is_no_failure(seed):
    torch.manual_seed(seed)
    module, (x, y) = wide_and_trained(np.random.default_rng(seed), steps=150)
    influence = Influence(module, (x, y), curvature="ekfac", damping=0.1, lower=False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        influence.scores((0.9 * x[:5], y[:5]))
    assert influence.solution.vectors.dtype == np.float32


@pytest.mark.parametrize("damping", [1e-6, 1e-8, 1e-10])
def test_what_single_precision_cannot_solve_is_solved_for_in_double(damping):
    torch.manual_seed(0)
    module, (x, y) = wide_and_trained(np.random.default_rng(0), steps=0)
    influence = Influence(module, (x, y), curvature="ekfac", damping=damping, lower=False)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UnresolvedDamping)
        influence.scores((0.9 * x[:5], y[:5]))
    assert influence.solution.residual.max() < 1e-6
    assert influence.solution.converged.all()


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("falling", [0.0, 0.5, 2.0, 8.0])
def test_residuals_are_as_large_as_those_along_all_vectors(falling, seed):
    rng = np.random.default_rng(seed)
    h, d = int(rng.integers(5, 60)), int(rng.integers(128, 300))
    u, v = (np.linalg.qr(rng.standard_normal((size, size)))[0] for size in (h, d))
    values = np.outer(*((1.0 + np.arange(size)) ** -falling for size in (h, d)))
    values[rng.permutation(h)[: h // 3]] = 0.0  # units that are never up
    for shift in (1e-2, 1e-4, 1e-6, 1e-8):
        curvature = KroneckerCurvature([u], [v], [values], [LayerPlace(h, d, 0, None, False)], shift)
        b = torch.from_numpy(rng.standard_normal((20, h * d)).astype(np.float32))
        solved = curvature.solve(b.clone())
        found = solved.vectors.double()
        left = curvature.multiply(found) + shift * found - b.double()
        true = left.norm(dim=1) / b.double().norm(dim=1)
        # Both are rounded anew, so that of a single vector they are farther apart.
        assert solved.residual.norm() >= 0.5 * true.norm() - 1e-6


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_damping_that_single_precision_does_not_resolve_is_said(curvature, lower, seed):
    torch.manual_seed(seed)
    module, (x, y) = wide_and_trained(np.random.default_rng(seed), steps=100)
    test = 0.9 * x[:5], y[:5]

    def scored(damping, precision=np.float32):
        own = module.double() if precision == np.float64 else module.float()
        influence = Influence(
            own, (x.astype(precision), y), curvature=curvature, damping=damping, lower=lower
        )
        return influence, influence.scores((test[0].astype(precision), test[1]))

    epsilon = 1.1 * np.finfo(np.float32).eps * scored(0.1)[0]._inverse.kronecker.largest
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none where two digits are right, nor in double precision
        single, double = (scored(epsilon, kind)[1] for kind in (np.float32, np.float64))
    assert relative_error(single, double, floor=0) < 0.01
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        double = scored(1e-4 * epsilon, np.float64)[1]
    with pytest.warns(UnresolvedDamping, match=f"rounding errors: {curvature} weighs directions"):
        single = scored(1e-4 * epsilon)[1]
    assert relative_error(single, double, floor=0) > 0.01
    with pytest.warns(UnresolvedDamping, match=f"rounding errors: {curvature} weighs directions"):
        influence, _ = scored(1e-5 * epsilon)
    with pytest.warns(UnresolvedDamping, match=f"rounding errors: {curvature} weighs directions"):
        influence.self_influence([0])


@pytest.mark.parametrize("size", [1e-6, 1.0, 1e6])
def test_solutions_along_directions_of_rounding_alone_are_all_rounding(size):
    values = np.array([[1.0, 1e-14]])
    curvature = KroneckerCurvature([np.eye(1)], [np.eye(2)], [values], [LayerPlace(1, 1, 0, 1)], 1e-16)
    solved = size * torch.tensor([[0.0, 1.0]])
    assert curvature.rounding_share(solved, np.dtype(np.float32)) == np.inf
    assert curvature.rounding_share(0 * solved, np.dtype(np.float32)) == 0


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
@pytest.mark.parametrize("seed", range(3))
def test_small_inputs_beside_a_bias_whose_directions_are_rounding_are_said(curvature, seed):
    torch.manual_seed(seed)
    module = nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 1))
    x, y = 1e-3 * torch.randn(20, 6), torch.randint(0, 2, (20,))
    with pytest.warns(UnresolvedDamping):
        Influence(module, (x, y), curvature=curvature, damping=1e-10).scores((x[:4], y[:4]))


def test_small_damping_that_no_direction_needs_is_not_said(make):
    module, (x, y), (test_x, test_y) = make("cnn", loss="squared")
    single = Influence(module.float(), (x.astype(np.float32), y.astype(np.float32)), loss="squared",
                       curvature="ekfac", damping=1e-12)  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = single.scores((test_x.astype(np.float32), test_y.astype(np.float32)))
    double = Influence(module.double(), (x, y), loss="squared", curvature="ekfac", damping=1e-12)
    assert relative_error(found, double.scores((test_x, test_y)), floor=0) < 0.01


@pytest.mark.parametrize("lower", [False, True])
@pytest.mark.parametrize("seed", [0, 1])
def test_scores_of_labels_that_are_almost_sure_are_those_of_double_precision(lower, seed):
    torch.manual_seed(seed)
    module, (x, y) = wide_and_trained(np.random.default_rng(seed), steps=30, width=64)
    with torch.no_grad():
        module[4].weight *= 3  # losses of 1e-6 and less
        module[4].bias *= 3
    asked = {"curvature": "ekfac", "lower": lower}
    largest = Influence(module, (x, y), damping=0.1, **asked)._inverse.kronecker.largest
    asked["damping"] = 2 * np.finfo(np.float32).eps * largest
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        single = Influence(module, (x, y), **asked).scores((x[:10], y[:10]))
    double = Influence(module.double(), (x.astype(float), y), **asked).scores((x[:10].astype(float), y[:10]))
    assert min(np.corrcoef(a, b)[0, 1] for a, b in zip(single, double, strict=True)) > 0.995


@pytest.mark.parametrize("fitted", [False, True])
@pytest.mark.parametrize("lower", [False, True])
def test_a_function_that_fails_is_named_before_and_after_the_fit(make, fitted, lower):
    module, train, test = make("mlp")
    influence = Influence(module, train, curvature="ekfac", lower=lower)
    if fitted:
        influence.self_influence([0])
    with pytest.raises(ValueError, match=r"the function fails on outputs of shape \(7, 3\) and targets"):
        influence.gradients(test, lambda outputs, targets: outputs[:, 5])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_double_precision_cannot_solve_is_said(dtype):
    torch.manual_seed(0)
    module, (x, y) = wide_and_trained(np.random.default_rng(0), steps=0)
    module.to(torch.from_numpy(np.zeros(0, dtype)).dtype)
    train = (x.astype(dtype), y)
    influence = Influence(module, train, curvature="ekfac", damping=1e-15, lower=False)
    with pytest.warns(NotConverged, match="ekfac left 3 of 3 solutions with a relative residual above 1e-06"):
        influence.scores((dtype(0.9) * x[:3].astype(dtype), y[:3]))
