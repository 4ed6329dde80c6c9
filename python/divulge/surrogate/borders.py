"""Scores of classes from the borders between them that counterfactuals show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array
from divulge.oracles import Answers, Distance
from divulge.training.class_scores import named_classes

DIRECTIONS = 8  # of R^(d + 1) in which lengths are solved for: more say nothing new
SAME = 1e-4  # relative singular value up to which it counts as none: borders are known to 1e-6
ROUNDING = 1e-12  # the same of points on borders, whose system is as steep as the data's columns are alike
# How much more a nearest input may be off than other answers: it lies behind the border, by 1e-6 and more.
BEYOND = 10.0
LARGE = 1e4  # inverse penalty of a fit to classes that a line parts


def scores_of_planes(told: Sequence[Answers], classes: int, distance: Distance) -> Array | None:
    """Return scores (K, d + 1), that of class 0 zero, up to one positive factor; None where they stay open.

    A nearest input y of class b to x of class a tells the border's plane p = (n, -n.y), with n = y - x for
    the Euclidean distance (`Distance.normal`), and W_b - W_a = s p for some s > 0. All W and s solve one
    homogeneous system: what is left is one vector where enough borders meet.

    Args:
        told: an answer about one point each, of two rows: the point and its counterfactual.
        classes: K.
        distance: by which they are nearest, a smooth one.
    """
    planes: list[tuple[int, int, Array]] = []
    for answer in told:
        assert answer.labels is not None
        (x, y), (a, b) = answer.points, answer.labels
        if a == b:
            continue
        normal = distance.normal(y - x)
        plane = np.append(normal, -normal @ y)
        planes.append((int(a), int(b), plane / max(float(np.linalg.norm(plane)), np.finfo(float).tiny)))
    if not planes:
        return None
    normals = np.stack([plane for _, _, plane in planes])
    ends = np.zeros((len(planes), classes))
    for m, (a, b, _) in enumerate(planes):
        ends[m, b], ends[m, a] = 1.0, -1.0
    d = normals.shape[1]
    some = normals @ np.random.default_rng(0).standard_normal((d, min(d, DIRECTIONS))) / np.sqrt(d)
    lengths = _lengths(some, ends[:, 1:])
    if lengths is None:
        return None
    rows = np.linalg.lstsq(ends[:, 1:], lengths[:, None] * normals, rcond=None)[0]
    return np.concatenate([np.zeros((1, d)), rows])


def scores_of_points(told: Sequence[Answers], classes: int, distance: Distance) -> Array | None:
    """Return scores as `scores_of_planes` from inputs on borders alone, whatever the distance.

    A counterfactual y of class b to x of class a lies on their border, (W_b - W_a).(y, 1) = 0: one vector is
    left from (K - 1)(d + 1) - 1 answers on that are on borders enough.
    """
    both = np.stack([answer.points for answer in told])
    ends = np.stack([answer.labels for answer in told if answer.labels is not None])
    crossed = ends[:, 0] != ends[:, 1]
    both, ends = both[crossed], ends[crossed]
    count, d = len(both), both.shape[-1]
    if count < (classes - 1) * (d + 1) - 1:
        return None
    middle = both[:, 1].mean(axis=0)
    unit = np.maximum(np.abs(both[:, 1] - middle).max(axis=0), np.finfo(float).tiny)
    places = np.column_stack([(both[:, 1] - middle) / unit, np.ones(count)])
    system = np.zeros((count, classes, d + 1))
    system[np.arange(count), ends[:, 1]], system[np.arange(count), ends[:, 0]] = places, -places
    _, singular, vectors = np.linalg.svd(system[:, 1:].reshape(count, -1), full_matrices=True)
    if len(singular) > 1 and singular[(classes - 1) * (d + 1) - 2] <= ROUNDING * singular[0]:
        return None
    rows = np.concatenate([np.zeros((1, d + 1)), vectors[-1].reshape(classes - 1, d + 1)])
    rows[:, :d] /= unit
    rows[:, d] -= rows[:, :d] @ middle
    x, (a, b) = np.append(both[0, 0], 1.0), ends[0]
    return np.asarray(rows * np.sign((rows[a] - rows[b]) @ x))


def _lengths(planes: Array, ends: Array) -> Array | None:
    """Return s (M,), largest 1, with ends @ W = s planes for some W, or None where it is not the only one.

    Args:
        planes: shape (M, q).
        ends: shape (M, K - 1).
    """
    count, q = planes.shape
    others = ends.shape[1] * q
    system = np.zeros((count * q, others + count))
    system[:, :others] = np.kron(ends, np.eye(q))
    for m, plane in enumerate(planes):
        system[m * q : (m + 1) * q, others + m] = -plane
    if len(system) < system.shape[1] - 1:
        return None
    _, singular, vectors = np.linalg.svd(system, full_matrices=True)
    if len(singular) > 1 and singular[system.shape[1] - 2] <= SAME * singular[0]:
        return None
    lengths = vectors[-1][others:]
    return np.asarray(lengths / lengths[np.abs(lengths).argmax()])


def off_border(scores: Array, fresh: Answers, usual: float, distance: Distance) -> float:
    """Return how far a counterfactual is from where scores (K, d + 1) put it, in units of `BEYOND` moves.

    Args:
        scores: of the copy.
        fresh: an answer about one point, as in `scores_of_planes`.
        usual: how far counterfactuals move; of a point that moves less this counts, as it is on a border
            all but for rounding.
        distance: by which they are nearest.
    """
    assert fresh.labels is not None
    a, b = fresh.labels
    if a == b:
        return np.inf
    x, told = fresh.points
    top = named_classes((x @ scores[:, :-1].T + scores[:, -1])[None], 0.0)[0]
    of_class = 0.0 if a == top else distance.length(_foot(scores[top] - scores[a], x, distance) - x)
    of_place = distance.length(_foot(scores[b] - scores[a], x, distance) - told)
    size = max(float(distance.length(told - x)), usual, np.finfo(float).tiny)
    return float(max(of_class, of_place) / size / BEYOND)


def _foot(plane: Array, x: Array, distance: Distance) -> Array:
    """The input on a plane (d + 1,) that is nearest to x (d,)."""
    return np.asarray(x - (x @ plane[:-1] + plane[-1]) * distance.step(plane[:-1]))


def fitted(told: Answers, classes: int) -> Array:
    """Return scores (K, d + 1) of a logistic regression that knows the classes of points (n, d).

    Counterfactuals count half for each class of the border that they are at.
    """
    from sklearn.linear_model import LogisticRegression

    assert told.labels is not None
    assert told.beside is not None
    at_border = told.beside >= 0
    points = np.concatenate([told.points, told.points[at_border]])
    labels = np.concatenate([told.labels, told.beside[at_border]])
    shares = np.concatenate([np.where(at_border, 0.5, 1.0), np.full(at_border.sum(), 0.5)])
    scores, known = np.zeros((classes, points.shape[1] + 1)), np.unique(labels)
    scores[:, -1] = np.where(np.isin(np.arange(classes), known), 0.0, -np.inf)
    if len(known) < 2:
        return scores
    mean, scale = points.mean(axis=0), points.std(axis=0)
    scale = np.where(scale > 0, scale, 1.0)
    model = LogisticRegression(C=LARGE, max_iter=5000).fit((points - mean) / scale, labels, shares)
    rows = model.coef_ / scale
    offsets = model.intercept_ - rows @ mean
    if len(known) == 2:
        rows, offsets = np.stack([-rows[0], rows[0]]) / 2, np.stack([-offsets[0], offsets[0]]) / 2
    scores[known] = np.column_stack([rows, offsets])
    return scores
