"""NSGA-II over rows of a table, for many points at once: how candidates begin, cross and mutate.

A candidate is values (d,) and, for each column, whether it keeps the point's own entry instead. Shapes:
values and keeps (P, n, d).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from divulge.arrays import Array, Index, Mask
from divulge.explanations.ranking import best, crowding, fronts, penalised, repeats
from divulge.explanations.wanted import Wanted, nearest_wanted

ICE_PLACES = 10  # of a column's range, for the deviation of what the model says
LEAST, MOST = 0.01, 0.99  # of the share of first candidates that change a column
ETA = 5.0  # of simulated binary crossover: children spread widely round their parents
SPREAD = 0.5  # of a mutation, in the column's deviation


@dataclass(frozen=True)
class Rates:
    """How often what happens, the defaults of the authors' package.

    Attributes:
        cross: two parents are crossed, else copied.
        cross_gene: each column of them.
        mutate: a child mutates.
        mutate_gene: each column of it.
        keep: each column of a child goes back to the point's own entry after that.
    """

    cross: float = 0.71
    cross_gene: float = 0.62
    mutate: float = 0.73
    mutate_gene: float = 0.5
    keep: float = 0.4

    def __post_init__(self) -> None:
        for name, rate in vars(self).items():
            if not 0 <= rate <= 1:
                raise ValueError(f"expected a rate {name} from 0 to 1, got {rate}")


@dataclass(frozen=True)
class Population:
    """Candidates for P points with what is known of them.

    Attributes:
        values: shape (P, n, d).
        keeps: where the point's own entry stands instead.
        rows: the candidates themselves, shape (P, n, d).
        predictions: shape (P, n).
        objectives: shape (P, n, 4).
    """

    values: Array
    keeps: Mask
    rows: Array
    predictions: Array
    objectives: Array

    @staticmethod
    def of(wanted: Wanted, values: Array, keeps: Mask) -> Population:
        """Ask about candidates, all at once."""
        values, keeps = wanted.snap(values), keeps | ~wanted.free
        rows = np.where(keeps, wanted.x[:, None], values)
        predictions = wanted.predictions(rows)
        return Population(values, keeps, rows, predictions, wanted.objectives(rows, predictions))

    def joined(self, other: Population) -> Population:
        """Return both."""
        pairs = {
            name: np.concatenate([part, getattr(other, name)], axis=1) for name, part in vars(self).items()
        }
        return Population(**pairs)

    def chosen(self, places: Index) -> Population:
        """Return the candidates at places (P, m)."""
        parts = {
            name: np.take_along_axis(part, places if part.ndim == 2 else places[:, :, None], 1)
            for name, part in vars(self).items()
        }
        return replace(self, **parts)

    def order(self, wanted: Wanted, epsilon: float | None) -> tuple[Index, Array]:
        """Return each candidate's front and how alone it is there, both (P, n)."""
        number = fronts(self.objectives)
        alone = crowding(self.objectives, self.rows / wanted.gower.extent, number)
        limit = np.inf if epsilon is None else epsilon
        return penalised(number, self.objectives[:, :, 0], limit, repeats(self.rows)), alone


def first(wanted: Wanted, curves: Population, count: int, rng: np.random.Generator) -> Population:
    """Return the first candidates: random entries in columns drawn by how much they move the prediction.

    A column is changed with a probability between .01 and .99 that rises with the deviation of the
    individual conditional expectation curve, what the model says as this column alone runs over its range.
    One candidate is the nearest training row that is predicted as wanted, where there is one.

    Args:
        wanted: what is looked for.
        curves: the candidates of `curves_of`.
        count: how many.
        rng: draws them.
    """
    points, d = wanted.x.shape
    share = _shares(_deviations(wanted, curves))
    keeps = rng.random((points, count, d)) >= share[:, None]
    values = anywhere(wanted, (points, count, d), rng)
    nearest = nearest_wanted(wanted)
    if nearest is not None:
        values[:, 0], keeps[:, 0] = nearest, nearest == wanted.x
    return Population.of(wanted, values, _few_changes(wanted, values, keeps, rng))


