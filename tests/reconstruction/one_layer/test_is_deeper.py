"""Whether a search along lines notices that there is more than one hidden layer."""

import numpy as np
import pytest
import torch
from deep_networks import random_deep
from random_victims import random_network

from divulge import GradientOracle, Victim
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.one_layer.is_deeper import looks_deeper
from divulge.reconstruction.settings import DEEPER, LINE


def asked_along_a_line(network, seed, count=40):
    """Return a transcript of points on one line, and the line."""
    oracle = GradientOracle(Victim(network, input_shape=(network[0].in_features,)))
    lines = Lines(oracle.input_size, None, np.random.default_rng(seed), LINE.reach)
    transcript = Transcript(AskedOutput(oracle, 0))
    line, s = np.full(count, lines.add_line()), np.linspace(*lines.span(), count)
    lines.record(transcript.ask(lines.points(line, s)), line, s)
    return transcript, lines


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("seed", range(3))
def test_tells_one_hidden_layer_from_two(dtype, seed):
    deep = random_deep(60, 20, 10, 1, seed=seed).to(dtype)
    shallow = random_network(60, 30, seed=seed, dtype=dtype)
    for network, deeper in ((deep, True), (shallow, False)):
        transcript, lines = asked_along_a_line(network, seed)
        assert looks_deeper(transcript, lines, lines.edges()) is deeper


def test_where_nothing_bends_nothing_is_said():
    network = random_network(5, 1)
    with torch.no_grad():
        network[2].weight.zero_()
    transcript, lines = asked_along_a_line(network, 0)
    before = len(transcript)
    assert not looks_deeper(transcript, lines, lines.edges())
    assert len(transcript) == before


class BesideOthers(Lines):
    """Lines of which the first place drawn on a hyperplane is on another unit's, too."""

    def __init__(self, lines, other):
        self.__dict__.update(lines.__dict__)
        self.other, self.drawn = other, 0

    def on_hyperplanes(self, points, normals, places):
        found = super().on_hyperplanes(points, normals, places)
        self.drawn += places
        for number, (at, normal) in enumerate(zip(found[0], normals, strict=True)):
            rows = np.stack([normal, self.other[:-1]])
            wanted = np.array([normal @ at, -self.other[-1]])
            found[0, number] = at + np.linalg.pinv(rows) @ (wanted - rows @ at)
        return found


@pytest.mark.parametrize("seed", range(3))
def test_another_hyperplane_within_the_step_makes_no_deeper_unit(seed):
    network = random_network(60, 30, seed=seed)
    transcript, lines = asked_along_a_line(network, seed)
    other = torch.cat([network[0].weight, network[0].bias[:, None]], dim=1).detach().numpy()
    beside = BesideOthers(lines, other[0])
    assert not looks_deeper(transcript, beside, lines.edges())
    assert beside.drawn == DEEPER.places + DEEPER.more_places  # in doubt more places were asked about
