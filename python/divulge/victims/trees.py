"""Sums of decision trees as a list of their leaves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from divulge.arrays import Array
from divulge.victims.boosters import Booster
from divulge.victims.estimators import EstimatorModule

if TYPE_CHECKING:
    from divulge.victims.victim import Victim

# numbers of this size and smaller are read as 0: the negative one as a threshold is not left of itself
_ZERO_OF_LIGHTGBM = float(np.float32(1e-35))
_TOLERANCE = 1e-5  # relative; XGBoost and LightGBM compute in float32


@dataclass(frozen=True)
class Leaves:
    """The leaves of all trees: leaf l is reached where low < x <= high in each number on its path.

    Attributes:
        feature: the numbers on each path, each once, shape (L, D); -1 where a path is shorter.
        low: shape (L, D); -inf where there is no bound.
        high: shape (L, D).
        value: what each leaf adds to the outputs, shape (L, K).
        base: added to every sum, shape (K,).
        strict: whether x = high is outside, and x = low inside, as in XGBoost.
        single: whether inputs are compared in float32.
        starts: the first leaf of each tree.
    """

    feature: NDArray[np.intp]
    low: Array
    high: Array
    value: Array
    base: Array
    strict: bool = False
    single: bool = True
    starts: tuple[int, ...] = (0,)

    def inside(self, points: Array) -> NDArray[np.bool_]:
        """Return whether each point (n, d) meets each condition, shape (n, L, D); absent ones are met."""
        x = points.astype(np.float32).astype(np.float64) if self.single else points
        at = x[:, np.maximum(self.feature, 0)]
        met = (at >= self.low) & (at < self.high) if self.strict else (at > self.low) & (at <= self.high)
        return met | (self.feature < 0)

    def nearest(
        self, point: Array, which: NDArray[np.bool_], box: tuple[Array, Array] | None = None
    ) -> Array | None:
        """Return the input (d,) of some leaves (L,) at the least Euclidean distance from another one (d,).

        Args:
            point: shape (d,), inside of the box.
            which: leaves, shape (L,).
            box: (low, high), shape (d,) each, in which the input is to lie; None: anywhere.

        Returns:
            None where these leaves have no input there.
        """
        feature = self.feature[which]
        low, high = self.ends(self.low[which]), self.ends(self.high[which], below=True)
        if box is not None:
            least, most = (np.where(feature < 0, 0.0, end[np.maximum(feature, 0)]) for end in box)
            low, high = (np.where(feature < 0, 0.0, end) for end in (low, high))
            low, high = np.maximum(low, least), np.minimum(high, most)
            met = (low <= high).all(axis=1)
            feature, low, high = feature[met], low[met], high[met]
        if not len(feature):
            return None
        at = point[np.maximum(feature, 0)]
        moved = np.where(feature < 0, at, np.clip(at, low, high))
        best = int(((moved - at) ** 2).sum(axis=1).argmin())
        own = feature[best] >= 0
        found = np.array(point, np.float64)
        found[feature[best][own]] = moved[best][own]
        return found

    def ends(self, bounds: Array, below: bool = False) -> Array:
        """Return the first numbers that a comparison puts behind bounds, or the last before them."""
        kind = np.float32 if self.single else np.float64
        held = bounds.astype(kind)
        if below:
            before = held >= bounds if self.strict else held > bounds
            return np.where(before, np.nextafter(held, kind(-np.inf)), held).astype(np.float64)
        behind = held < bounds if self.strict else held <= bounds
        return np.where(behind, np.nextafter(held, kind(np.inf)), held).astype(np.float64)

    def values(self, points: Array) -> Array:
        """Return the sums (n, K) of points (n, d)."""
        parts = [self.inside(points[i : i + 64]).all(axis=-1) @ self.value for i in range(0, len(points), 64)]
        return np.concatenate(parts or [np.zeros((0, len(self.base)))]) + self.base


def leaves_of(victim: Victim) -> Leaves | None:
    """Return the leaves of a victim that is a sum of trees and fed the numbers themselves, or None.

    They are compared with the victim on some inputs.
    """
    model = victim.module
    if not isinstance(model, EstimatorModule) or hasattr(model.estimator, "steps"):
        return None
    if model.data is not None and any(column.categories for column in model.data.columns):
        return None
    try:
        found = _read(model)
    except (AttributeError, KeyError, IndexError, ValueError, TypeError):
        return None
    if found is None:
        return None
    points = victim.some_inputs()
    told, mine = victim.values(points), found.values(points)
    if told.shape != mine.shape:
        return None
    return found if np.abs(told - mine).max() <= _TOLERANCE * max(1.0, np.abs(told).max()) else None


def single_tree(victim: Victim) -> Leaves | None:
    """Return the leaves of a victim that is one tree, or None."""
    found = leaves_of(victim)
    if found is None or found.inside(victim.some_inputs()[:1]).all(axis=-1).sum() != 1:
        return None  # an input is in one leaf of each tree
    return found


Path = dict[int, tuple[float, float]]  # number -> (low, high)


class _Collector:
    """Gathers leaves tree by tree."""

    def __init__(self, outputs: int) -> None:
        self.outputs = outputs
        self.paths: list[Path] = []
        self.told: list[Array] = []
        self.starts: list[int] = []

    def begin(self) -> None:
        """Take the leaves that follow for those of another tree."""
        self.starts.append(len(self.paths))

    def add(self, path: Path, value: Array) -> None:
        """Take one leaf."""
        self.paths.append(path)
        self.told.append(np.asarray(value, np.float64).reshape(self.outputs))

    def leaves(self, base: Array, **how: bool) -> Leaves:
        """Return all of them."""
        depth = max(1, max(map(len, self.paths), default=1))
        feature = np.full((len(self.paths), depth), -1, np.intp)
        low, high = np.full(feature.shape, -np.inf), np.full(feature.shape, np.inf)
        for row, path in enumerate(self.paths):
            for place, (number, bounds) in enumerate(path.items()):
                feature[row, place] = number
                low[row, place], high[row, place] = bounds
        told = np.array(self.told).reshape(-1, self.outputs)
        base = np.asarray(base, np.float64)
        return Leaves(feature, low, high, told, base, **how, starts=tuple(self.starts))


def narrowed(path: Path, number: int, threshold: float) -> tuple[Path, Path]:
    """Return the paths to the left (at most the threshold) and to the right of a split."""
    low, high = path.get(number, (-np.inf, np.inf))
    return {**path, number: (low, min(high, threshold))}, {**path, number: (max(low, threshold), high)}


def _read(model: EstimatorModule) -> Leaves | None:
    """Read an estimator by the fitted numbers that it has."""
    estimator, kind = model.estimator, type(model.estimator).__module__.split(".")[0]
    native = getattr(estimator, "booster", estimator)
    if isinstance(native, Booster):
        return _of_xgboost(model, native.model) if native.package == "xgboost" else _of_lightgbm(native.model)
    if kind == "xgboost":
        return _of_xgboost(model, estimator.get_booster())
    if kind == "lightgbm":
        return _of_lightgbm(estimator.booster_)
    if hasattr(estimator, "tree_"):
        return _of_forest([estimator], model)
    if hasattr(estimator, "_predictors"):
        return _of_histograms(estimator)
    if not hasattr(estimator, "estimators_"):
        return None
    if np.ndim(estimator.estimators_) == 2:
        return _of_boosting(estimator, model)
    return _of_forest(list(estimator.estimators_), model)


def _of_forest(trees: list[Any], model: EstimatorModule) -> Leaves:
    """The mean of trees; of a classifier's leaves the shares of the classes."""
    outputs = 1 if model.class_names is None else len(model.class_names)
    found = _Collector(outputs)
    for tree in trees:
        values = tree.tree_.value[:, 0, :]
        if model.class_names is not None:
            values = values / values.sum(axis=1, keepdims=True)
        _walk(found, tree.tree_, values / len(trees))
    return found.leaves(np.zeros(outputs))


