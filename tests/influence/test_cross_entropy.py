"""The slope of cross-entropy in closed form."""

import numpy as np
import pytest
import torch

from divulge.influence.cross_entropy import CrossEntropy
from divulge.influence.positions import Positions


@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("shape", [(6, 1), (6, 2), (6, 5), (4, 3, 5), (4, 3, 2, 1), (0, 4)])
def test_it_is_that_of_autograd_in_double_precision(shape, reduction):
    rng = np.random.default_rng(len(shape))
    z = torch.from_numpy(3 * rng.standard_normal(shape)).requires_grad_()
    y = torch.from_numpy(rng.integers(0, max(shape[-1], 2), shape[:-1]))
    if y.ndim > 1:
        y[0] = y[1, 0] = -100  # positions that do not count, all of the first sample's among them
    loss = CrossEntropy(Positions(reduction))
    (expected,) = torch.autograd.grad(loss(z, y).sum(), z)
    torch.testing.assert_close(loss.slope(z.detach(), y), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("classes", [1, 4])
def test_labels_that_are_almost_sure_have_slopes_in_single_precision(classes):
    z = torch.zeros(1, classes)
    z[0, 0] = 30
    y = torch.tensor([int(classes == 1)])  # the likely one
    found = CrossEntropy(Positions()).slope(z, y)[0, 0]
    assert found == pytest.approx(-(classes - 1 or 1) * np.exp(-30.0), rel=1e-5)
