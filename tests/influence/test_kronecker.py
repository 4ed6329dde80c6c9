from __future__ import annotations

import numpy as np
import pytest
from chains import relative_error

from divulge import Influence
from divulge.influence.kronecker import label_cotangents
from divulge.influence.losses import resolve_loss


def dense_of(influence):
    return influence.hvp(np.eye(influence.operator.parameters))


def test_kfac_of_one_linear_layer_without_inputs_that_vary_is_the_fisher_matrix(make):
    module, (x, y), _ = make("logistic")
    same = np.repeat(x[:1], 40, axis=0)  # one input: the factors are independent of each other
    kfac = Influence(module, train=(same, y), curvature="kfac", damping=1.0)
    fisher = Influence(module, train=(same, y), curvature="fisher", damping=1.0)
    assert relative_error(dense_of(kfac), dense_of(fisher), floor=1e-6) < 1e-10


@pytest.mark.parametrize("loss", ["cross_entropy", "squared"])
@pytest.mark.parametrize("name", ["mlp", "tanh", "logistic"])
def test_ekfac_has_the_fisher_matrix_diagonal_in_its_own_basis(make, name, loss):
    module, train, _ = make(name, loss=loss)
    ekfac = Influence(module, loss, train, curvature="ekfac", damping=1.0)
    kfac = Influence(module, loss, train, curvature="kfac", damping=1.0)
    fisher = dense_of(Influence(module, loss, train, curvature="fisher", damping=1.0))
    error = [np.linalg.norm(dense_of(i) - fisher) for i in (ekfac, kfac)]
    assert error[0] <= error[1] + 1e-12
    assert np.trace(dense_of(ekfac)) == pytest.approx(np.trace(fisher))


@pytest.mark.parametrize("curvature", ["kfac", "ekfac"])
def test_it_is_inverted_exactly(make, curvature):
    module, train, test = make("tanh")
    influence = Influence(module, train=train, curvature=curvature, damping=0.1, weight_decay=0.05)
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
    exact = label_cotangents(z[:, :10], loss, 0).reshape(10, 10)
    p = np.exp(z[0, :10]) / np.exp(z[0, :10]).sum()
    np.testing.assert_allclose(exact.T @ exact, np.diag(p) - np.outer(p, p), atol=1e-12)


def test_what_it_cannot_do_is_said(make):
    module, train, _ = make("cnn")
    with pytest.raises(ValueError, match="chains of Linear layers run natively, got Sequential"):
        Influence(module, train=train, curvature="ekfac").hvp(np.zeros(51))
    module, train, _ = make("mlp")
    with pytest.raises(ValueError, match="damping or weight decay above 0"):
        Influence(module, train=train, curvature="kfac", damping=0).solve(np.zeros(163))
    with pytest.raises(ValueError, match="takes no solver, got 'cg'"):
        Influence(module, train=train, curvature="kfac", solver="cg")
    with pytest.raises(ValueError, match="needs a loss that is a likelihood"):
        Influence(module, lambda z, y: z.sum(1), train, curvature="fisher")
