"""How far predictions are off, relative to what an output answers elsewhere."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from divulge import GradientOracle, Victim
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
def test_where_nearly_nothing_is_on_errors_are_relative_to_the_largest_answer_so_far(scale):
    module = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU(), torch.nn.Linear(2, 1)).double()
    with torch.no_grad():
        module[0].weight.copy_(torch.tensor([[1.0, 0.5], [-1.0, 1.0]]))
        module[0].bias.copy_(torch.tensor([0.0, 50.0]))
        module[2].weight.copy_(scale * torch.tensor([[1.0, 1e-9]]))
    transcript = Transcript(AskedOutput(GradientOracle(Victim(module, input_shape=(2,))), 0))
    on, dark = np.array([[5.0, 2.0]]), np.array([[-5.0, 2.0]])
    pieces = [np.append(transcript.asked.query(at)[1][0], 0.0) for at in (on, dark)]
    off = pieces[1] * np.array([1.5, 1.0, 1.0])
    for piece, at in zip(pieces, (on, dark), strict=True):
        piece[-1] = transcript.asked.query(at)[0][0] - piece[:-1] @ at[0]
    off[-1] = transcript.asked.query(dark)[0][0] - off[:-1] @ dark[0]
    assert transcript.misses(dark, off[None])[0] > 0.1  # all that is known are answers of 1e-9
    assert transcript.misses(on, pieces[0][None])[0] < 1e-12
    assert transcript.misses(dark, off[None])[0] < 1e-8
    assert transcript.misses(on, 1.5 * pieces[0][None])[0] > 0.1
    transcript.ask(dark)
    assert transcript.misses(dark, off[None])[0] > 0.1  # what is recorded counts, not what was only missed
