"""Edges of cells behind known layers, and on whose hyperplanes points lie."""

from __future__ import annotations

import numpy as np
import pytest
from deep_networks import parameters, prefix_of, random_deep

from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.equations import Equations
from divulge.reconstruction.deep.wide.units import Unit, owners
from divulge.reconstruction.network.known_layers import Prefix


@pytest.mark.parametrize("depth", [1, 2])
@pytest.mark.parametrize("seed", range(5))
def test_an_edge_is_where_the_first_unit_switches(depth, seed):
    prefix, rng = prefix_of(random_deep(4, 9, 8, 5, 1, seed=seed), depth), np.random.default_rng(seed)
    known = Known(prefix, open_sides=False)
    for _ in range(20):
        point, way = rng.standard_normal((2, 4))
        cell = known.cell(point)
        reach, layer, unit = cell.edge(point, way)
        assert cell.span(point, way) == (reach, cell.edge(point, -way)[0])
        if np.isinf(reach):
            assert same_cell(known, point, point + 1e6 * way)
            continue
        assert same_cell(known, point, point + (1 - 1e-9) * reach * way)
        behind = known.cell(point + (1 + 1e-9) * reach * way)
        for sides, others in zip(cell.beyond(layer, unit).sides, behind.sides, strict=True):
            np.testing.assert_array_equal(sides, others)


def same_cell(known, one, other):
    """Whether no unit switches between two points."""
    pairs = zip(known.cell(one).sides, known.cell(other).sides, strict=True)
    return all(np.array_equal(here, there) for here, there in pairs)


def test_what_is_handed_on_makes_no_edge():
    layer = prefix_of(random_deep(4, 9, 8, 1, seed=0), 1).layers[0].with_passage()
    known, rng = Known(Prefix(4, [layer]), open_sides=False), np.random.default_rng(0)
    met = set()
    for _ in range(200):
        point, way = rng.standard_normal((2, 4))
        reach, depth, unit = known.cell(point).edge(point, way)
        if np.isfinite(reach):
            met.add((depth, unit))
    assert len(met) > 5
    assert met <= {(0, unit) for unit in range(9)}


@pytest.mark.parametrize("seed", range(3))
def test_owners_are_those_on_whose_hyperplanes_points_lie(seed):
    network, rng = random_deep(4, 9, 8, 5, 1, seed=seed), np.random.default_rng(seed)
    known = Known(prefix_of(network, 1), open_sides=False)
    rows, offsets = parameters(network)[1]
    units, points = [], rng.standard_normal((20, 4))
    for row, offset in zip(rows, offsets, strict=True):
        place = on_hyperplane(known, row, offset, rng)
        if place is not None:
            equations = Equations(len(row))
            for number, entry in enumerate(row):
                equations.add(np.eye(len(row))[number], float(entry))
            units.append((row, offset, Unit(equations, 1.0, [place])))
    assert units
    met = [on_hyperplane(known, row, offset, rng) for row, offset, _ in units]
    places = np.array([place for place in met if place is not None])
    found = owners(known, [unit for _, _, unit in units], np.concatenate([points, places]))
    assert (found[:20] == -1).all()
    np.testing.assert_array_equal(found[20:], [n for n, place in enumerate(met) if place is not None])
    assert len(owners(known, [], points)) == 20
    assert len(owners(known, [unit for _, _, unit in units], points[:0])) == 0


def on_hyperplane(known, row, offset, rng):
    """A point at which a unit's level vanishes, None where none is met."""
    points = 3 * rng.standard_normal((400, 4))
    levels = known.terms(points) @ row + offset
    if (levels > 0).all() or (levels < 0).all():
        return None
    ends = np.stack([points[levels < 0][0], points[levels > 0][0]])
    for _ in range(60):
        middle = ends.mean(axis=0)
        ends[int(known.terms(middle[None])[0] @ row + offset > 0)] = middle
    return ends[0]
