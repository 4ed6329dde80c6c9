from __future__ import annotations

import numpy as np
import pytest
import torch
from chains import ACTIVATION, LOSSES, SIZES, chain, problem, relative_error, twin_of
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge import _core

COUNTS = (st.integers(1, 300), st.integers(0, 5))  # samples and vectors


@settings(deadline=None, max_examples=60)
@given(SIZES, LOSSES, ACTIVATION, *COUNTS, st.booleans(), st.integers(0, 999))
def test_products_are_those_of_the_dense_hessian(compiled, sizes, loss, activation, n, m, cached, seed):
    arguments = chain(sizes, loss, activation, seed, n, np.float64)
    native, twin = problem(sizes, loss, activation, seed, n, np.float64, cached=cached)
    vectors = np.random.default_rng(seed).standard_normal((m, native.parameters))
    dense = torch.func.jacrev(torch.func.grad(twin.mean_loss))(twin.theta).numpy()
    for own in (native, compiled.curvature(*arguments)):
        assert relative_error(own.hessian_products(vectors), vectors @ dense, floor=1e-3) <= 1e-10


@settings(deadline=None, max_examples=40)
@given(SIZES, LOSSES, ACTIVATION, *COUNTS, st.integers(0, 999))
def test_products_scores_and_losses_are_the_twins(compiled, sizes, loss, activation, n, m, seed):
    arguments = chain(sizes, loss, activation, seed, n, np.float64)
    own, twin = compiled.curvature(*arguments), twin_of(arguments)
    vectors = np.random.default_rng(seed).standard_normal((m, own.parameters))
    pairs = [
        (own.gauss_newton_products(vectors), twin.gauss_newton_products(torch.tensor(vectors))),
        (own.scores(vectors), twin.scores(torch.tensor(vectors))),
        (own.outputs(), twin.outputs_at(twin.theta, twin.inputs)),
        (own.losses().mean(), twin.mean_loss(twin.theta)),
    ]
    for mine, theirs in pairs:
        assert relative_error(mine, theirs.numpy(), floor=1) <= 1e-11


@settings(deadline=None, max_examples=40)
@given(SIZES, LOSSES, ACTIVATION, COUNTS[0], st.integers(0, 999))
def test_what_the_core_alone_has_is_the_twins(sizes, loss, activation, n, seed):
    native, twin = problem(sizes, loss, activation, seed, n, np.float64)
    rng = np.random.default_rng(seed)
    outputs, gradients, losses = native.evaluate()
    cotangents = rng.standard_normal(outputs.shape)
    pairs = [
        (native.gradient(), twin.gradient()),
        (native.sample_gradients(cotangents), twin.sample_gradients(torch.tensor(cotangents))),
        (native.sample_gradients(gradients), twin.loss_gradients()),
        (outputs, twin.outputs_at(twin.theta, twin.inputs)),
        (losses.mean(), twin.mean_loss(twin.theta)),
    ]
    for mine, theirs in pairs:
        assert relative_error(mine, theirs.numpy(), floor=1) <= 1e-11


@settings(deadline=None, max_examples=30)
@given(SIZES, LOSSES, st.integers(1, 600), st.integers(1, 5), st.integers(0, 999))
def test_float32_is_near(compiled, sizes, loss, n, m, seed):
    single = compiled.curvature(*chain(sizes, loss, "tanh", seed, n, np.float32))
    double, _ = problem(sizes, loss, "tanh", seed, n, np.float64)
    vectors = np.random.default_rng(seed).standard_normal((m, single.parameters)).astype(np.float32)
    for name in ("hessian_products", "gauss_newton_products", "scores"):
        mine = getattr(single, name)(vectors)
        assert mine.dtype == np.float32
        theirs = getattr(double, name)(vectors)
        assert relative_error(mine, theirs, floor=1e-2) <= 1e-4


@pytest.mark.parametrize("temperature", [0.0, 1e-3, 0.1, 10.0])
def test_the_smooth_hinge_at_every_temperature(compiled, temperature):
    arguments = chain([6, 5, 1], "smooth_hinge", "relu", 1, 50, np.float64, temperature)
    own, twin = compiled.curvature(*arguments), twin_of(arguments)
    v = np.random.default_rng(0).standard_normal((2, own.parameters))
    expected = twin.hessian_products(torch.tensor(v)).numpy()
    np.testing.assert_allclose(own.hessian_products(v), expected, atol=1e-10 * np.abs(expected).max())
    np.testing.assert_allclose(own.losses().mean(), twin.mean_loss(twin.theta), rtol=1e-12)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_number_of_threads_changes_no_bit(on_threads, dtype):
    native, _ = problem([20, 15, 4], "cross_entropy", "relu", 1, 5000, dtype)
    v = np.random.default_rng(0).standard_normal((3, native.parameters)).astype(dtype)
    for name in ("hessian_products", "scores"):
        call = getattr(native, name)
        one, two = on_threads(1, lambda call=call: call(v)), on_threads(2, lambda call=call: call(v))
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("loss", ["cross_entropy", "squared", "smooth_hinge"])
def test_no_samples_and_no_vectors(compiled, loss):
    none = compiled.curvature(*chain([4, 3, 2], loss, "relu", 1, 0, np.float64))
    v = np.ones((2, none.parameters))
    assert not none.hessian_products(v).any()
    assert not problem([4, 3, 2], loss, "relu", 1, 0, np.float64)[0].gradient().any()
    assert none.scores(v).shape == (2, 0)
    some = compiled.curvature(*chain([4, 3, 2], loss, "relu", 1, 5, np.float64))
    assert some.hessian_products(v[:0]).shape == (0, none.parameters)
    assert some.scores(v[:0]).shape == (0, 5)


def test_wrong_arguments_are_named():
    native, _ = problem([4, 3, 2], "cross_entropy", "relu", 1, 5, np.float64, biases="all")
    with pytest.raises(ValueError, match="vectors of 23 numbers, got 22"):
        native.hessian_products(np.zeros((1, 22)))
    with pytest.raises(ValueError, match="vectors of 23 numbers, got 22"):
        native.scores(np.zeros((1, 22)))
    one = [np.ones((1, 2))]

    def make(loss="squared", x=None, y=None, biases=(None,), activations=("identity",)):
        x, y = (np.ones(s) if a is None else a for a, s in ((x, (3, 2)), (y, (3, 1))))
        return _core.Curvature64(one, list(biases), list(activations), loss, x, y)

    with pytest.raises(ValueError, match="expected 2 numbers in an input, got 3"):
        make(x=np.ones((3, 3)))
    with pytest.raises(ValueError, match="expected 3 targets, got 2"):
        make(y=np.ones((2, 1)))
    with pytest.raises(ValueError, match="classes from 0 to 0, got another number for sample 0"):
        make("cross_entropy")
    with pytest.raises(ValueError, match="targets -1 and 1"):
        make("smooth_hinge", y=np.zeros((3, 1)))
    with pytest.raises(ValueError, match="loss cross_entropy, squared or smooth_hinge, got logit"):
        make("logit")
    with pytest.raises(ValueError, match="activation identity, relu or tanh, got gelu"):
        make(activations=["gelu"])
    with pytest.raises(ValueError, match="last layer of a chain has no activation"):
        make(activations=["relu"])
    with pytest.raises(ValueError, match="layer 0: expected 1 biases, got 2"):
        make(biases=[np.zeros(2)])
