"""The oracle of an API that names a class and shows what would have been named otherwise."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from divulge.arrays import Array, Index
from divulge.datasets import Dataset
from divulge.oracles.base import Domain
from divulge.oracles.distance import Distance
from divulge.oracles.explained import Answers
from divulge.oracles.ledger import whole
from divulge.oracles.victim import VictimOracle
from divulge.points import as_matrix, host_array
from divulge.training.class_scores import named_classes, sided_scores
from divulge.victims.joined_trees import joined_tree

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from divulge.points import Points
    from divulge.victims import Victim

GENERATIONS, POPULATION = 20, 20
BEYOND = 1e-6  # of the scores: how far on the other side a counterfactual is
STEPS = 50  # to the border at most; a linear model's is reached by one


class CounterfactualOracle(VictimOracle):
    """Answers with the top class and a counterfactual, a near input of another class; see `explain`.

    An answer to n points holds 2 n inputs with their classes: the points asked about, then their
    counterfactuals, those with fewest changes of `divulge.explanations.counterfactuals`. It counts as n
    queries. `query` has nothing to return: (None, None). With nearest=True they are those at the least
    distance, Euclidean where no other is told, where the model is linear, a single tree or a forest of few
    (20,000 boxes in which their leaves meet); else where steps to the border of its linearisation end (S.-M.
    Moosavi-Dezfooli, A. Fawzi, P. Frossard, "DeepFool", 2016).

    Args:
        victim: the model under study.
        data: like those the victim is for, a data set or an array (m, d): counterfactuals stay within their
            range and near them. None: a few inputs of the victim's own.
        generations: of the search.
        population: candidates a point and generation.
        nearest: whether counterfactuals are the nearest inputs instead, in R^d and not near the data.
        norm: p of the distance by which they are nearest, 1 to infinity (`Distance`).
        weights: of each number in it, a number or shape (d,).
        domain: None for all of R^d, or (low, high): a box of inputs that may be asked about; counterfactuals
            stay in it, too.
        budget: the most queries that may be asked, or None.
        seed: of the search.

    Raises:
        ValueError: the domain is empty, the budget negative, the data or weights have another shape, the
            nearest inputs are asked for within a domain, or a distance that does not count.
        UnsupportedModel: the nearest are asked for, and the model has no input gradients.
    """

    def __init__(
        self,
        victim: Victim,
        *,
        data: Any = None,
        generations: int = GENERATIONS,
        population: int = POPULATION,
        nearest: bool = False,
        norm: float = 2.0,
        weights: ArrayLike = 1.0,
        domain: Domain | None = None,
        budget: int | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__(
            victim, 0, domain, budget, kind="counterfactual", values=False, gradients=False, least_outputs=2
        )
        if nearest and domain is not None:
            raise ValueError("expected no domain with nearest=True: the nearest inputs lie anywhere")
        self._leaves = joined_tree(victim) if nearest else None
        self.distance = Distance(norm, weights)
        if np.shape(weights) not in ((), (self.input_size,)):
            raise ValueError(f"expected {self.input_size} weights of a distance, got {np.shape(weights)}")
        if not self.distance.euclidean and (not nearest or self._leaves is not None):
            raise ValueError("expected the Euclidean distance without nearest=True, and of trees")
        if nearest and self._leaves is None:
            victim.check_differentiable()
        self.nearest = bool(nearest)
        self._data = _flat(victim.some_inputs() if data is None else data)
        self._options = {
            "generations": whole("generations", generations),
            "population": whole("population", population),
            "seed": whole("seed", seed),
        }
        if self._options["population"] < 2:
            raise ValueError(f"expected a population of at least 2, got {population}")
        inputs = self._data.train_inputs if isinstance(self._data, Dataset) else self._data
        if inputs.shape[1] != self.input_size:
            raise ValueError(f"expected data of {self.input_size} numbers, got {inputs.shape[1]}")

    def within(self, points: Points, low: Points, high: Points) -> Answers:
        """Ask for the nearest input of another class inside of a box around each point.

        Args:
            points: shape (n, d); each counts as one query.
            low: the least numbers of each box, shape (n, d).
            high: the largest ones.

        Returns:
            2 n inputs as `explain`; where a box holds no other class, the point itself again.

        Raises:
            ValueError: as `explain`, a point outside of its box, or an oracle of which the exactly nearest
                inputs are not known: nearest=True of a single tree or of few.
            BudgetExhausted: as `explain`.
        """
        if self._leaves is None:
            raise ValueError("expected nearest=True of a single tree or of few, whose inputs are all known")
        ends = [as_matrix(end, self.input_size) for end in (low, high)]
        asked = as_matrix(points, self.input_size)
        if any(end.shape != asked.shape for end in ends) or ((asked < ends[0]) | (asked > ends[1])).any():
            raise ValueError(f"expected {len(asked)} boxes with the points inside")
        asked = self._admit(asked)
        labels = self._top(asked)
        of_leaf = named_classes(self._leaves.value + self._leaves.base, self.victim.threshold)
        found = [
            self._leaves.nearest(x, of_leaf != label, (least, most))
            for x, label, least, most in zip(asked, labels, *ends, strict=True)
        ]
        others = [x if y is None else y for x, y in zip(asked, found, strict=True)]
        return self._told(asked, np.array(others).reshape(asked.shape), labels)

    def _answer(self, points: Array, output: int) -> tuple[None, None]:
        return None, None

    def _explain(self, points: Array, outputs: Index | None) -> Answers:
        labels = self._top(points)
        if not len(points):
            return Answers(points, labels, labels, beside=labels)
        others = points.copy()
        for label in np.unique(labels):
            rows = labels == label
            found = self._nearest if self.nearest else self._counterfactuals
            others[rows] = found(points[rows], int(label))
        return self._told(points, others, labels)

    def _told(self, points: Array, others: Array, labels: Index) -> Answers:
        """Points (n, d) with their labels, then counterfactuals (n, d) with theirs."""
        both = np.concatenate([points, others])
        named = np.concatenate([labels, self._top(others)])
        beside = np.concatenate([np.full(len(points), -1), labels])
        return Answers(both, named, named, beside=beside)

    def _top(self, points: Array) -> Index:
        return self.victim.classes(points)

    def _counterfactuals(self, points: Array, label: int) -> Array:
        """Return an input (n, d) of another class near each point, or the nearest to one that was found."""
        from divulge.explanations import counterfactuals

        def lead(rows: Array) -> Array:
            scores = sided_scores(torch.from_numpy(self.victim.values(rows) - self.victim.threshold)).numpy()
            own = scores[:, label].copy()
            scores[:, label] = -np.inf
            return np.asarray(scores.max(axis=1) - own)

        size = float(np.abs(lead(points)).max())
        found = counterfactuals(
            lead,
            points,
            data=self._data,
            target=(BEYOND * max(size, 1e-6), np.inf),
            ranges=self._ranges(),
            **self._options,  # type: ignore[arg-type]
        )
        return np.stack([front.rows[0] for front in found.fronts])

    def _nearest(self, points: Array, label: int) -> Array:
        """Return points (n, d) of a class moved to where another one is named, the nearest way."""
        if self._leaves is not None:
            other = named_classes(self._leaves.value + self._leaves.base, self.victim.threshold) != label
            found = [self._leaves.nearest(x, other) for x in points]
            return np.stack([x if y is None else y for x, y in zip(points, found, strict=True)])
        x = points.copy()
        for _ in range(STEPS):
            rows = np.flatnonzero(self._top(x) == label)
            if not len(rows):
                break
            values, gradients = self._sided(x[rows])
            leads = np.delete(values - values[:, [label]], label, axis=1)  # (n, K - 1)
            slopes = np.delete(gradients - gradients[:, [label]], label, axis=1)  # (n, K - 1, d)
            steps = self.distance.step(slopes)
            flat = ~slopes.any(axis=2)  # where nothing changes there is no way to go
            far = np.where(flat, np.inf, np.abs(leads) * self.distance.length(steps))
            near = far.argmin(axis=1)
            each = np.arange(len(rows))
            short = np.abs(leads[each, near]) * (1 + BEYOND) + BEYOND * np.abs(values).max(axis=1) * 1e-3
            x[rows] += short[:, None] * steps[each, near]
        return np.asarray(x)

    def _sided(self, points: Array) -> tuple[Array, Array]:
        """Scores (n, K) of all classes at points (n, d), and their gradients (n, K, d)."""
        told = [self.victim.values_and_gradients(points, k) for k in range(self.victim.output_size)]
        values = np.stack([value for value, _ in told], axis=1)
        gradients = np.stack([gradient for _, gradient in told], axis=1)
        if self.victim.output_size > 1:
            return values, gradients
        values = (values - self.victim.threshold) / 2
        sides = np.array([-1.0, 1.0])
        return values * sides, gradients / 2 * sides[:, None]

    def _ranges(self) -> dict[Any, tuple[float, float]] | None:
        """The part of the data's range that lies in the domain, by column; its sides where none does."""
        if self._box is None:
            return None
        if isinstance(self._data, Dataset):
            known = [(column.name, column.low, column.high) for column in self._data.columns]
        else:
            sides = zip(self._data.min(axis=0), self._data.max(axis=0), strict=True)
            known = [(j, float(least), float(most)) for j, (least, most) in enumerate(sides)]
        found = {}
        for (name, least, most), low, high in zip(known, self._box.low, self._box.high, strict=True):
            inside = max(least, float(low)), min(most, float(high))
            found[name] = inside if inside[0] <= inside[1] else (float(low), float(high))
        return found


def _flat(data: Any) -> Any:
    """Data with inputs (m, d); a data set that is no table as an array."""
    if not isinstance(data, Dataset):
        array = np.asarray(host_array(data), np.float64)
        return array.reshape(len(array), -1)
    if data.columns:
        return data
    flat = replace(data, train_inputs=data.train_inputs.flatten(1), test_inputs=data.test_inputs.flatten(1))
    return np.asarray(host_array(flat.train_inputs), np.float64)
