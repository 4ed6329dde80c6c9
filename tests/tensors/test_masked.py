from __future__ import annotations

import numpy as np
import pytest
import torch

from divulge import _core
from divulge.tensors import masked_least_squares, sign_patterns


def test_what_does_not_fit_is_named(device):
    one = torch.ones(2, 3, dtype=torch.float64, device=device)
    with pytest.raises(ValueError, match=r"masks"):
        masked_least_squares(one, one, torch.ones(3, 2, dtype=torch.bool, device=device))
    with pytest.raises(ValueError, match=r"tolerance in \[0, 1\), got 2"):
        masked_least_squares(one, one, torch.ones(2, 2, dtype=torch.bool, device=device), 2.0)
    with pytest.raises(TypeError, match="basis as a tensor, got ndarray"):
        masked_least_squares(one.cpu().numpy(), one, one)


def test_tensors_elsewhere_are_refused():
    one = torch.ones(2, 2, dtype=torch.float64)
    with pytest.raises(ValueError, match="basis on cpu or cuda, got meta"):
        masked_least_squares(one.to("meta"), one, one)


@pytest.mark.parametrize("own", [False, True])
def test_sign_patterns_are_the_cores(device, own):
    rng = np.random.default_rng(5)
    jumps = rng.standard_normal((6, 4, 9) if own else (4, 9))
    beta = rng.integers(0, 2, (6, 4)).astype(float)
    gradients = -np.einsum("nh,nhd->nd", beta, np.broadcast_to(jumps, (6, 4, 9)))
    gradients[0] += 0.1
    got = sign_patterns(torch.tensor(jumps, device=device), torch.tensor(gradients, device=device))
    for i, g in enumerate(gradients):
        expected = _core.sign_pattern(jumps[i] if own else jumps, g)
        np.testing.assert_allclose(got[0][i].cpu(), expected.beta, atol=1e-12)
        np.testing.assert_allclose(got[1][i].cpu(), expected.residual, atol=1e-12)
        assert bool(got[2][i]) == expected.binary == (i > 0)
