from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from chains import relative_error
from torch import nn
from torch.utils.data import TensorDataset

from divulge import Influence
from divulge.influence import NotConverged

DAMPING = 0.5
NAMES = ["mlp", "tanh", "logistic", "cnn", "attention"]


@pytest.mark.parametrize("solver", ["cg", "direct"])
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_scores_are_those_of_explicit_gradients(make, truth, name, lower, solver):
    module, train, test = make(name)
    hessian, g, h = truth(module, train, test)
    influence = Influence(
        module, train, solver=solver, damping=DAMPING, weight_decay=0.1, lower=lower, tolerance=1e-12
    )
    assert influence.path == ("native" if lower and name in ("mlp", "tanh", "logistic") else "torch")
    inverse = np.linalg.inv(hessian + (DAMPING + 0.1) * np.eye(len(hessian)))
    assert relative_error(influence.scores(test), -h @ inverse @ g.T, floor=1e-6) < 1e-9
    assert influence.solution.converged.all()
    v = np.random.default_rng(0).standard_normal((2, len(hessian)))
    assert relative_error(influence.hvp(v), v @ hessian + 0.1 * v, floor=1e-3) < 1e-10
    assert influence.hvp(v[0]).shape == v[0].shape
    solution = influence.solve(v[0])
    assert relative_error(solution.vectors, inverse @ v[0], floor=1e-6) < 1e-9
    self_influence = np.einsum("ij,jk,ik->i", g, inverse, g)
    assert relative_error(influence.self_influence(), self_influence, floor=1e-6) < 1e-9
    np.testing.assert_allclose(influence.self_influence([3, 1]), self_influence[[3, 1]], rtol=1e-8)


@pytest.mark.parametrize("name", ["mlp", "cnn"])
@pytest.mark.parametrize("curvature", ["gauss_newton", "fisher"])
def test_gauss_newton_is_the_fisher_matrix_of_the_models_own_labels(make, truth, name, curvature):
    module, train, _ = make(name)
    with torch.no_grad():
        p = module(torch.tensor(train[0])).softmax(1).numpy()
    fisher = 0
    for label in range(3):
        g = truth(module, train, (train[0], np.full(len(p), label)))[2]
        fisher = fisher + (g * p[:, [label]]).T @ g / len(p)
    influence = Influence(module, train, curvature=curvature)
    v = np.eye(len(fisher))
    assert relative_error(influence.hvp(v), fisher, floor=1e-6) < 1e-10


def test_the_example_of_the_docstring():
    module = nn.Linear(1, 1, bias=False).double()
    module.weight.data[:] = 1.0
    one = np.ones((3, 1))
    influence = Influence(module, (one, np.array([0.0, 0, 3])), loss="squared", damping=0.0)
    test = (one[:1], np.zeros(1))
    np.testing.assert_allclose(influence.scores(test), [[-1, -1, 2]])
    np.testing.assert_allclose(influence.leave_one_out(test), [[1 / 3, 1 / 3, -2 / 3]])


def test_one_newton_step_is_exact_for_least_squares():
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((30, 4)), rng.standard_normal((30, 2))

    def fit(keep):
        a = np.c_[x, np.ones(30)][keep]
        return np.linalg.solve(a.T @ a / 30 + 0.1 * np.eye(5), a.T @ y[keep] / 30)

    def loss(theta):
        return ((np.c_[x, np.ones(30)][:3] @ theta - y[:3]) ** 2).sum(1) / 2

    theta, module = fit(np.arange(30)), nn.Linear(4, 2).double()
    module.weight.data, module.bias.data = torch.tensor(theta[:4].T.copy()), torch.tensor(theta[4].copy())
    influence = Influence(module, (x, y), loss="squared", solver="direct", damping=0.0, weight_decay=0.1)
    outputs = [lambda z, y, k=k: z[:, k] for k in range(2)]
    for k, output in enumerate(outputs):  # the change of an output is linear in the parameters' change
        predicted = influence.leave_one_out((x[:3], y[:3]), of=output)
        actual = np.stack(
            [
                (np.c_[x, np.ones(30)][:3] @ (fit(np.delete(np.arange(30), i)) - theta))[:, k]
                for i in range(30)
            ],
            axis=1,
        )
        np.testing.assert_allclose(predicted, actual, atol=1e-12)
    assert loss(theta).shape == (3,)


