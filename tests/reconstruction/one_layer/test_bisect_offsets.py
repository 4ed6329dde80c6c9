"""Brackets of all offsets are halved together."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from random_victims import random_network

from divulge import GradientOracle, Victim
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.one_layer.bisect_offsets import Brackets, bisect


@pytest.mark.parametrize(
    ("dtype", "queries", "error"), [(torch.float64, 60, 1e-13), (torch.float32, 30, 1e-5)]
)
def test_narrows_to_rounding(dtype, queries, error):
    network = random_network(40, 15, dtype=dtype)
    weight, bias = network[0].weight.detach().double().numpy(), network[0].bias.detach().double().numpy()
    out = network[2].weight.detach().double().numpy()[0]
    jumps, level = out[:, None] * weight, -out * bias
    side = np.sign(out)
    transcript = Transcript(AskedOutput(GradientOracle(Victim(network, input_shape=(40,))), 0))
    steps: list[Brackets] = []
    start = Brackets(level - 3 * side, level + 2 * side)
    found = bisect(transcript, jumps, np.zeros(40), start, steps.append)
    assert len(transcript) == len(steps) <= queries
    assert np.abs(found.middle() - level).max() < error