def _of_boosting(estimator: Any, model: EstimatorModule) -> Leaves:
    """scikit-learn's gradient boosting: a tree for each output and round."""
    outputs = estimator.estimators_.shape[1]
    found = _Collector(outputs)
    for stage in estimator.estimators_:
        for k, tree in enumerate(stage):
            values = np.zeros((tree.tree_.node_count, outputs))
            values[:, k] = estimator.learning_rate * tree.tree_.value[:, 0, 0]
            _walk(found, tree.tree_, values)
    start = estimator._raw_predict_init(np.zeros((1, estimator.n_features_in_), np.float32))
    return found.leaves(np.asarray(start, np.float64).reshape(-1))


def _walk(found: _Collector, tree: Any, values: Array) -> None:
    """Take the leaves of one tree of scikit-learn."""
    found.begin()
    stack: list[tuple[int, Path]] = [(0, {})]
    while stack:
        node, path = stack.pop()
        left, right = tree.children_left[node], tree.children_right[node]
        if left < 0:
            found.add(path, values[node])
            continue
        paths = narrowed(path, int(tree.feature[node]), float(tree.threshold[node]))
        stack += [(left, paths[0]), (right, paths[1])]


def _of_histograms(estimator: Any) -> Leaves | None:
    """scikit-learn's boosting on histograms."""
    outputs = len(estimator._predictors[0])
    found = _Collector(outputs)
    for stage in estimator._predictors:
        for k, predictor in enumerate(stage):
            nodes = predictor.nodes
            if nodes["is_categorical"].any():
                return None
            found.begin()
            stack: list[tuple[int, Path]] = [(0, {})]
            while stack:
                at, path = stack.pop()
                node = nodes[at]
                if node["is_leaf"]:
                    found.add(path, node["value"] * np.eye(outputs)[k])
                    continue
                paths = narrowed(path, int(node["feature_idx"]), float(node["num_threshold"]))
                stack += [(int(node["left"]), paths[0]), (int(node["right"]), paths[1])]
    return found.leaves(np.asarray(estimator._baseline_prediction, np.float64).reshape(-1), single=False)


