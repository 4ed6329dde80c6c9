"""Rows that kinks show together where none shows one."""

import numpy as np
import pytest
from deep_networks import parameters, prefix_of, random_deep

from divulge.reconstruction.deep.hyperplane_queries import onto
from divulge.reconstruction.deep.joint_kinks import joint_units


def kinks_of_units(network, which, count, rng):
    """Kinks of third-layer units, and jumps of any size there."""
    prefix, (rows, offsets) = prefix_of(network, 2), parameters(network)[2]
    unit = np.repeat(which, 60)
    points = onto(prefix, rows[unit], offsets[unit], rng.standard_normal((len(unit), prefix.input_size)))
    levels = np.einsum("np,np->n", prefix.features(points), rows[unit]) + offsets[unit]
    slopes = prefix.gradients(points, rows[unit])
    good = (np.abs(levels) < 1e-12 * (1 + np.linalg.norm(points, axis=1))) & (
        np.linalg.norm(slopes, axis=1) > 0.01
    )
    good &= prefix.masks(points).sum(axis=1) > 4  # more than are independent
    picked = np.concatenate([np.flatnonzero(good & (unit == one))[:count] for one in which])
    return points[picked], rng.standard_normal((len(picked), 1)) * slopes[picked], unit[picked]


@pytest.mark.parametrize("seed", range(4))
def test_kinks_of_one_unit_show_its_row_together(seed):
    rng = np.random.default_rng(seed)
    network = random_deep(4, 9, 8, 3, 1, seed=seed)  # eight features of four inputs
    points, jumps, unit = kinks_of_units(network, [0, 1], 6, rng)
    order = rng.permutation(len(points))
    found = joint_units(prefix_of(network, 2), points[order], jumps[order], 1e-7)
    rows, offsets = parameters(network)[2]
    true = np.column_stack([rows, offsets]) / np.linalg.norm(rows, axis=1)[:, None]
    for row, known, offset in zip(found.rows, found.known, found.offsets, strict=True):
        if known.all():
            own = np.append(row, offset)
            assert min(np.abs(own - s * t).max() for s in (1, -1) for t in true) < 1e-5
    if min((unit == 0).sum(), (unit == 1).sum()) == 6:
        assert len(found)


def test_kinks_of_many_units_show_none():
    rng = np.random.default_rng(0)
    network = random_deep(4, 9, 8, 8, 1, seed=0)
    points, jumps, _ = kinks_of_units(network, np.arange(8), 1, rng)
    assert not len(joint_units(prefix_of(network, 2), points, jumps, 1e-7))
    assert not len(joint_units(prefix_of(network, 2), points[:0], jumps[:0], 1e-7))
