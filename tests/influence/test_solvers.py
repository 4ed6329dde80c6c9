from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from divulge.influence.errors import SingularCurvature
from divulge.influence.solvers import (
    ConjugateGradients,
    Direct,
    Lissa,
    Matrix,
    arnoldi,
    direct,
    lanczos,
    nystroem,
    placed,
)


def matrix_of(dense, shift, damping=None):
    held = placed(dense)
    return Matrix(len(dense), shift, shift if damping is None else damping, lambda v: v @ held)


def solved(solver, b):
    return solver.solve(placed(b)).solution()


def random_dense(values, seed):
    q = np.linalg.qr(np.random.default_rng(seed).standard_normal((len(values), len(values))))[0]
    return (q * values) @ q.T


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 40), st.integers(0, 5), st.integers(0, 999))
def test_cg_and_the_direct_solver_reach_their_tolerance(size, m, seed):
    rng = np.random.default_rng(seed)
    matrix = matrix_of(random_dense(rng.uniform(0, 10, size), seed), 0.1)
    b = rng.standard_normal((m, size))
    b[1:2] = 0
    for solver in (ConjugateGradients(matrix, 1e-10, 500), Direct(matrix, 1e-10)):
        solution = solved(solver, b)
        assert solution.converged.all()
        assert (solution.residual <= 1e-10).all()
        np.testing.assert_allclose(matrix(placed(solution.vectors)), b, atol=1e-8)
    assert not solved(ConjugateGradients(matrix, 1e-10, 500), b).iterations[1:2].any()


def test_rows_stop_on_their_own():
    matrix = matrix_of(np.diag([1.0, 2, 3, 4]), 0.0)
    solution = solved(ConjugateGradients(matrix, 1e-12, 50), np.array([[1.0, 0, 0, 0], [1, 1, 1, 1]]))
    assert solution.iterations.tolist() == [1, 3]  # four dimensions: e1, and three powers of A


def test_a_block_needs_fewer_products_than_its_rows_alone():
    matrix = matrix_of(random_dense(np.geomspace(1e-3, 10, 200), 4), 1e-3)
    b = np.random.default_rng(4).standard_normal((12, 200))
    block = solved(ConjugateGradients(matrix, 1e-8, 500), b)
    alone = [solved(ConjugateGradients(matrix, 1e-8, 500), row[None]) for row in b]
    assert block.converged.all()
    assert 3 * block.iterations.max() < min(int(solution.iterations[0]) for solution in alone)


def test_rows_that_depend_on_one_another_share_a_smaller_basis():
    matrix = matrix_of(random_dense(np.linspace(0.1, 5, 60), 5), 0.0)
    b = np.random.default_rng(5).standard_normal((3, 60))
    b = np.vstack([b, b[0], 1e-9 * b[1] - 1e-3 * b[2], 1e6 * b[2], np.zeros(60)])
    solution = solved(ConjugateGradients(matrix, 1e-10, 500), b)
    assert solution.converged.all()
    expected = np.linalg.solve(matrix(placed(np.eye(60))).numpy(), b.T).T
    for x, y in zip(solution.vectors, expected, strict=True):
        np.testing.assert_allclose(x, y, atol=1e-8 * np.abs(y).max())


def test_an_iteration_limit_is_told():
    matrix = matrix_of(np.diag(np.linspace(0.01, 100, 50)), 0.0)
    solution = solved(ConjugateGradients(matrix, 1e-10, 3), np.ones((1, 50)))
    assert solution.iterations.tolist() == [3]
    assert not solution.converged[0]
    assert np.isfinite(solution.vectors).all()


@pytest.mark.parametrize(
    "build",
    [
        lambda m: solved(ConjugateGradients(m, 1e-8, 500), np.ones((2, m.size))),
        lambda m: Direct(m, 1e-8),
        lambda m: arnoldi(m, 20, 1e-2, 0),
        lambda m: nystroem(m, 50, 1e-2, 0),
        lambda m: solved(Lissa(m, lambda rows: m, 10, 1e-2, 5, 2000, 0), np.ones((1, m.size))),
    ],
)
def test_negative_curvature_is_found_and_the_damping_named_would_do(build):
    values = np.linspace(0, 5, 50)
    values[0] = -0.3
    dense = random_dense(values, 1)
    with pytest.raises(
        SingularCurvature, match=r"indefinite: its smallest eigenvalue is about -0.3"
    ) as caught:
        build(matrix_of(dense, 0.1))
    damping = caught.value.sufficient_damping
    assert 0.3 < damping < 0.32
    build(matrix_of(dense, damping))


@pytest.mark.parametrize(
    "build", [lambda m: solved(ConjugateGradients(m, 1e-8, 500), np.eye(4)), lambda m: Direct(m, 1e-8)]
)
def test_a_singular_matrix_is_named(build):
    dense = np.diag([0.0, 1, 2, 3])
    with pytest.raises(SingularCurvature, match=r"is singular: .*damping=0 is too little") as caught:
        build(matrix_of(dense, 0.0))
    build(matrix_of(dense, caught.value.sufficient_damping))


