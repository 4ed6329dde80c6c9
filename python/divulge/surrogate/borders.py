"""Scores of classes from the borders between them that counterfactuals show."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from divulge.arrays import Array
from divulge.oracles import Answers

DIRECTIONS = 8  # of R^(d + 1) in which lengths are solved for: more say nothing new
SAME = 1e-4  # relative singular value up to which it counts as none: borders are known to 1e-6
LARGE = 1e4  # inverse penalty of a fit to classes that a line parts


def scores_of_planes(told: Sequence[Answers], classes: int) -> Array | None:
    """Return scores (K, d + 1), that of class 0 zero, up to one positive factor; None where they stay open.

    A nearest input y of class b to x of class a tells the border's plane p = (y - x, -(y - x).y) and
    W_b - W_a = s p for some s > 0. All W and s solve one homogeneous system: what is left is one vector where
    enough borders meet.

    Args:
        told: an answer about one point each, of two rows: the point and its counterfactual.
        classes: K.
    """
    planes: list[tuple[int, int, Array]] = []
    for answer in told:
        assert answer.labels is not None
        (x, y), (a, b) = answer.points, answer.labels
        if a == b:
            continue
        plane = np.append(y - x, -(y - x) @ y)
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
