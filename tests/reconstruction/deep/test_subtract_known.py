"""Taking off what is known leaves the kinks of the rest, and with the known ones these are all."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import kinks_of, parameters, prefix_of, probe_of, random_deep, units_of, victim_of

from divulge import GradientOracle, reconstruct
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Kinks
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.searched_segment import split
from divulge.reconstruction.deep.subtract_known import known_part, together, weights
from divulge.reconstruction.settings import Tolerances

SIZES, LINES, REACH = (12, 9, 8, 1), 4, 50.0
MET = Tolerances.of(float(np.finfo(float).eps)).missing


def ends_of(network, lines=LINES):
    """Origins, directions and ends of the lines that `kinks_of` searches."""
    rng = np.random.default_rng(0)
    origins, directions = rng.standard_normal((2, lines, network[0].in_features))
    return origins, directions, np.full(lines, -REACH), np.full(lines, REACH)


def sweeps_of(network):
    kinks, _, _ = kinks_of(network, LINES)
    return split(kinks, *ends_of(network))


def true_weights(network):
    """Output weights of the units of `units_of`, whose rows have length 1."""
    (rows, _), (output, _) = parameters(network)[1:]
    return output[0] * np.linalg.norm(rows, axis=1)


@pytest.mark.parametrize("seed", range(4))
def test_weights_do_not_depend_on_the_orientation(seed):
    network = random_deep(*SIZES, seed=seed)
    units = units_of(network, 1)
    turned = np.random.default_rng(seed).choice([-1.0, 1.0], len(units))
    units.rows[:] *= turned[:, None]
    units.offsets[:] *= turned
    w, agree = weights(prefix_of(network, 1), units, sweeps_of(network), MET)
    assert agree.sum() >= 5
    np.testing.assert_allclose(w[agree], true_weights(network)[agree], rtol=1e-7)


def test_units_of_an_inner_layer_have_no_weight():
    network = random_deep(12, 9, 8, 7, 1)
    _, agree = weights(prefix_of(network, 1), units_of(network, 1), sweeps_of(network), MET)
    assert agree.mean() < 0.5


@pytest.mark.parametrize("missing", [0, 1, 3])
def test_what_is_left_beside_the_known_units(missing):
    network = random_deep(*SIZES, seed=1)
    prefix, probe = prefix_of(network, 1), probe_of(network)
    probe.pieces(np.random.default_rng(5).standard_normal((300, SIZES[0])))
    keep = np.arange(missing, SIZES[2])
    model, share = known_part(probe, prefix, units_of(network, 1).take(keep), true_weights(network)[keep])
    points = np.random.default_rng(6).standard_normal((200, SIZES[0]))
    wrong = np.linalg.norm((model.pieces(points, 0) - probe.pieces(points))[:, :-1], axis=1)
    if not missing:
        assert share > 0.98
        assert wrong.max() < 1e-9
    asked = len(probe.answered()[0])
    left = probe.kinks_beside(model, *ends_of(network))
    cheap, asked = len(probe.answered()[0]) - asked, len(probe.answered()[0])
    everything = probe.kinks(*ends_of(network))
    assert cheap < len(probe.answered()[0]) - asked
    found = together(left, model, split(left.take(np.empty(0, np.intp)), *ends_of(network)), MET)
    np.testing.assert_array_equal(found.line, everything.line)
    np.testing.assert_allclose(found.t, everything.t, rtol=1e-7, atol=1e-7)
    np.testing.assert_allclose(found.jumps, everything.jumps, rtol=1e-6, atol=1e-8)


def test_a_kink_that_is_taken_back_is_none():
    network = random_deep(*SIZES, seed=1)
    probe = probe_of(network)
    probe.pieces(np.random.default_rng(5).standard_normal((100, SIZES[0])))
    model, _ = known_part(probe, prefix_of(network, 1), units_of(network, 1), true_weights(network))
    ends = ends_of(network)
    none = Kinks(np.empty(0, np.intp), np.empty(0), np.empty((0, SIZES[0])), np.empty((0, SIZES[0])))
    kinks = together(none, model, split(none, *ends), MET)
    back = Kinks(kinks.line[:5], kinks.t[:5], kinks.points[:5], -kinks.jumps[:5])
    assert len(together(back, model, split(none, *ends), MET)) == len(kinks) - 5


def test_a_pool_that_has_learnt_asks_less():
    network = random_deep(*SIZES, seed=1)
    probe = probe_of(network)
    pool = Pool(probe, Lines(SIZES[0], None, np.random.default_rng(0)))
    pool.sweep(*pool.new_lines(LINES))
    before = len(probe.answered()[0])
    pool.learn(prefix_of(network, 1), units_of(network, 1))
    assert pool.everywhere
    pool.sweep(*pool.new_lines(LINES))
    assert len(probe.answered()[0]) - before < before / 2
    assert min(len(sweep.t) for sweep in pool.sweeps) > 3


def test_wide_layers_cost_few_queries_a_unit():
    victim = victim_of(random_deep(100, 70, 40, 1, seed=3))
    result = reconstruct(GradientOracle(victim), seed=1)
    assert result.complete
    assert result.hidden_units == 110
    assert result.queries < 40 * 110
