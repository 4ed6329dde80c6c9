"""Counterfactuals of several kinds of goodness at once, by NSGA-II over typed columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from divulge.arrays import Array
from divulge.conventions import OnProgress
from divulge.explanations.archive import Archive
from divulge.explanations.asked import Asked, Scale
from divulge.explanations.counterfactual_result import Counterfactuals
from divulge.explanations.evolution import Population, Rates, children, curves_of, first, survivors
from divulge.explanations.rows import as_rows
from divulge.explanations.wanted import Wanted, check_target
from divulge.oracles.ledger import whole

POPULATION, GENERATIONS = 20, 175


def counterfactuals(
    predict: Any,
    points: Any,
    *,
    data: Any,
    target: tuple[float, float],
    output: int | None = None,
    scale: Scale | None = None,
    fixed: Sequence[Any] = (),
    ranges: Mapping[Any, tuple[float, float]] | None = None,
    kinds: Mapping[Any, str] | None = None,
    most_changes: int | None = None,
    k: int = 1,
    epsilon: float | None = 0.0,
    population: int = POPULATION,
    generations: int = GENERATIONS,
    rates: Rates | None = None,
    seed: int = 0,
    progress: OnProgress | None = None,
) -> Counterfactuals:
    """Return, for each point, other rows of which the model says what is wanted, none better in all respects.

    Four objectives are to be small: "miss", the distance of the prediction to the wanted interval;
    "distance", Gower's to the point; "changes", the number of columns that differ; and "from_data",
    Gower's distance to the k nearest training rows. All points are searched for at once, so that the model
    is called once a generation.

    Args:
        predict: a function of points (n, d) that returns (n,) or (n, K), a Victim, a torch module or a fitted
            estimator.
        points: the rows to change, shape (P, d), or a DataFrame with the data's columns.
        data: a data set, of which the training part is taken, a DataFrame of inputs, or an array (n, d).
        target: (low, high), both inside, either infinite.
        output: which of K outputs; None: the only one, of two the second.
        scale: "value", "probability" or "log_odds" of the output; None: the probability of a victim that
            names classes, else the value as it is told.
        fixed: columns that may not change, beside those that the data set says.
        ranges: (low, high) of columns by name; else the data's own.
        kinds: of columns, as in `read_data`, where data are no data set.
        most_changes: the most columns that may change.
        k: nearest training rows that a candidate is held against.
        epsilon: candidates that miss the interval by more come after all others; None: none do.
        population: candidates a point and generation.
        generations: how often they have children.
        rates: of crossover and mutation.
        seed: of everything random.
        progress: called with the generations done and the number of all.

    Returns:
        The fronts. Ctrl-C ends the search with what was found; a point for which nothing reaches the interval
        has its nearest candidate, and a note says so.

    Raises:
        ValueError: the target is empty, no column may change, an entry is unknown, or an option cannot be.
        TypeError: predict, points or data are of no known kind.
        OracleError: the model failed, or answered with NaN or another shape.

    Source:
        S. Dandl, C. Molnar, M. Binder, B. Bischl, "Multi-Objective Counterfactual Explanations", 2020, arXiv
        2004.11165; the search is NSGA-II (K. Deb, A. Pratap, S. Agarwal, T. Meyarivan, 2002) with the rates
        of the authors' package. That the nearest wanted training row is among the first candidates, and that
        the front is taken of all candidates and not of the last generation, is our own.
    """
    whole("seed", seed), whole("generations", generations)
    if whole("population", population) < 2:
        raise ValueError(f"expected a population of at least 2, got {population}")
    if epsilon is not None and not epsilon >= 0:
        raise ValueError(f"expected epsilon of at least 0, got {epsilon}")
    interval = check_target(target)
    rows = as_rows(data, kinds=kinds, fixed=fixed, ranges=ranges, seed=None)
    x = rows.points(points)
    if not len(x):
        raise ValueError("expected at least one point to change, got none")
    asked = Asked(predict, rows, data, output=output, scale=scale, usual="probability")
    wanted = Wanted.of(asked, x, rows, interval, whole("k", k), most_changes, seed)
    search = Search(wanted, population, epsilon, rates or Rates(), np.random.default_rng([seed, 8]))
    complete = search.run(generations, progress)
    return Counterfactuals.of(wanted, rows, search.archive, np.array(search.history), seed, complete)


@dataclass
class Search:
    """One run of NSGA-II for all points.

    Attributes:
        wanted: what is looked for.
        size: candidates a point.
        epsilon: the miss that is let pass, or None.
        rates: of what happens.
        rng: draws everything.
        archive: the best of all candidates so far.
        history: the objectives (P, n, 4) of each generation's new candidates.
    """

    wanted: Wanted
    size: int
    epsilon: float | None
    rates: Rates
    rng: np.random.Generator
    archive: Archive = field(init=False)
    history: list[Array] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.archive = Archive(len(self.wanted.x))

    def run(self, generations: int, progress: OnProgress | None) -> bool:
        """Search for so many generations; return False where Ctrl-C ended it after the first."""
        curves = curves_of(self.wanted)
        self.archive.add(curves.rows, curves.predictions, curves.objectives)
        parents = first(self.wanted, curves, self.size, self.rng)
        self._keep(parents)
        deviations = self.wanted.train.std(axis=0)
        try:
            for generation in range(generations):
                order = parents.order(self.wanted, self.epsilon)
                made = children(self.wanted, parents, order, self.rates, deviations, self.rng)
                self._keep(made)
                parents = survivors(self.wanted, parents.joined(made), self.size, self.epsilon)
                if progress is not None:
                    progress(generation + 1, generations)
        except KeyboardInterrupt:
            return False
        return True

    def _keep(self, candidates: Population) -> None:
        self.archive.add(candidates.rows, candidates.predictions, candidates.objectives)
        self.history.append(candidates.objectives.astype(np.float32))
