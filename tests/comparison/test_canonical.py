import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge.comparison.canonical import canonical_form, match, parameter_error
from divulge.victims.affine import OneHiddenLayer


def random_net(rng, d=6, h=5, outputs=3):
    return OneHiddenLayer(
        rng.normal(size=(h, d)), rng.normal(size=h), rng.normal(size=(outputs, h)),
        np.zeros((outputs, d)), rng.normal(size=outputs),
    )  # fmt: skip


def evaluate(net, x, outputs):
    return np.maximum(x @ net.rows.T + net.offsets, 0) @ outputs + x @ net.affine.T + net.bias


def check_same_function(net, form, rng):
    x = rng.normal(size=(40, net.rows.shape[1]))
    np.testing.assert_allclose(
        evaluate(form, x, form.outputs), evaluate(net, x, net.outputs.T), rtol=1e-10, atol=1e-10
    )


def stack(net, rows, offsets, outputs):
    return OneHiddenLayer(
        np.vstack([net.rows, rows]), np.append(net.offsets, offsets), np.hstack([net.outputs, outputs]),
        net.affine, net.bias,
    )  # fmt: skip


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), factor=st.floats(1e-3, 1e3))
def test_order_and_factors_do_not_matter(seed, factor):
    rng = np.random.default_rng(seed)
    net = random_net(rng)
    order, factors = rng.permutation(5), factor * rng.uniform(0.5, 2, 5)
    other = OneHiddenLayer(
        (net.rows * factors[:, None])[order], (net.offsets * factors)[order],
        (net.outputs / factors)[:, order], net.affine, net.bias,
    )  # fmt: skip
    a, b = canonical_form(net, 1e-12), canonical_form(other, 1e-12)
    np.testing.assert_allclose(np.linalg.norm(a.rows, axis=1), 1)
    check_same_function(net, a, rng)
    mine, theirs, turned = match(b, a)
    np.testing.assert_array_equal(order[mine], theirs)
    assert parameter_error(turned, a, mine, theirs) < 1e-12


def test_dead_units_go_away_and_constants_go_into_the_bias():
    rng = np.random.default_rng(1)
    net = random_net(rng)
    zero = np.zeros(6)
    padded = stack(net, [zero, zero, zero, rng.normal(size=6)], [2, -2, 0, 1], np.ones((3, 4)) * [1, 1, 1, 0])
    form = canonical_form(padded, 1e-12)
    np.testing.assert_array_equal(form.units, np.arange(5))
    np.testing.assert_allclose(form.bias, net.bias + 2)
    check_same_function(padded, form, rng)


def test_a_hyperplane_out_of_reach_is_affine():
    rng = np.random.default_rng(2)
    net = random_net(rng)
    row = 1e-9 * rng.normal(size=6)
    padded = stack(net, [row, row], [1e6, -1e6], np.ones((3, 2)))
    form = canonical_form(padded, 1e-12)
    assert len(form.units) == 5
    np.testing.assert_allclose(form.affine, np.tile(row, (3, 1)))
    check_same_function(padded, form, rng)


def test_units_with_one_hyperplane_are_merged():
    rng = np.random.default_rng(3)
    net = random_net(rng)
    doubled = stack(net, [3 * net.rows[1], -2 * net.rows[3]], [3 * net.offsets[1], -2 * net.offsets[3]],
                    rng.normal(size=(3, 2)))  # fmt: skip
    form = canonical_form(doubled, 1e-12)
    np.testing.assert_array_equal(form.units, np.arange(5))
    assert np.abs(form.affine).max() > 0.1
    check_same_function(doubled, form, rng)


def test_units_that_cancel_leave_an_affine_part():
    rng = np.random.default_rng(4)
    net = random_net(rng)
    cancelled = stack(net, [-net.rows[0]], [-net.offsets[0]], -net.outputs[:, :1])
    form = canonical_form(cancelled, 1e-12)
    np.testing.assert_array_equal(form.units, [1, 2, 3, 4])
    check_same_function(cancelled, form, rng)


def test_parallel_units_stay_apart():
    rng = np.random.default_rng(5)
    net = random_net(rng)
    parallel = stack(net, [net.rows[0], -net.rows[0]], [net.offsets[0] + 1e-6, 0], np.ones((3, 2)))
    assert len(canonical_form(parallel, 1e-9).units) == 7


@settings(deadline=None, max_examples=40)
@given(seed=st.integers(0, 10**6), which=st.lists(st.booleans(), min_size=5, max_size=5))
def test_turning_units_keeps_the_function_and_is_undone_by_matching(seed, which):
    rng = np.random.default_rng(seed)
    net = random_net(rng)
    form = canonical_form(net, 1e-12)
    turned = form.flipped(np.array(which))
    check_same_function(net, turned, rng)
    mine, theirs, back = match(turned, form)
    np.testing.assert_array_equal(mine, theirs)
    assert parameter_error(back, form, mine, theirs) < 1e-12


def test_a_wrong_sign_is_an_error():
    rng = np.random.default_rng(6)
    net = random_net(rng)
    sign = np.array([-1, 1, 1, 1, 1])
    wrong = OneHiddenLayer(net.rows * sign[:, None], net.offsets * sign, net.outputs, net.affine, net.bias)
    truth = canonical_form(net, 1e-12)
    mine, theirs, copy = match(canonical_form(wrong, 1e-12), truth)
    expected = np.abs(np.outer(net.outputs[:, 0], np.append(net.rows[0], net.offsets[0]))).max()
    assert parameter_error(copy, truth, mine, theirs) == pytest.approx(expected)


@pytest.mark.parametrize("part", ["rows", "offsets", "outputs", "affine", "bias"])
def test_every_parameter_counts(part):
    net = random_net(np.random.default_rng(7))
    truth = canonical_form(net, 1e-12)
    array = getattr(truth, part).copy()
    array.flat[-1] += 1e-3
    other = type(truth)(**{**vars(truth), part: array})
    mine, theirs, copy = match(other, truth)
    assert parameter_error(copy, truth, mine, theirs) == pytest.approx(1e-3)


def test_a_missing_or_an_extra_unit_counts_with_its_weight():
    rng = np.random.default_rng(8)
    net = random_net(rng)
    less = OneHiddenLayer(net.rows[:4], net.offsets[:4], net.outputs[:, :4], net.affine, net.bias)
    full, part = canonical_form(net, 1e-12), canonical_form(less, 1e-12)
    for copy, victim in ((full, part), (part, full)):
        mine, theirs, turned = match(copy, victim)
        error = parameter_error(turned, victim, mine, theirs)
        assert error == pytest.approx(np.abs(full.outputs[4]).max())


def test_no_units_at_all():
    net = OneHiddenLayer(np.zeros((0, 2)), np.zeros(0), np.zeros((1, 0)), np.ones((1, 2)), np.zeros(1))
    form = canonical_form(net, 1e-12)
    mine, theirs, copy = match(form, form)
    assert parameter_error(copy, form, mine, theirs) == 0