def anywhere(wanted: Wanted, shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Return entries drawn evenly from the columns' ranges, shape (..., d)."""
    low = np.where(wanted.whole, np.ceil(wanted.low) - 0.5, wanted.low)
    high = np.where(wanted.whole, np.floor(wanted.high) + 0.5, wanted.high)
    return wanted.snap(low + (high - low) * rng.random(shape))


def children(
    wanted: Wanted,
    parents: Population,
    order: tuple[Index, Array],
    rates: Rates,
    deviations: Array,
    rng: np.random.Generator,
) -> Population:
    """Return as many children as there are parents: tournaments of two, crossover, mutation, entries kept."""
    chosen = parents.chosen(_tournaments(*order, rng))
    values, keeps = _crossed(wanted, chosen.values, chosen.keeps, rates, rng)
    values, keeps = _mutated(wanted, values, keeps, rates, deviations, rng)
    return Population.of(wanted, values, _few_changes(wanted, values, keeps, rng))


def survivors(wanted: Wanted, candidates: Population, count: int, epsilon: float | None) -> Population:
    """Return the count best of candidates."""
    return candidates.chosen(best(*candidates.order(wanted, epsilon), count))


def curves_of(wanted: Wanted) -> Population:
    """Return, for each column that may change, candidates in which it alone runs over its range."""
    grid = wanted.snap(np.linspace(wanted.low, wanted.high, ICE_PLACES))
    own = [(j, value) for j in np.flatnonzero(wanted.free) for value in np.unique(grid[:, j])]
    keeps = np.ones((len(wanted.x), len(own), wanted.x.shape[1]), bool)
    values = np.repeat(wanted.x[:, None], len(own), axis=1)
    for place, (j, value) in enumerate(own):
        values[:, place, j], keeps[:, place, j] = value, False
    return Population.of(wanted, values, keeps)


def _deviations(wanted: Wanted, curves: Population) -> Array:
    """The deviation (P, d) of the model's values along each column's curve."""
    of = (~curves.keeps[0]).argmax(axis=1)
    found = np.zeros(wanted.x.shape)
    for j in np.unique(of):
        found[:, j] = curves.predictions[:, of == j].std(axis=1)
    return found


def _shares(deviations: Array) -> Array:
    """Deviations (P, d) brought to shares between .01 and .99, point by point."""
    low, high = deviations.min(axis=1, keepdims=True), deviations.max(axis=1, keepdims=True)
    flat = high - low <= 1e-12 * np.maximum(np.abs(high), 1e-300)
    scaled = (deviations - low) / np.where(flat, 1.0, high - low)
    return np.where(flat, 0.5, LEAST + (MOST - LEAST) * scaled)


def _few_changes(wanted: Wanted, values: Array, keeps: Mask, rng: np.random.Generator) -> Mask:
    """Keep more entries where more columns change than may, drawn at random."""
    if wanted.most_changes >= int(wanted.free.sum()):
        return keeps
    changed = ~keeps & wanted.free & (wanted.snap(values) != wanted.x[:, None])
    rank = np.argsort(np.argsort(np.where(changed, rng.random(keeps.shape), 2.0), axis=2), axis=2)
    return np.asarray(keeps | (rank >= wanted.most_changes))


def _tournaments(place: Index, alone: Array, rng: np.random.Generator) -> Index:
    """The better (P, n) of two candidates drawn, n times."""
    points, count = place.shape
    left, right = rng.integers(count, size=(2, points, count))

    def at(part: Array | Index, index: Index) -> Array:
        return np.asarray(np.take_along_axis(part, index, 1), np.float64)

    nearer = at(place, left) < at(place, right)
    tied = at(place, left) == at(place, right)
    wins = nearer | (tied & (at(alone, left) >= at(alone, right)))
    return np.asarray(np.where(wins, left, right), np.intp)


def _crossed(
    wanted: Wanted, values: Array, keeps: Mask, rates: Rates, rng: np.random.Generator
) -> tuple[Array, Mask]:
    """Cross neighbours: numbers by simulated binary crossover, words and what is kept by exchange."""
    points, count, d = values.shape
    half = count // 2
    a, b = slice(0, 2 * half, 2), slice(1, 2 * half, 2)
    pair = rng.random((points, half, 1)) < rates.cross
    gene, kept = (pair & (rng.random((points, half, d)) < rates.cross_gene) for _ in range(2))
    u = rng.random((points, half, d))
    beta = np.where(u < 0.5, 2 * u, 1 / np.maximum(2 * (1 - u), 1e-12)) ** (1 / (ETA + 1))
    beta = np.where(wanted.worded, -1.0, beta)  # -1: the two change places
    left, right = values[:, a], values[:, b]
    middle, apart = (left + right) / 2, (left - right) / 2
    values, old = values.copy(), keeps
    values[:, a] = np.where(gene, middle + beta * apart, left)
    values[:, b] = np.where(gene, middle - beta * apart, right)
    keeps = old.copy()
    keeps[:, a], keeps[:, b] = np.where(kept, old[:, b], old[:, a]), np.where(kept, old[:, a], old[:, b])
    return values, keeps


def _mutated(
    wanted: Wanted,
    values: Array,
    keeps: Mask,
    rates: Rates,
    deviations: Array,
    rng: np.random.Generator,
) -> tuple[Array, Mask]:
    """Mutate: normal steps for numbers, another word for words; then some entries are kept again."""
    child = rng.random((*values.shape[:2], 1)) < rates.mutate
    gene = child & (rng.random(values.shape) < rates.mutate_gene)
    shown = np.where(keeps, wanted.x[:, None], values)
    step = SPREAD * deviations * rng.standard_normal(values.shape)
    step = np.where(wanted.whole & (np.abs(step) < 1), np.sign(step), step)
    words = wanted.high - wanted.low + 1
    other = np.mod(shown + 1 + np.floor(rng.random(values.shape) * (words - 1)), np.maximum(words, 1))
    moved = np.where(wanted.worded, other, shown + step)
    back = rng.random(values.shape) < rates.keep
    return np.where(gene, moved, values), (keeps & ~gene) | back
