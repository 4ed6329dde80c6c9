"""What `multilevel` returns: a tree of explanations, cut at any level."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from divulge.arrays import Array, Index
from divulge.explanations.local_models import LocalModels, Pooled, share_of_variance
from divulge.html import ShownAsTable
from divulge.oracles.ledger import whole
from divulge.points import as_matrix, check_finite

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd
    from numpy.typing import NDArray


@dataclass(frozen=True)
class Level:
    """The rows in groups, each with one explanation.

    Attributes:
        penalty: at which they were fused so.
        groups: the group of each row, shape (n,), numbered from 0.
        pooled: one explanation for each group.
        fidelity: the share of the variance of the model's values that these explain; NaN without values.
        kept: the share of the explanations' variance that is left between groups.
    """

    penalty: float
    groups: Index
    pooled: Pooled
    fidelity: float
    kept: float

    @property
    def count(self) -> int:
        """How many groups."""
        return len(self.pooled.sizes)


@dataclass(frozen=True)
class ExplanationTree(ShownAsTable):
    """Explanations from one a row to one for all.

    Attributes:
        levels: from all rows alone to all together.
        local: the explanations of single rows.
    """

    levels: tuple[Level, ...]
    local: LocalModels

    @staticmethod
    def of(local: LocalModels, fused: Sequence[tuple[float, Index]]) -> ExplanationTree:
        """Explain the groups of each level of a path of fusions."""
        known: dict[bytes, tuple[Array, float]] = {}
        return ExplanationTree(tuple(_level(local, *level, known) for level in fused), local)

    def cut(self, groups: int) -> Level:
        """Return the level with so many groups, or the next one with fewer.

        Raises:
            ValueError: less than one.
        """
        if whole("groups", groups) < 1:
            raise ValueError(f"expected at least one group, got {groups}")
        return max((level for level in self.levels if level.count <= groups), key=lambda level: level.count)

    def refined(self, groups: int) -> ExplanationTree:
        """Return the tree with one level in groups whose explanations tell most of the values.

        Two beginnings are tried: the level as it fused, and so many groups of rows that lie near each other
        ("two-step": Ward's clustering of the points, columns in deviations). From each, rows move to the
        group whose explanation fits them best, by the cost that it minimises over its rows,
        (f_i - b - theta . x_i)^2 + |s (theta - theta_i)|^2, s the deviations of the columns, until none would
        rather be elsewhere, as in k-means; a group that all leave is gone. Of these two and of the beginnings
        the one of highest fidelity is taken. That level, with as many groups or the next fewer, is the one to
        look at: finer ones are parts of its groups, coarser ones unions.

        Raises:
            ValueError: less than one group, or explanations that are no slopes with values.
        """
        from divulge.explanations.refinement import refined

        if self.local.values is None or self.local.kind != "slopes":
            raise ValueError("expected a tree of slopes with values, by which rows choose a group")
        place = [level.count for level in self.levels].index(self.cut(groups).count)
        path = [(level.penalty, level.groups) for level in self.levels]
        return ExplanationTree.of(self.local, refined(self.local, path, place, groups))

    def group_of(self, points: Any, groups: int) -> Index:
        """Return the group (m,) that unseen points (m, d) fall in: that of the nearest row."""
        return np.asarray(self.cut(groups).groups[self.local.nearest(self._points(points))])

    def predict(self, points: Any, groups: int) -> Array:
        """Return what the groups' explanations say of unseen points (m, d), shape (m,).

        Raises:
            ValueError: the tree was made without values, or the points have another shape.
        """
        if self.local.values is None:
            raise ValueError("the tree was made without values: its explanations have no base")
        level = self.cut(groups)
        return self.local.predictions(level.pooled, self.group_of(points, groups), self._points(points))

    def fidelity(self, points: Any, values: Any, groups: int) -> float:
        """Return the share of the variance of values (m,) at unseen points that the explanations explain.

        Raises:
            ValueError: the tree was made without values, or shapes do not fit.
        """
        predicted = self.predict(points, groups)
        return share_of_variance(_told(values, len(predicted)), predicted)

    def leak_curve(self, points: Any, values: Any, threshold: float = 0.0) -> pd.DataFrame:
        """Return how far the nodes alone are a copy of the model: `divulge.explanations.leaks.nodes_leak`.

        Args:
            points: unseen rows, shape (m, d).
            values: of the model there, shape (m,).
            threshold: above which the class is named.

        Raises:
            ValueError: the tree was made without values, or shapes do not fit.
        """
        from divulge.explanations.leaks import nodes_leak

        x = self._points(points)
        if self.local.values is None:
            raise ValueError("the tree was made without values: its explanations have no base")
        return nodes_leak(self.local, self.levels, x, _told(values, len(x)), threshold)

    def graph(self) -> nx.DiGraph:
        """Return the tree as a networkx graph, edges from groups to their parts.

        A node has the attributes rows (their places), level, penalty, explanation (d numbers) and base.

        Raises:
            ImportError: networkx is not installed.
        """
        import networkx as nx

        graph = nx.DiGraph()
        below = np.zeros(0, np.intp)
        for number, level in enumerate(self.levels):
            above = np.full(level.count, -1, np.intp)
            for group in range(level.count):
                rows = np.flatnonzero(level.groups == group)
                parts = np.unique(below[rows]) if number else rows[:0]
                if len(parts) == 1 and number:
                    above[group] = parts[0]
                    continue
                above[group] = graph.number_of_nodes()
                graph.add_node(
                    int(above[group]),
                    rows=rows.tolist(),
                    level=number,
                    penalty=level.penalty,
                    explanation=level.pooled.explanations[group].tolist(),
                    base=float(level.pooled.bases[group]),
                )
                graph.add_edges_from((int(above[group]), int(part)) for part in parts)
            below = above[level.groups]
        return graph

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each level: groups, penalty, fidelity, kept, the largest one's share of rows."""
        import pandas as pd

        n = len(self.local.x)
        rows = [
            (level.count, level.penalty, level.fidelity, level.kept, level.pooled.sizes.max() / n)
            for level in self.levels
        ]
        return pd.DataFrame(rows, columns=["groups", "penalty", "fidelity", "kept", "largest"])

    def plot(self, groups: int = 8) -> NDArray[Any]:
        """Draw the tree, and the explanations of the groups at a level; return both Axes."""
        from divulge.explanations.figures import plot_tree

        return plot_tree(self, groups)

    def _points(self, points: Any) -> Array:
        matrix = as_matrix(points, self.local.x.shape[1])
        check_finite(matrix)
        return matrix

    def _facts(self) -> dict[str, Any]:
        """Return what is shown above the table."""
        return {"rows": len(self.local.x), "columns": self.local.x.shape[1], "kind": self.local.kind}


def _told(values: Any, count: int) -> Array:
    """Return finite values (count,)."""
    told = np.asarray(values, np.float64).reshape(-1)
    if told.shape != (count,) or not count:
        raise ValueError(f"expected values of shape ({count},), one for each point, got {told.shape}")
    check_finite(told[:, None])
    return told


def _level(
    local: LocalModels, penalty: float, groups: Index, known: dict[bytes, tuple[Array, float]]
) -> Level:
    """Explain the groups and measure them."""
    pooled = local.pooled(groups, known)
    rows = local.comparable()
    means = np.zeros((len(pooled.sizes), rows.shape[1]))
    np.add.at(means, groups, rows)
    apart = rows - (means / pooled.sizes[:, None])[groups]
    total = float(((rows - rows.mean(axis=0)) ** 2).sum())
    varies = total > 1e-24 * float((rows**2).sum())
    fidelity = np.nan
    if local.values is not None:
        fidelity = share_of_variance(local.values, local.predictions(pooled, groups))
    return Level(penalty, groups, pooled, fidelity, 1 - float((apart**2).sum()) / total if varies else 1.0)