def test_weight_decay_counts():
    with pytest.raises(SingularCurvature) as caught:
        Direct(matrix_of(np.diag([-0.5, 1.0]), 0.2, damping=0.05), 1e-8)
    assert caught.value.smallest_eigenvalue == pytest.approx(-0.35)
    assert 0.35 < caught.value.sufficient_damping < 0.36


def test_lanczos_finds_both_ends():
    values = np.r_[-3.0, np.linspace(0, 1, 60), 10.0]
    ritz = lanczos(matrix_of(random_dense(values, 2), 0.0), 40, 0)
    assert ritz.values[0] == pytest.approx(10, abs=1e-8)
    assert ritz.values[-1] == pytest.approx(-3, abs=1e-6)
    whole = lanczos(matrix_of(np.eye(3), 0.0), 40, 0)  # the first vector spans an invariant space
    assert whole.values == pytest.approx([1.0])


@pytest.mark.parametrize("build", [arnoldi, nystroem])
def test_a_low_rank_matrix_is_inverted_exactly(build):
    dense = random_dense(np.r_[np.zeros(40), 1.0, 2, 3, 7], 3)
    matrix = matrix_of(dense, 0.1)
    b = np.random.default_rng(0).standard_normal((3, 44))
    solution = solved(build(matrix, 8, 1e-6, 0), b)
    assert solution.converged.all()
    np.testing.assert_allclose(matrix(placed(solution.vectors)), b, atol=1e-6)
    with pytest.raises(ValueError, match="damping or weight decay above 0, got 0"):
        build(matrix_of(dense, 0.0), 8, 1e-6, 0)


def test_lissa_converges_over_batches():
    rng = np.random.default_rng(0)
    x = rng.standard_normal((200, 6))

    def of(rows):
        return matrix_of(x[rows].T @ x[rows] / len(rows), 0.2)

    matrix = of(np.arange(200))
    b = np.vstack([rng.standard_normal((2, 6)), np.zeros(6)])
    solution = solved(Lissa(matrix, of, 200, 0.03, 20, 500, 0), b)
    assert solution.converged.all()
    again = solved(Lissa(matrix, of, 200, 0.03, 20, 500, 0), b)
    np.testing.assert_array_equal(solution.vectors, again.vectors)
    expected = np.linalg.solve(x.T @ x / 200 + 0.2 * np.eye(6), b.T).T
    np.testing.assert_allclose(solution.vectors, expected, atol=0.2)


def test_lissa_widens_its_scale_where_a_batch_is_far_from_the_whole():
    x = np.r_[np.full((99, 1), 0.1), [[30.0]]]

    def of(rows):
        return matrix_of(x[rows].T @ x[rows] / len(rows), 0.1)

    solution = solved(Lissa(of(np.arange(100)), of, 100, 1.0, 1, 60, 0), np.ones((1, 1)))
    assert np.isfinite(solution.vectors).all()


@settings(deadline=None, max_examples=20)
@given(st.integers(1, 30), st.integers(0, 999))
def test_torch_factorises_as_the_core_does(size, seed):
    rng = np.random.default_rng(seed)
    matrix = matrix_of(random_dense(rng.uniform(0, 10, size), seed), 0.1)
    b = rng.standard_normal((3, size))
    expected = solved(Direct(matrix, 1e-10), b)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(direct, "_is_host", lambda _: False)  # as on a device
        got = solved(Direct(matrix, 1e-10), b)
        with pytest.raises(SingularCurvature, match="indefinite"):
            Direct(matrix_of(random_dense(np.r_[-0.3, np.ones(size)], seed), 0.1), 1e-8)
    assert got.converged.all()
    np.testing.assert_allclose(got.vectors, expected.vectors, rtol=1e-10, atol=1e-12)


def test_too_many_parameters_for_the_direct_solver():
    with pytest.raises(ValueError, match="at most 20000 parameters, use solver='cg'"):
        Direct(Matrix(20_001, 1.0, 1.0, lambda v: v), 1e-8)


@pytest.mark.parametrize("build", [arnoldi, nystroem])
def test_low_rank_solvers_know_squares_without_a_product(build):
    rng = np.random.default_rng(3)
    solver = build(matrix_of(random_dense(np.geomspace(1e-6, 10, 30), 3), 0.1), 12, 1e-2, 0)
    b = rng.standard_normal((4, 30))
    np.testing.assert_allclose(
        solver.quadratic(placed(b)), (b * solved(solver, b).vectors).sum(axis=1), rtol=1e-10
    )


def test_low_rank_squares_do_not_cancel_where_the_shift_is_small():
    rng = np.random.default_rng(4)
    shift, dense = 1e-9, random_dense(np.geomspace(1e3, 1e9, 20), 4)
    solver = nystroem(matrix_of(dense, shift), 20, 1e-2, 0)  # of full rank: the whole matrix
    b = rng.standard_normal((6, 20)) @ dense / 1e9
    exact = np.einsum("ij,ji->i", b, np.linalg.solve(dense + shift * np.eye(20), b.T))
    np.testing.assert_allclose(solver.quadratic(placed(b)), exact, rtol=1e-4)
