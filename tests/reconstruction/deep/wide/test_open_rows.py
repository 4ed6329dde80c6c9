"""Linear equations about open entries from answers at points where all states are known."""

from __future__ import annotations

import numpy as np
import pytest

from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.open_rows import Open, Sure, borne_out
from divulge.reconstruction.deep.wide.units import Unit
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.network.known_layers import Dense, Prefix

D, H, U, N = 4, 9, 3, 120


def answers(seed):
    """Layers, units with open entries, answers with their states, and the true y and V."""
    rng = np.random.default_rng(seed)
    known = Known(Prefix(D, [Dense(rng.standard_normal((H, D)), rng.standard_normal(H))]), open_sides=False)
    rows, weights, places = rng.standard_normal((U, H)), rng.standard_normal(U), rng.standard_normal((U, D))
    offsets = -(known.terms(places) * rows).sum(axis=1)
    units = []
    for row, weight, place in zip(rows, weights, places, strict=True):
        equations = Equations(H)
        for terms in rng.standard_normal((H - int(rng.integers(0, 4)), H)):
            equations.add(terms, float(terms @ row))
        units.append(Unit(equations, weight, [place]))
    linear = rng.standard_normal(H + 1)
    model = DeepModel(known.prefix, Layer(np.column_stack([rows, offsets]), weights[None], linear[None]))
    points = 3 * rng.standard_normal((N, D))
    on = known.terms(points) @ rows.T + offsets > 0
    opens = [Open.of(known, unit) for unit in units]
    pairs = zip(opens, rows, strict=True)
    y = np.concatenate([each.free @ (row - each.smallest) / each.size for each, row in pairs])
    return known, opens, Sure(points, model.pieces(points, 0), on), y, linear[:-1]


@pytest.mark.parametrize("seed", range(5))
def test_the_true_entries_and_linear_part_solve_the_equations(seed):
    known, opens, sure, y, linear = answers(seed)
    system = sure.system(known, opens)
    assert system.told.shape == (N * D, len(y))
    np.testing.assert_allclose(system.told @ y + system.terms @ linear, system.right, atol=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_answers_whose_states_were_taken_wrongly_are_left_out(seed):
    known, opens, sure, _, _ = answers(seed)
    spoilt = np.random.default_rng(seed).permutation(N)[: N // 10]
    on = sure.on.copy()
    on[spoilt, 0] ^= True
    kept = Sure(sure.points, sure.pieces, on).consistent(known, opens)
    left = {point.tobytes() for point in kept.points}
    # where no feature of the unit's is on its state shows in no gradient
    flipped = [n for n in spoilt if np.abs(known.terms(sure.points[n][None])).max() > 0]
    assert not any(sure.points[n].tobytes() in left for n in flipped)
    assert len(kept.points) >= N - len(spoilt)


@pytest.mark.parametrize("seed", range(5))
def test_answers_that_tell_what_no_other_does_are_not_borne_out(seed):
    rng = np.random.default_rng(seed)
    matrix = rng.standard_normal((20, D, 8)) * 10 ** rng.uniform(-3, 3, 8)
    # the last three entries show in one answer, in two, in none
    matrix[:, :, 5:] = 0
    alone, *both = rng.choice(20, 3, replace=False)
    matrix[alone, 0, 5], matrix[both, 1, 6] = 1e-3, (1.0, 0.5)
    assert not borne_out(matrix)[alone]
    assert borne_out(matrix).sum() == 19
    assert not borne_out(matrix[:1]).any()
    assert not len(borne_out(matrix[:0]))


def test_an_unknown_that_takes_up_a_wrong_state_is_not_told():
    known, opens, sure, _, _ = answers(0)
    few = Sure(sure.points[:1], sure.pieces[:1], ~sure.on[:1])
    assert not len(few.consistent(known, opens).points)
