"""The output on the units found behind known layers, and where it is wrong."""

from __future__ import annotations

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.probe import Probe
from divulge.reconstruction.deep.candidates import Candidates
from divulge.reconstruction.deep.fit_as_last import DeepFit, fit_as_last
from divulge.reconstruction.deep.last_layer import as_layer, clear_of_hyperplanes
from divulge.reconstruction.deep.vertices import at_ends, at_vertices
from divulge.reconstruction.deep.wide.cells import Known
from divulge.reconstruction.deep.wide.doubts import Committee
from divulge.reconstruction.deep.wide.finding import Finding
from divulge.reconstruction.deep.wide.last import errors, unlike, with_linear_rest
from divulge.reconstruction.network.deep_network import DeepModel
from divulge.reconstruction.network.hidden_layer import Layer
from divulge.reconstruction.settings import DOUBTS, TINY, WIDE_LINES, WIDE_SEARCH


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
        doubted: whose state was in doubt, at points, as bytes, that were asked for it.
    """

    def __init__(
        self, probe: Probe, lines: Lines, known: Known, enough: float, before: Finding | None = None
    ) -> None:
        super().__init__(probe, lines, known, before)
        self.enough = enough
        self.wrong_share = 1.0
        self.doubted: dict[bytes, int] = {}

    def as_last(self, fresh: int = WIDE_SEARCH.points) -> tuple[DeepFit | None, Array, Array]:
        """Fit the output; return the fit, or points where it is wrong, and for each one where it is right."""
        self.probe.pieces(self.lines.rng.permutation(self.drawn(fresh)))
        model = self.by_answers()
        for _ in range(DOUBTS.rounds):
            if not self.ask_in_doubt(model):
                break
            model = self.by_answers()
        points, pieces, wrong = self.judged(model)
        self.wrong_share = float(wrong.mean())
        if not wrong.any():
            further_out = self.wrong_further_out(model)
            fit = fit_as_last(self.probe, self.usual, self.known.prefix, self.last_units()[0])
            if fit.error > self.enough or (len(further_out) and not self.whole):
                return None, further_out, points[:0]
            return fit, points[:0], points[:0]
        chosen = np.flatnonzero(wrong)
        chosen = chosen[unlike(model, points[chosen], pieces[chosen], self.lines.rng)]
        told = np.array([self.told.whose(point) >= 0 for point in points[chosen]])
        unexplained_first = np.argsort(told, kind="stable")
        chosen = chosen[unexplained_first[: WIDE_SEARCH.pairs]]
        return None, points[chosen], self.right_for(model, points[chosen], points[~wrong])

    def by_answers(self) -> DeepModel:
        """Fit the output, entries chosen again as long as wrong answers tell states."""
        for _ in range(WIDE_SEARCH.laps):
            _, layer, weights = self.last_units()
            points, pieces = self.usable()
            clear = clear_of_hyperplanes(self.known.prefix, layer, points)
            model = self.fitted(layer, weights, points[clear], pieces[clear])
            points, pieces, wrong = self.judged(model)
            self.confirm(model, points[~wrong])
            some = self.lines.rng.permutation(np.flatnonzero(wrong))[: WIDE_SEARCH.at_once]
            told = self.told.add(self.known, self.units, model, points[some], pieces[some])
            if not told or told < WIDE_SEARCH.worth * len(some):
                break
        return model

    def judged(self, model: DeepModel) -> tuple[Array, Array, Mask]:
        """Return usable answers, points (n, d) and pieces (n, d + 1), and where a copy is wrong, (n,)."""
        points, pieces = self.usable()
        clear = clear_of_hyperplanes(self.known.prefix, model.layer, points)
        points, pieces = points[clear], pieces[clear]
        return points, pieces, errors(model, points, pieces) > self.enough

    def ask_in_doubt(self, model: DeepModel) -> int:
        """Ask where one unit's state is in doubt; return at how many points."""
        committee = Committee(self.known, self.chosen(by_answers=True), self.lines.rng)
        points = self.drawn(DOUBTS.points)
        places, whose = committee.in_doubt(points)
        held = self.chosen(by_answers=True).sure
        self.sure = tuple(each for each in (committee.sure(*self.telling(model)), held) if each is not None)
        self.doubted |= {points[n].tobytes(): int(unit) for n, unit in zip(places, whose, strict=True)}
        if len(places):
            self.probe.pieces(points[places])
        return len(places)

    def telling(self, model: DeepModel) -> tuple[Array, Array]:
        """Return answers, points (n, d) and pieces (n, d + 1): some wrong, those before, some right."""
        points, pieces, wrong = self.judged(model)
        drawn = self.lines.rng.permutation(len(points))
        off, right = drawn[wrong[drawn]][: DOUBTS.wrong], drawn[~wrong[drawn]][: DOUBTS.right]
        held = self.chosen(by_answers=True).sure
        before = [] if held is None else [(held.points, held.pieces)]
        parts = [(points[off], pieces[off]), *before, (points[right], pieces[right])]
        return np.concatenate([x for x, _ in parts]), np.concatenate([y for _, y in parts])

    def confirm(self, model: DeepModel, right: Array) -> None:
        """Take in the states that were in doubt at points (n, d) where the copy is right."""
        right = right[[point.tobytes() in self.doubted for point in right]]
        for point, on in zip(right, states_in(model, right), strict=True):
            unit = self.doubted[point.tobytes()]
            self.told.take(unit, point, 1.0 if on[unit] else -1.0)

    def right_for(self, model: DeepModel, wrong: Array, right: Array) -> Array:
        """Return the nearest right point (m, d) of every wrong one, such that there is a kink between.

        Where the state of one unit is told at a wrong point, one at which the copy has the unit in the state
        that it has there has it in the other one: between the two it switches.
        """
        if not len(right):
            return right
        states, mistaken = states_in(model, right), states_in(model, wrong)
        chosen = []
        for place, point in enumerate(wrong):
            unit = self.told.whose(point)
            others = right[states[:, unit] == mistaken[place, unit]] if unit >= 0 else right
            others = others if len(others) else right
            chosen.append(others[np.argmin(np.linalg.norm(others - point, axis=1))])
        return np.array(chosen).reshape(-1, right.shape[1])

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
        """Return the copy with the linear part that some answers tell: fresh ones, some of each feature.

        None of those are among them that were asked as a state was in doubt: most may be wrong.
        """
        sure = np.array([point.tobytes() not in self.doubted for point in points])
        points, pieces = points[sure], pieces[sure]
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

    def drawn(self, count: int) -> Array:
        """Return points (n, d), a third each drawn, vertices, and ends of edges of the first layer."""
        scales = self.lines.rng.choice(WIDE_SEARCH.scales, (count, 1))
        fresh = scales * self.lines.samples(count)
        first, each = self.known.prefix.layers[0], count // 3
        vertices, ends = (
            at_vertices(first, self.lines, each),
            at_ends(first, self.lines, each, WIDE_SEARCH.ends),
        )
        return np.concatenate([fresh[: count - len(vertices) - len(ends)], vertices, ends])

    def usable(self) -> tuple[Array, Array]:
        """Return what was asked up to a distance, points (n, d) and pieces (n, d + 1)."""
        points, pieces = self.probe.answered()
        near = np.linalg.norm(points, axis=1) <= WIDE_SEARCH.reach * np.sqrt(points.shape[1])
        return points[near], pieces[near]


def states_in(model: DeepModel, points: Array) -> Mask:
    """Return which units of a copy's last layer are on at points (n, d), shape (n, u)."""
    features = np.column_stack([model.prefix.features(points), np.ones(len(points))])
    return np.asarray(features @ model.layer.rows.T > 0)