@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_other_functions_of_the_output(make, truth, name, lower):
    module, train, test = make(name)
    influence = Influence(module, train, damping=DAMPING, lower=lower, tolerance=1e-12)
    rows = torch.arange(len(test[1]))

    def of(kind):
        def function(z, y):
            p = z.softmax(1)[rows[: len(z)], y]
            return {"margin": (p / (1 - p)).log(), "logit": z[rows[: len(z)], y]}[kind]

        return function

    for kind in ("margin", "logit"):
        np.testing.assert_allclose(
            influence.scores(test, of=kind), influence.scores(test, of=of(kind)), atol=1e-9
        )
    log_likelihood = influence.scores(
        test, of=lambda z, y: -nn.functional.cross_entropy(z, y, reduction="none")
    )
    np.testing.assert_allclose(log_likelihood, -influence.scores(test), atol=1e-9)
    with pytest.raises(ValueError, match="returns 7 numbers, got shape"):
        influence.scores(test, of=lambda z, y: z)


def test_groups_and_the_most_influential(make):
    module, train, test = make()
    influence = Influence(module, train, damping=DAMPING)
    scores = influence.scores(test)
    groups = np.arange(40) % 4
    expected = np.stack([scores[:, groups == g].sum(1) for g in range(4)], axis=1)
    np.testing.assert_allclose(influence.scores(test, groups=groups), expected, atol=1e-6)
    top = influence.top_k(test, 5)
    order = np.argsort(scores, axis=1)
    np.testing.assert_array_equal(top.helpful, order[:, :5])
    np.testing.assert_array_equal(top.harmful, order[:, :-6:-1])
    np.testing.assert_allclose(top.helpful_scores, np.take_along_axis(scores, top.helpful, 1))
    np.testing.assert_allclose(top.harmful_scores, np.take_along_axis(scores, top.harmful, 1))


def test_results_can_be_written_to_files(make, tmp_path):
    module, train, test = make()
    influence = Influence(module, train, damping=DAMPING)
    expected = influence.scores(test)
    mapped = influence.scores(test, out=tmp_path / "scores.npy")
    assert isinstance(mapped, np.memmap)
    np.testing.assert_array_equal(np.load(tmp_path / "scores.npy"), expected)
    given = np.zeros_like(expected)
    assert influence.scores(test, out=given) is given
    np.testing.assert_array_equal(given, expected)
    with pytest.raises(ValueError, match=r"output of shape \(7, 40\), got \(7, 39\)"):
        influence.scores(test, out=np.zeros((7, 39)))
    with pytest.raises(ValueError, match=r"named \*.npy or \*.zarr, got scores.csv"):
        influence.scores(test, out=tmp_path / "scores.csv")


def test_results_can_be_written_to_zarr(make, tmp_path):
    pytest.importorskip("zarr")
    module, train, test = make()
    influence = Influence(module, train, damping=DAMPING)
    written = influence.scores(test, out=tmp_path / "scores.zarr")
    np.testing.assert_array_equal(written[:], influence.scores(test))


@pytest.mark.parametrize("name", ["mlp", "cnn"])
def test_pixels(make, truth, name):
    module, train, test = make(name)
    influence = Influence(module, train, damping=DAMPING, tolerance=1e-12)
    pixels = influence.perturbation(test, rows=[2, 30])
    assert pixels.shape == (7, 2, 1, 6, 6)
    step = 1e-5
    for k, row in enumerate([2, 30]):
        moved = []
        for sign in (1, -1):
            x = train[0].copy()
            x[row, 0, 3, 4] += sign * step
            _, g, h = truth(module, (x[[row]], train[1][[row]]), test)
            inverse = influence.solve(h).vectors
            moved.append(-inverse @ g[0])
        np.testing.assert_allclose(pixels[:, k, 0, 3, 4], (moved[0] - moved[1]) / (2 * step), atol=1e-6)


def test_forms_of_training_data(make, tmp_path):
    module, (x, y), test = make()
    expected = Influence(module, (x, y), damping=DAMPING).scores(test)
    x.tofile(tmp_path / "x")
    mapped = np.memmap(tmp_path / "x", dtype=x.dtype, mode="r", shape=x.shape)
    tensors = torch.tensor(x), torch.tensor(y)
    pairs = list(zip(*tensors, strict=True))

    class Items(torch.utils.data.Dataset):
        def __len__(self):
            return len(pairs)

        def __getitem__(self, i):
            return pairs[i]

    for data in ((mapped, y), tensors, TensorDataset(*tensors), Items()):
        for lower in (True, False):
            scores = Influence(module, data, damping=DAMPING, lower=lower).scores(test)
            np.testing.assert_allclose(scores, expected, atol=1e-7)


