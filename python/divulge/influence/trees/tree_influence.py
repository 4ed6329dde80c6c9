"""Which training samples made a prediction of boosted trees."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any, Literal

import numpy as np
import torch
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray

from divulge.arrays import Array
from divulge.conventions import OnProgress, check_jobs
from divulge.influence.arguments import check_rows
from divulge.influence.losses import LossFunction
from divulge.influence.operators import blocks, output_gradients
from divulge.influence.per_sample import applied, check_values
from divulge.influence.ranking import Ranking, top_of
from divulge.influence.trees.arguments import (
    asked_function,
    columns_of,
    read_groups,
    read_rows,
    read_targets,
    read_weights,
)
from divulge.influence.trees.derivatives import Leaves, boost_in, leaf_influence, leaf_similarity
from divulge.influence.trees.reading import kept, read_boosted
from divulge.influence.trees.structure import FixedTrees

__all__ = ["TreeInfluence"]

Method = Literal["leaf_influence", "leaf_refit", "boost_in", "leaf_similarity"]
_METHODS = ("leaf_influence", "leaf_refit", "boost_in", "leaf_similarity")
_TEST_BLOCK, _HELD = 64, 1 << 24  # test points at a time, and numbers n K m held for them
_REFITS = 64  # at a time: between them Ctrl-C is heard


class TreeInfluence:
    """Influence of training samples in gradient boosting with the trees' structure fixed.

    T rounds of K trees are fitted one after the other to samples of weights w_i; leaf l adds

        v_l = -rate G_l / (H_l + l2),  G_l = sum over its samples of w_i g_i,  H_l likewise of h_i

    with g and h the loss's derivatives at the margins before the round, and F_0 a function of the targets'
    weighted mean. LeafInfluence is the exact derivative of that by a sample's weight, through all later
    trees; LeafRefit fits all leaves anew without the sample. Neither looks for other splits.

        scores[t, i] = W d f(test t) / d w_i,  W = sum_i w_i

    is in sign and scale what `Influence.scores` tells: above zero, more of sample i raises the test loss. A
    sample's removal changes it by about -w_i scores / W; `leave_one_out` says by how much exactly.

    The boosting is replayed in float64 and compared with the model's own margins of its training samples, so
    that other data, held-out samples or a leaf rule that is not known are refused. Fitting the model anew
    changes nothing here.

    Args:
        model: fitted: GradientBoosting or HistGradientBoosting of scikit-learn with squared_error, log_loss,
            exponential or poisson, all samples in each tree; XGBRegressor, XGBClassifier, LGBMRegressor,
            LGBMClassifier with squared error, logistic or softmax objectives.
        train: (inputs (n, d), targets (n,)) that it was fitted to; inputs as the model takes them.
        weights: (n,), the sample_weight of the fit.

    Attributes:
        trees: T K.
        rows: n.

    Raises:
        TypeError: another model.
        ValueError: it was trained in a way that is not covered, or not on these data.

    Source:
        B. Sharchilev, Y. Ustinovsky, P. Serdyukov, M. de Rijke, "Finding influential training samples for
        gradient boosted decision trees", 2018; BoostIn and leaf similarity: J. Brophy, Z. Hammoudeh, D. Lowd,
        "Adapting and evaluating influence-estimation methods for gradient-boosted decision trees", 2023.
    """

    def __init__(self, model: Any, train: Any, *, weights: ArrayLike | None = None) -> None:
        self._given = kept(model), train, weights
        self._model = read_boosted(self._given[0])
        inputs, given = read_rows(train, self._model.width, "training")
        self._columns = columns_of(inputs)
        self._targets = read_targets(given, self._model, "training")
        shares = read_weights(weights, len(given))
        found = self._model.leaves(inputs)
        self._fixed = FixedTrees(self._model, found, self._targets, shares)
        self._replay = self._fixed.replay()
        self.rows, self.trees = len(given), int(found.shape[1] * found.shape[2])
        self._check(inputs)

    def _check(self, inputs: Any) -> None:
        """Hold the replayed margins against the model's own."""
        told, mine = self._model.margins(inputs), self._replay.margins[:, :, 0]
        size = max(float(np.abs(part).max()) for part in (told, self._targets))
        spread = max(float(np.ptp(part, axis=0).max()) for part in (told, self._targets))  # of classes 1
        allowed = self._model.tolerance * spread + self._model.rounding * size
        gap = float(np.abs(told - mine).max()) if told.shape == mine.shape else np.inf
        if not gap <= allowed:
            raise ValueError(
                f"{self._model.title} does not follow from these training data: fitting its leaves anew "
                f"gives margins that are off by {gap:.3g}: were there other samples, weights (see weights=), "
                "early stopping, or another starting value?"
            )

    def margins(self, test: Any) -> Array:
        """Return F (m, K) of test inputs as the replayed leaves give them."""
        inputs, _ = read_rows((test, np.zeros(len(test))), self._model.width, "test", self._columns)
        return self._replay.at(self._leaves(inputs))[:, :, 0]

    def scores(
        self, test: Any, of: str | LossFunction = "loss", *, method: Method = "leaf_influence"
    ) -> Array:
        """Return scores (m, n) of each training sample for each test point; see the class for sign and scale.

        Args:
            test: (inputs, targets).
            of: "loss"; "prediction", the margin of a single output; "log_probability", "margin" (log odds) or
                "logit" of the target's class; or a function of (margins (m, K), targets) as torch tensors.
            method: "leaf_influence"; "leaf_refit", -W / w_i times `leave_one_out`; "boost_in", the same
                derivative without the way through later trees, with the point's slope before each round;
                "leaf_similarity", -sum over trees of [same leaf] / (samples in it)^2, negated for samples of
                another class or, of a regression, on the other side of the prediction.

        Raises:
            ValueError: inputs or targets that do not fit, or an unknown method.
        """
        if method not in _METHODS:
            raise ValueError(f"expected a method {', '.join(_METHODS)}, got {method!r}")
        if method == "leaf_refit":
            weights = self._fixed.weights
            weight = np.where(weights > 0, weights, np.inf)
            return -self.leave_one_out(test, of) * self._fixed.total / weight
        parts = [np.zeros((0, self.rows))]
        for leaves, targets, slope in self._blocks(test, of):
            parts.append(self._scored(method, leaves, targets, slope))
        return np.concatenate(parts)

    def _scored(
        self, method: Method, leaves: Leaves, targets: NDArray[Any], slope: Callable[[Array], Array]
    ) -> Array:
        """Return a block of `scores`."""
        fixed, replay = self._fixed, self._replay
        at = replay.at(leaves)[:, :, 0]
        if method == "leaf_similarity":
            return -leaf_similarity(fixed, leaves) * self._sides(at, targets)
        if method == "boost_in":
            return fixed.total * boost_in(fixed, replay, leaves, slope)
        return fixed.total * leaf_influence(fixed, replay, leaves, slope(at))

    def _sides(self, at: Array, targets: NDArray[Any]) -> Array:
        """Return 1 where a sample pulls the way that lowers the test loss, -1 where the other (m, n)."""
        own = self._targets
        if self._model.classes is not None:
            numbers = own[:, 0] if own.shape[1] == 1 else own.argmax(axis=1)
            return np.where(targets[:, None] == numbers, 1.0, -1.0)
        told = np.exp(at[:, 0]) if self._model.initial.link == "log" else at[:, 0]
        return np.where((targets > told)[:, None] == (own[:, 0] >= told[:, None]), 1.0, -1.0)

    def leave_one_out(
        self,
        test: Any,
        of: str | LossFunction = "loss",
        *,
        rows: ArrayLike | None = None,
        jobs: int = 1,
        progress: OnProgress | None = None,
    ) -> Array:
        """Return the change (m, k) of f when a sample is left out and all leaves are fitted anew (LeafRefit).

        Exact for the fixed structure; a leaf that is left empty adds 0. After Ctrl-C what was not reached is
        NaN, with a warning.

        Args:
            test: (inputs, targets).
            of: as in `scores`.
            rows: (k,), training samples, by default all.
            jobs: threads at a time, -1 for one a processor.
            progress: called after each block of samples.

        Raises:
            ValueError: arguments that do not fit, or nothing left without a sample.
        """
        chosen = check_rows(rows, self.rows)
        return self._left_out(test, of, chosen, np.arange(len(chosen)), len(chosen), jobs, progress)

    def leave_groups_out(
        self,
        test: Any,
        groups: ArrayLike,
        of: str | LossFunction = "loss",
        *,
        jobs: int = 1,
        progress: OnProgress | None = None,
    ) -> Array:
        """Return the change (m, groups) of f when each group is left out at once; arguments as elsewhere.

        Args:
            test: (inputs, targets).
            groups: (n,), the number of each sample's group from 0 on, -1 for those that stay.
            of: as in `scores`.
            jobs: threads at a time, -1 for one a processor.
            progress: called after each block of groups.

        Raises:
            ValueError: arguments that do not fit, or a group of all samples.
        """
        numbers = read_groups(groups, self.rows)
        rows = np.flatnonzero(numbers >= 0)
        return self._left_out(test, of, rows, numbers[rows], int(numbers.max()) + 1, jobs, progress)

    def _left_out(
        self, test: Any, of: Any, rows: Any, columns: Any, count: int, jobs: int, progress: OnProgress | None
    ) -> Array:
        """Return the changes (m, count) of f without the pairs (row, column)."""
        check_jobs(jobs)
        counted = self._fixed.weights > 0
        gone = np.flatnonzero(np.bincount(columns, counted[rows], count) == counted.sum())
        if len(gone):
            raise ValueError(f"leaving out group {gone[0]} leaves no training sample of weight above 0")
        inputs, given = read_rows(test, self._model.width, "test", self._columns)
        targets = _classes(read_targets(given, self._model, "test"))
        leaves, value = self._leaves(inputs), self._function(of, targets)
        before = value(self._replay.at(leaves)[:, :, 0])
        out = np.full((len(given), count), np.nan)
        parts = blocks(count, _REFITS)

        def changes(part: slice) -> slice:
            inside = (columns >= part.start) & (columns < part.stop)
            refits = self._fixed.refits(rows[inside], columns[inside] - part.start, part.stop - part.start)
            after = refits.at(leaves)  # (m, K, b)
            for b in range(after.shape[2]):
                out[:, part.start + b] = value(after[:, :, b]) - before
            return part

        try:
            run = Parallel(n_jobs=jobs, prefer="threads", return_as="generator_unordered")
            for done, _ in enumerate(run(delayed(changes)(part) for part in parts), 1):
                if progress is not None:
                    progress(done, len(parts))
        except KeyboardInterrupt:
            known = int(np.isfinite(out).all(axis=0).sum())
            warnings.warn(f"interrupted: {known} of {count} changes are known, the others NaN", stacklevel=3)
        return out

    def top_k(
        self, test: Any, k: int = 10, of: str | LossFunction = "loss", *, method: Method = "leaf_influence"
    ) -> Ranking:
        """Return the k most helpful and most harmful training samples of each test point."""
        if k not in range(1, self.rows + 1):
            raise ValueError(f"expected a whole k from 1 to {self.rows}, got {k!r}")
        return Ranking(*top_of(self.scores(test, of, method=method), k))

    def _leaves(self, inputs: Any) -> Leaves:
        found = self._model.leaves(inputs)
        return [tree.numbered(found[:, t]) for t, tree in enumerate(self._fixed.rounds)]

    def _function(self, of: str | LossFunction, targets: NDArray[Any]) -> Callable[[Array], Array]:
        """Return f as a function from margins (m, K) to numbers (m,), once it was seen to be one."""
        function, wanted = asked_function(of, self._model), torch.from_numpy(targets)

        def value(margins: Array) -> Array:
            return np.asarray(function(torch.from_numpy(margins.copy()), wanted), np.float64)

        outputs = torch.zeros(len(targets), self._targets.shape[1], dtype=torch.float64)
        check_values(function, outputs, wanted, applied(function, outputs, wanted))
        return value

    def _blocks(
        self, test: Any, of: str | LossFunction
    ) -> Iterator[tuple[Leaves, NDArray[Any], Callable[[Array], Array]]]:
        """Yield leaves, targets and the slope of f, of some test points at a time."""
        inputs, given = read_rows(test, self._model.width, "test", self._columns)
        targets = _classes(read_targets(given, self._model, "test"))
        leaves, function = self._leaves(inputs), asked_function(of, self._model)
        size = max(1, min(_TEST_BLOCK, _HELD // self._targets.size))
        for part in blocks(len(given), size):
            wanted = torch.from_numpy(targets[part])

            def slope(margins: Array, wanted: torch.Tensor = wanted) -> Array:
                found = output_gradients(function, torch.from_numpy(margins.copy()), wanted)
                return np.asarray(found.numpy(), np.float64)

            yield [leaf[:, part] for leaf in leaves], targets[part], slope

    def __reduce__(self) -> tuple[Any, ...]:
        """Return what it is made of, for pickle."""
        return _made, self._given

    def __repr__(self) -> str:
        return f"TreeInfluence({self._model.title}, {self.trees} trees, {self.rows} training samples)"


def _made(model: Any, train: Any, weights: ArrayLike | None) -> TreeInfluence:
    return TreeInfluence(model, train, weights=weights)


def _classes(targets: Array) -> NDArray[Any]:
    """Return class numbers (m,) of one-hot targets, others (m,) as they are."""
    if targets.shape[1] == 1:
        return np.array(targets[:, 0])
    return np.array(targets.argmax(axis=1))
