"""The output on the units found behind known layers, and where it is wrong."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.fit_as_last import DeepFit, fit_as_last
from divulge.reconstruction.deep.last_layer import as_layer, clear_of_hyperplanes
from divulge.reconstruction.deep.vertices import at_ends, at_vertices
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.finding import Finding
from divulge.reconstruction.deep.wide.last import errors, unlike, with_linear_rest
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.settings import TINY, WIDE_LINES, WIDE_SEARCH


class Fitting(Finding):
    """The units behind known layers, and the output fitted on them.

    Args:
        probe: whom to ask.
        lines: the domain, and what draws.
        known: the layers before, one at least, the last one's units turned either way.
        enough: relative residual from which on a fit explains its answers.
        before: what the last of these layers was found by, or None where its rows are whole.

    Attributes:
        wrong_share: of answers that the last copy did not explain.
    """

    def __init__(
        self, probe: Probe, lines: Lines, known: Known, enough: float, before: Finding | None = None
    ) -> None:
        super().__init__(probe, lines, known, before)
        self.enough = enough
        self.wrong_share = 1.0

    def as_last(self, fresh: int = WIDE_SEARCH.points) -> tuple[DeepFit | None, Array, Array]:
        """Fit the output; return the fit, or points where it is wrong, and as many where it is right."""
        points, pieces = self.answers(fresh)
        for _ in range(WIDE_SEARCH.laps):
            units, layer, weights = self.last_units()
            clear = clear_of_hyperplanes(self.known.prefix, layer, points)
            model = self.fitted(layer, weights, points[clear], pieces[clear])
            wrong = clear.copy()
            wrong[clear] = errors(model, points[clear], pieces[clear]) > self.enough
            some = self.lines.rng.permutation(np.flatnonzero(wrong))[: WIDE_SEARCH.at_once]
            told = self.told.add(self.known, self.units, model, points[some], pieces[some])
            if not told or told < WIDE_SEARCH.worth * len(some):
                break
        points, pieces, wrong = points[clear], pieces[clear], wrong[clear]
        self.wrong_share = float(wrong.mean())
        if not wrong.any():
            further_out = self.wrong_further_out(model)
            fit = fit_as_last(self.probe, self.usual, self.known.prefix, units)
            if fit.error > self.enough or (len(further_out) and not self.whole):
                return None, further_out, points[:0]
            return fit, points[:0], points[:0]
        chosen = np.flatnonzero(wrong)
        chosen = chosen[unlike(model, points[chosen], pieces[chosen], self.lines.rng)][: WIDE_SEARCH.pairs]
        right = np.flatnonzero(~wrong)
        right = self.lines.rng.choice(right, len(chosen)) if len(right) else chosen[:0]
        return None, points[chosen], points[right]

    def last_units(self) -> tuple[Candidates, Layer, Array]:
        """Return the units as candidates, as a layer with no output yet, and the output's weights (u,)."""
        rows, offsets = self.rows(by_answers=True)
        size = np.linalg.norm(rows, axis=1)
        units = Candidates(
            rows / size[:, None],
            np.ones(rows.shape, bool),
            offsets / size,
            np.ones(len(rows), np.intp),
            np.array([unit.places[0] for unit in self.units]),
        )
        return units, as_layer(units), np.nan_to_num([unit.weight for unit in self.units]) * size

    def fitted(self, layer: Layer, weights: Array, points: Array, pieces: Array) -> DeepModel:
        """Return the copy with the linear part that some answers tell: fresh ones, some of each feature."""
        features = self.known.prefix.features(points)
        each = max(WIDE_SEARCH.of_feature, WIDE_SEARCH.points // self.known.width)
        some = np.arange(max(len(points) - WIDE_SEARCH.points, 0), len(points))
        for feature in features.T:
            some = np.append(some, self.lines.rng.permutation(np.flatnonzero(feature))[:each])
        some = np.unique(some)
        return with_linear_rest(self.known.prefix, layer, weights, points[some], pieces[some])

    def wrong_further_out(self, model: DeepModel) -> Array:
        """Return answered points (n, d), of any size, at which a copy that is right near by is wrong."""
        points, pieces = self.probe.answered()
        clear = clear_of_hyperplanes(model.prefix, model.layer, points)
        points, pieces = points[clear], pieces[clear]
        off = errors(model, points, pieces)
        worst = np.argsort(-off, kind="stable")[: WIDE_SEARCH.pairs]
        points = points[worst[off[worst] > self.enough]]
        return np.array([self.within_reach(point) for point in points]).reshape(-1, points.shape[1])

    def within_reach(self, point: Array) -> Array:
        """Return a point (d,) drawn near, to where states are still told."""
        most = WIDE_SEARCH.farthest * np.sqrt(len(point))
        return np.asarray(point * min(1.0, most / max(float(np.linalg.norm(point)), TINY)))

    @property
    def usual(self) -> float:
        """Distance from the origin up to which points count as usual."""
        return float(WIDE_LINES.reach * max(WIDE_LINES.scales) * np.sqrt(self.probe.input_size))

    def answers(self, count: int) -> tuple[Array, Array]:
        """Ask at some points, a third each drawn, vertices, and ends of edges of the first layer.

        Return these and what was asked before, up to a distance.
        """
        scales = self.lines.rng.choice(WIDE_SEARCH.scales, (count, 1))
        fresh = scales * self.lines.samples(count)
        first, each = self.known.prefix.layers[0], count // 3
        vertices, ends = (
            at_vertices(first, self.lines, each),
            at_ends(first, self.lines, each, WIDE_SEARCH.ends),
        )
        fresh = np.concatenate([fresh[: count - len(vertices) - len(ends)], vertices, ends])
        self.probe.pieces(self.lines.rng.permutation(fresh))
        points, pieces = self.probe.answered()
        usable = np.linalg.norm(points, axis=1) <= WIDE_SEARCH.reach * np.sqrt(points.shape[1])
        return points[usable], pieces[usable]