def test_some_of_the_parameters(make, truth):
    module, train, test = make("mlp")
    hessian, g, h = truth(module, train, test)
    last = slice(36 * 4 + 4, None)
    inverse = np.linalg.inv(hessian[last, last] + DAMPING * np.eye(15))
    expected = -h[:, last] @ inverse @ g[:, last].T
    for names, path in ((["3"], "native"), (["3.weight", "3.bias"], "native")):
        influence = Influence(module, train, damping=DAMPING, parameters=names, tolerance=1e-12)
        assert influence.path == path
        np.testing.assert_allclose(influence.scores(test), expected, atol=1e-10)
    weight_only = Influence(module, train, damping=DAMPING, parameters=["3.weight"])
    assert weight_only.path == "torch"
    module[1].requires_grad_(False)
    np.testing.assert_allclose(
        Influence(module, train, damping=DAMPING, tolerance=1e-12).scores(test), expected, atol=1e-10
    )


def test_float32(make):
    module, train, test = make("mlp")
    expected = Influence(module, train, damping=DAMPING).scores(test)
    single = Influence(module.float(), train, damping=DAMPING)
    scores = single.scores(test)
    assert scores.dtype == np.float32
    assert relative_error(scores, expected, floor=1e-6) < 1e-3
    assert "native" in repr(single)


def test_a_solver_that_did_not_converge_says_so(make):
    module, train, test = make("mlp")
    influence = Influence(module, train, damping=DAMPING, max_iterations=1)
    with pytest.warns(NotConverged, match="cg left 7 of 7 solutions with a relative residual above 1e-08"):
        influence.scores(test)
    assert (influence.solution.iterations == 1).all()
    assert not influence.solution.converged.any()


def test_the_smooth_hinge(make):
    rng = np.random.default_rng(0)
    x, y = rng.standard_normal((50, 5)), rng.choice([-1, 1], 50)
    module = nn.Linear(5, 1).double()
    for temperature in (0.0, 0.001, 0.1, 1.0):
        pair = [
            Influence(
                module,
                (x, y),
                loss="smooth_hinge",
                weight_decay=0.1,
                temperature=temperature,
                lower=lower,
                damping=0,
            )
            for lower in (True, False)
        ]
        assert [i.path for i in pair] == ["native", "torch"]
        for of in ("loss", "margin", "logit"):
            a, b = (i.scores((x[:4], y[:4]), of=of) for i in pair)
            np.testing.assert_allclose(a, b, atol=1e-6 * np.abs(b).max())


@pytest.mark.parametrize("options", [{"solver": "direct"}, {"solver": "cg"}, {"curvature": "ekfac"}])
def test_relative_scores_are_divided_by_the_root_of_self_influence(make, options):
    module, train, test = make("mlp")
    curved = {"curvature": "gauss_newton", "damping": 0.1, **options}
    influence = Influence(module, train, **curved)
    g, f = influence.gradients(train), influence.gradients(test)
    solved = influence.solve(g).vectors
    expected = -(f @ solved.T) / np.sqrt(np.einsum("ij,ij->i", g, solved))
    np.testing.assert_allclose(influence.relative_scores(test), expected, rtol=1e-5, atol=1e-8)


def test_a_sample_without_a_gradient_has_no_relative_score():
    module = nn.Linear(2, 1, bias=False).double()
    x = np.array([[0.0, 0.0], [1.0, 0.5], [0.3, -1.0]])
    influence = Influence(module, (x, np.ones((3, 1))), loss="squared", damping=0.1)
    found = influence.relative_scores((x[1:], np.zeros((2, 1))))
    assert (found[:, 0] == 0).all()
    assert np.isfinite(found).all()
    assert (found[:, 1:] != 0).any()


@pytest.mark.parametrize("options", [{"solver": "direct"}, {"solver": "cg"}, {"curvature": "ekfac"}])
def test_relative_scores_of_samples_whose_squares_single_precision_loses(options):
    module = nn.Linear(1, 2)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0], [-1.0]]))
        module.bias.zero_()
    x, y = np.array([[1.0], [-1.0], [1.2], [30.0]]), np.array([0, 1, 0, 0])
    curved = {"curvature": "gauss_newton", "damping": 0.1, **options}
    single = Influence(module, (x.astype(np.float32), y), **curved)
    found = single.relative_scores((x[:2].astype(np.float32), y[:2]))
    double = Influence(copy.deepcopy(module).double(), (x, y), **curved)
    expected = double.relative_scores((x[:2], y[:2]))
    assert single.self_influence()[3] == 0
    assert np.abs(expected[:, 3]).min() > 0
    np.testing.assert_allclose(found, expected, rtol=1e-4)


@pytest.mark.parametrize("value", [-1e-3, np.nan])
def test_relative_scores_refuse_negative_self_influence(make, monkeypatch, value):
    module, train, test = make("mlp")
    influence = Influence(module, train, curvature="gauss_newton", damping=0.1)
    own = np.ones(40)
    own[7] = value
    monkeypatch.setattr(influence._inverse, "self_influence", lambda rows: own[rows])
    with pytest.raises(ValueError, match="of training sample 7; more damping or another solver"):
        influence.relative_scores(test)
