"""Second layers each of whose channels sees a part of the first's: most of their entries are 0."""

from __future__ import annotations

import pytest
from conv_networks import conv, conv_net, error_of, victim_of
from torch import nn

from divulge import GradientOracle, reconstruct


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("groups", [2, 4])
def test_groups_are_found(groups, seed):
    shape = (1, 12, 12)
    net = conv_net(shape, conv(1, 4, 5), nn.ReLU, conv(4, 8, 3, groups=groups), nn.ReLU, seed=seed)
    result = reconstruct(GradientOracle(victim_of(net, shape)), seed=seed, input_shape=shape)
    assert result.complete, result.notes
    assert max(error_of(result, net, shape, scale) for scale in (0.3, 1.0, 10.0)) < 1e-8
    assert result.queries < 1200
