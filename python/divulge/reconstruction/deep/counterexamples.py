"""Where a copy is wrong: on random lines, at random points, in the answers that were had already."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates, joined
from divulge.reconstruction.deep.extreme_points import climbed
from divulge.reconstruction.deep.fit_as_last import DeepFit
from divulge.reconstruction.deep.last_layer import clear_of_hyperplanes
from divulge.reconstruction.deep.searched_lines import Pool
from divulge.reconstruction.deep.searched_segment import SearchedSegment, breakpoints
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.settings import COUNTEREXAMPLES, TINY


def wrong_on_lines(pool: Pool, model: DeepModel, enough: float) -> tuple[Array, Array, float, float] | None:
    """Ask in every piece that the copy predicts on new lines.

    Args:
        pool: draws the lines, and asks.
        model: the copy.
        enough: relative error that counts as none.

    Returns:
        The first line on which it is wrong, origin and direction of shape (1, d), and the part of it between
        answers that are right; None where all are.
    """
    asked = 0
    while asked < COUNTEREXAMPLES.checks_per_unit * sum(model.hidden_sizes) + COUNTEREXAMPLES.least_checks:
        origins, directions = pool.new_lines(1)
        t = between_kinks(model, origins[0], directions[0], pool.lines)
        points = origins + t[:, None] * directions
        asked += len(points)
        wrong = np.flatnonzero(pool.probe.misses(points, model.pieces(points, 0)) > enough)
        if len(wrong):
            low, high = pool.lines.ends()
            ends = np.concatenate([[low], t, [high]])
            return origins, directions, float(ends[wrong[0]]), float(ends[wrong[-1] + 2])
    return None


def wrong_at_points(pool: Pool, model: DeepModel, enough: float) -> Array | None:
    """Ask at random points, near and far; return one where the copy is wrong, or None where there is none.

    They are asked part by part: a copy that is wrong at many is so at one of the first.
    """
    points = pool.shifted(pool.lines.samples(COUNTEREXAMPLES.point_checks))
    if pool.lines.domain is None:
        points = pool.lines.unsaturated(
            points * np.resize(COUNTEREXAMPLES.scales, COUNTEREXAMPLES.point_checks)[:, None]
        )
    points[:: COUNTEREXAMPLES.climbed] = climbed(model.prefix, points[:: COUNTEREXAMPLES.climbed], pool.lines)
    for some in np.split(points, COUNTEREXAMPLES.parts):
        wrong = pool.probe.misses(some, model.pieces(some, 0))
        worst = int(np.argmax(wrong))
        if wrong[worst] > enough:
            return np.asarray(some[worst])
    return None


def nearer(probe: Probe, model: DeepModel, point: Array, enough: float) -> tuple[Array, Array] | None:
    """Return places (d,) on the ray through a far point where a copy is right, and beyond it wrong.

    A unit that is on far out alone switches between them, at places that are known more exactly. None where
    the first output shows nothing wrong at the point, or does so at usual distances, too, and in a box: the
    ray may lead out of it.
    """
    if probe.domain is not None:
        return None
    far = float(np.linalg.norm(point)) / np.sqrt(len(point))
    if far <= COUNTEREXAMPLES.far:
        return None
    scales = np.geomspace(1.0, far, 1 + int(np.ceil(np.log(far) / np.log(COUNTEREXAMPLES.step)))) / far
    points = scales[:, None] * point
    wrong = probe.misses(points, model.pieces(points, 0)) > enough
    if not wrong[-1] or wrong.all():
        return None
    last_right = int(np.flatnonzero(~wrong)[-1])
    return points[last_right], points[last_right + 1]


def worst_answered(probe: Probe, model: DeepModel) -> Array:
    """Return the point of all that were asked about that a copy explains worst, shape (d,)."""
    points, pieces = probe.answered()
    wrong = model.pieces(points, 0) - pieces
    return np.asarray(points[np.argmax(np.linalg.norm(wrong[:, :-1], axis=1))])


def wrongly_answered(probe: Probe, model: DeepModel, enough: float) -> Mask:
    """Return at which points asked so far a copy's gradient is wrong, clear of its hyperplanes, (n,)."""
    points, pieces = probe.answered()
    off = np.linalg.norm((model.pieces(points, 0) - pieces)[:, :-1], axis=1)
    clear = clear_of_hyperplanes(model.prefix, model.layer, points)
    return np.asarray(clear & (off > enough * np.linalg.norm(pieces[:, :-1], axis=1).max(initial=TINY)))


def mending(
    probe: Probe,
    fit: DeepFit,
    own: Candidates,
    more: Candidates,
    refit: Callable[[Candidates], DeepFit],
    enough: float,
) -> Candidates:
    """Return the first unit of `more` with which answers are explained that a fit of `own` gets wrong.

    Args:
        probe: of the answers.
        fit: the fit so far.
        own: its last hidden layer's units.
        more: units that may be of that layer, too.
        refit: fits the output on units of that layer.
        enough: relative error that counts as none.
    """
    before = wrongly_answered(probe, fit.model, enough)
    for number in range(len(more) if before.any() else 0):
        unit = more.take(np.array([number]))
        grown = refit(joined(own, unit))
        after = wrongly_answered(probe, grown.model, enough)
        if grown.error <= enough and after.sum() < before.sum() and not (after & ~before).any():
            return unit
    return more.take(np.empty(0, np.intp))


def between_kinks(model: DeepModel, origin: Array, direction: Array, lines: Lines) -> Array:
    """Return t of a random point in every piece that a copy predicts on a line, rising."""
    low, high = lines.ends()
    sweep = SearchedSegment(origin, direction, low, high, np.empty(0), np.empty((0, len(origin))))
    nodes = lines.to_s(breakpoints(model.whole(), sweep))
    share = lines.rng.uniform(*COUNTEREXAMPLES.inner, size=len(nodes) - 1)
    return lines.to_t(nodes[:-1] + share * np.diff(nodes))