def _of_xgboost(model: EstimatorModule, booster: Any) -> Leaves | None:
    """XGBoost's trees, read from the model's own JSON."""
    told = json.loads(booster.save_raw("json"))["learner"]
    held = told["gradient_booster"]["model"]
    outputs = max(1, int(told["learner_model_param"]["num_class"]))
    found = _Collector(outputs)
    for tree, k in zip(held["trees"], held["tree_info"], strict=True):
        if any(tree.get("categories", [])):
            return None
        found.begin()
        stack: list[tuple[int, Path]] = [(0, {})]
        while stack:
            node, path = stack.pop()
            left = tree["left_children"][node]
            if left < 0:
                found.add(path, tree["split_conditions"][node] * np.eye(outputs)[k])
                continue
            paths = narrowed(
                path, tree["split_indices"][node], float(np.float32(tree["split_conditions"][node]))
            )
            stack += [(left, paths[0]), (tree["right_children"][node], paths[1])]
    leaves = found.leaves(np.zeros(outputs), strict=True)
    start = np.zeros((1, booster.num_features()))
    margin = model.outputs(start, model.method)
    return found.leaves((margin - leaves.values(start))[0], strict=True)


def _of_lightgbm(booster: Any) -> Leaves | None:
    """LightGBM's trees, read from the dump of the model."""
    told = booster.dump_model()
    outputs = told["num_tree_per_iteration"]
    found = _Collector(outputs)
    for tree in told["tree_info"]:
        row = np.eye(outputs)[tree["tree_index"] % outputs]
        found.begin()
        stack: list[tuple[Any, Path]] = [(tree["tree_structure"], {})]
        while stack:
            node, path = stack.pop()
            if "leaf_value" in node:
                found.add(path, node["leaf_value"] * row)
                continue
            if node["decision_type"] != "<=":
                return None
            threshold = float(node["threshold"])
            if threshold == -_ZERO_OF_LIGHTGBM:
                threshold = float(np.nextafter(threshold, -np.inf))
            paths = narrowed(path, int(node["split_feature"]), threshold)
            stack += [(node["left_child"], paths[0]), (node["right_child"], paths[1])]
    return found.leaves(np.zeros(outputs), single=False)
