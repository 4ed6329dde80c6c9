"""Vectors that are solved for stay on the device: nothing within a solve makes arrays of tensors."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from torch import Tensor

from divulge import Influence
from divulge.influence.operators import blocks
from divulge.influence.solvers import direct, placed

OUTWARD = ("cpu", "numpy", "__array__", "tolist")
SOLVERS = {
    "cg": {"solver": "cg"},
    "lissa": {"solver": "lissa", "damping": 3.0, "batch_size": 40, "max_iterations": 40},
    "arnoldi": {"solver": "arnoldi", "damping": 3.0, "rank": 40},
    "nystroem": {"solver": "nystroem", "damping": 3.0, "rank": 40},
    "direct": {"solver": "direct"},
    "gauss_newton": {"curvature": "gauss_newton"},
    "ekfac": {"curvature": "ekfac"},
}


@contextmanager
def no_way_to_the_host(monkeypatch):
    """Let whatever makes an array, a list or a tensor of the processor of a tensor fail."""

    def refuse(name):
        def method(*args, **kwargs):
            raise AssertionError(f"Tensor.{name} within a solve")

        return method

    move = Tensor.to

    def to(self, *args, **kwargs):
        named = [part for part in (*args, *kwargs.values()) if isinstance(part, str)]
        assert "cpu" not in named, "to the host"  # and not to the model's device, which is the same here
        return move(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        for name in OUTWARD:
            patch.setattr(Tensor, name, refuse(name))
        patch.setattr(Tensor, "to", to)
        yield


@pytest.mark.parametrize("name", SOLVERS)
def test_a_solve_makes_no_array_of_its_vectors(make, name, monkeypatch):
    module, train, test = make("tanh")
    influence = Influence(module, train, lower=False, **{"damping": 1.0, **SOLVERS[name]})
    vectors, inverse = placed(influence.gradients(test)), influence._inverse
    if name == "ekfac":
        _ = inverse.kronecker  # factors of all samples are arrays: they are kept in files
    batches = list(_held(inverse.operator))
    monkeypatch.setattr(type(inverse.operator), "_batches", lambda self, samples, most=None: batches)
    if name == "lissa":
        monkeypatch.setattr(type(inverse.operator), "subset", lambda self, rows: self)
    if name == "direct":
        monkeypatch.setattr(direct, "_is_host", lambda _: False)
    expected = inverse.solve(vectors.numpy())
    inverse.__dict__.pop("solver")
    with no_way_to_the_host(monkeypatch):
        found = inverse.solver.solve(vectors)
    np.testing.assert_array_equal(found.vectors, expected.vectors)
    np.testing.assert_array_equal(found.residual, expected.residual)
    assert float(found.residual.max()) < 0.5


def _held(operator):
    """Yield an operator's batches, which reading the data makes of arrays."""
    for rows in blocks(operator.rows, operator.batch_size):
        yield operator.samples.batch(rows, operator.torch_dtype)


@pytest.mark.parametrize("leave", ["cpu", "numpy", "tolist", "__array__", "to"])
def test_what_would_leave_is_noticed(leave, monkeypatch):
    given = ("cpu",) if leave == "to" else ()
    with no_way_to_the_host(monkeypatch), pytest.raises(AssertionError, match=r"host|within a solve"):
        getattr(torch.zeros(3), leave)(*given)
