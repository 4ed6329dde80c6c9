"""One unit's kink told from several by all outputs at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from deep_networks import owners, probe_of, random_deep, victim_of

from divulge import JacobianOracle
from divulge.reconstruction.asking.gradient_probe import GradientProbe
from divulge.reconstruction.asking.output import AskedOutput
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.asking.shown_by_all import beyond_first, one_unit

ENDS = (-1000.0, 1000.0)


def probe_of_all(network, others=3):
    """What asks the first output of an oracle of all, a few others' records kept beside it."""
    oracle = JacobianOracle(victim_of(network))
    first = Transcript(AskedOutput(oracle, 0))
    first.beside = [Transcript(AskedOutput(oracle, output)) for output in range(1, 1 + others)]
    return GradientProbe(first)


def with_parallel_rows(*sizes, seed):
    """A random network, the first layer's first two hyperplanes parallel."""
    network = random_deep(*sizes, seed=seed)
    with torch.no_grad():
        network[0].weight[1] = network[0].weight[0]
        network[0].bias[1] = network[0].bias[0] + 0.01
    return network


@pytest.mark.parametrize("make", [random_deep, with_parallel_rows])
@pytest.mark.parametrize("sizes", [(30, 20, 4), (60, 50, 30, 10), (25, 40, 30, 5), (20, 15, 12, 10, 4)])
@pytest.mark.parametrize("seed", range(3))
def test_the_kinks_are_found_with_fewer_answers(make, sizes, seed):
    network = make(*sizes, seed=seed)
    origin, direction = np.random.default_rng(seed).standard_normal((2, sizes[0]))
    low, high = np.array(ENDS)[:, None]
    expected = probe_of(network).kinks(origin[None], direction[None], low, high)
    one, several = probe_of(network), probe_of_all(network)
    search = one.shown_once(origin, direction, *ENDS)
    search.run()
    search.prove(np.empty(0))
    kinks = several.shown_once(origin, direction, *ENDS).run()
    nearest = np.abs(kinks.t[:, None] - expected.t).argmin(axis=1)
    np.testing.assert_allclose(kinks.t, expected.t[nearest], rtol=1e-6, atol=1e-8)
    rows, true = (jumps / np.linalg.norm(jumps, axis=1)[:, None] for jumps in (kinks.jumps, expected.jumps))
    np.testing.assert_allclose(np.abs(np.einsum("nd,nd->n", rows, true[nearest])), 1.0, atol=1e-8)
    missed = np.delete(np.arange(len(expected)), nearest)
    layer, _ = owners(network, expected.points[missed])
    assert (layer > 0).all()  # a later unit that is on for a moment, beside another's kink, leaves no trace
    assert len(missed) <= 0.05 * len(expected)
    assert len(several.transcript) < 0.75 * len(one.transcript)


def test_answers_that_the_others_lack_tell_as_those_of_one_output_do():
    network = random_deep(40, 30, 20, 4, seed=1)
    origin, direction = np.random.default_rng(1).standard_normal((2, 40))
    probe = probe_of_all(network)
    beside, probe.transcript.beside = probe.transcript.beside, []
    probe.pieces(origin + np.tan(np.linspace(-1.5, 1.5, 40))[:, None] * direction)
    probe.transcript.beside = beside
    kinks = probe.shown_once(origin, direction, *ENDS).run()
    low, high = np.array(ENDS)[:, None]
    expected = probe_of(network).kinks(origin[None], direction[None], low, high)
    gap = np.abs(kinks.t[:, None] - expected.t).min(axis=1) / (1 + np.abs(kinks.t))
    assert (gap < 1e-7).sum() > 0.7 * len(expected.t)


@pytest.mark.parametrize("seed", range(5))
def test_sums_and_what_one_later_unit_shows_are_no_single_unit(seed):
    rng = np.random.default_rng(seed)
    outputs, size = rng.integers(2, 6), rng.integers(6, 30)
    columns, rows = rng.standard_normal((3, outputs)), rng.standard_normal((3, size))
    base = rng.standard_normal((outputs, size))
    jumps = np.einsum("km,kd->kmd", columns, rows)
    gradients = np.stack([base, base + jumps[0], base + jumps[0] + jumps[1] + jumps[2]], axis=1)
    scales = np.ones(outputs)
    np.testing.assert_array_equal(one_unit(gradients, scales), [True, False])
    through_one = columns[0][:, None, None] * rng.standard_normal((1, 2, size))
    assert not one_unit(through_one, scales).any()


def test_what_the_longest_row_does_not_span():
    rows = np.array([[[3.0, 0.0]], [[1.0, 2.0]], [[0.0, 0.0]]])
    np.testing.assert_allclose(beyond_first(rows), [[0.0], [2.0], [0.0]])
