"""Projected gradients of training samples on disk, asked by blocks of test gradients."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from divulge.conventions import OnProgress
from divulge.influence.arguments import check_rows
from divulge.influence.influence import Influence
from divulge.influence.losses import LossFunction
from divulge.influence.operators import Array, blocks
from divulge.influence.output import open_output
from divulge.influence.preconditioner import Inverse, divided, inverses, inverses_of_few, solved_rows
from divulge.influence.projections import Projection, ProjectionName, projection_of
from divulge.influence.ranking import Best, Ranking
from divulge.influence.saved import data_digest, parameters_digest
from divulge.influence.store_files import ROWS_READ, StoreFiles, StoreIndex

__all__ = ["GradientStore"]

_TESTS = 64
# A^-1 of each layer, or None for the identity.
Inverses = list[Inverse] | None


class GradientStore:
    """Gradients of training losses in few numbers each, in memory-mapped files, and scores from them.

    Each sample has a row of unit length and its norm. Rows are written by `append`, which goes on where it
    was interrupted. `scores` takes the test points' gradients of the same parameters, multiplied by the same
    random matrices.

    Args:
        folder: of the files; a store that is there already is opened.
        projection: "random", R' g with one matrix for all parameters; or "two_sided", U' G V for each layer
            that K-FAC has a rule for (LoGra, Choe et al. 2024), which needs no whole gradient; U and V have
            orthonormal columns but for a scale.
        size: numbers a sample of "random", at most those of the parameters; of "two_sided", the numbers that
            each side of each layer's gradient is reduced to.
        dtype: of the rows, "float32" or "float16".
        seed: of the matrices.
        rank: of a "two_sided" store, singular pairs that are kept of each layer's matrix: rank (a + b)
            numbers for a matrix (a, b), where that is less. Scores are those of the matrices that are left.
            None keeps the whole. With `directions` that is LoRIF (arXiv 2601.21929).
        directions: of each layer's gradients, those of its rows' largest singular values, that M in `scores`
            has; the damping stands for all others. Memory is D numbers for each, not D^2, D those of a
            layer. None for all.

    Attributes:
        rows: samples in the store, when this object last read or wrote it.
        unfinished: samples that an interrupted `append` still has to write.

    Raises:
        ValueError: an argument that cannot be used, or another than that of the store in the folder.
        UnreadableFile: the folder holds something else.
    """

    def __init__(
        self,
        folder: str | Path,
        *,
        projection: ProjectionName = "two_sided",
        size: int = 16,
        dtype: Literal["float32", "float16"] = "float32",
        seed: int = 0,
        rank: int | None = None,
        directions: int | None = None,
    ) -> None:
        _check(projection, size, dtype, seed, rank, directions)
        self.folder = Path(folder)
        index = StoreIndex(projection, int(size), int(seed), dtype, sides="orthonormal")
        index.rank, index.directions = int(rank or 0), int(directions or 0)
        self._files = StoreFiles(self.folder, index)

    @property
    def rows(self) -> int:
        """Samples in the store."""
        return self._files.index.rows

    @property
    def unfinished(self) -> int:
        """Samples that an interrupted `append` still has to write."""
        return self._files.index.going_to - self._files.index.rows

    @property
    def bytes_a_sample(self) -> int:
        """Bytes on the disk for each sample."""
        return self._files.index.stored * np.dtype(self._files.index.dtype).itemsize + 4

    def append(self, influence: Influence, *, progress: OnProgress | None = None) -> int:
        """Write the gradients of an Influence's training losses behind those that are there.

        After an interruption the same call goes on where it was: rows are counted once they are on the disk.
        After an error none of this data is in the store.

        Args:
            influence: of the module, with the samples; its curvature is not used.
            progress: called after each block of samples.

        Returns:
            The number of samples in the store.

        Raises:
            ValueError: parameters of other names, shapes, values or precision than those of the store, or
                another loss; other data while an interrupted one is unfinished; a gradient that is not
                finite; another process, or object, that is appending.
        """
        with self._files.alone():
            self._files.refresh()
            return self._append(influence, progress)

    def _append(self, influence: Influence, progress: OnProgress | None) -> int:
        projection = self._projection(influence, first=not self._files.index.going_to)
        index, samples = self._files.index, influence.train
        n, digest = len(samples), data_digest(samples)
        if not self.unfinished:
            index.begun_at, index.going_to, index.data = index.rows, index.rows + n, digest
        elif digest != index.data:
            raise ValueError(
                f"{self.unfinished} samples of the data that was interrupted are not in the store yet, and "
                "this is other data; append that first"
            )
        self._files.write()
        rest = samples.take(np.arange(index.rows - index.begun_at, n))
        try:
            for block in projection.features(rest, influence.loss.function):
                self._files.append(block)
                if progress is not None:
                    progress(index.rows - index.begun_at, n)
        except Exception:
            index.rows = index.going_to = index.begun_at
            self._files.write()
            raise
        return index.rows

    def scores(
        self,
        influence: Influence,
        test: Any,
        of: str | LossFunction | None = None,
        *,
        damping: float | None = 0.1,
        unit: bool = False,
        out: Any = None,
    ) -> Any:
        """Return scores (m, rows) of the stored samples, above zero where more of one raises f.

        With g the test gradients' and g_i the samples' numbers, M = (1/n) sum_i g_i g_i' and
        A = M + damping mean(diag M) I: scores[t, i] = - g_t' A^-1 g_i. A "two_sided" store has an M for each
        layer, and their sum is taken. Of several checkpoints, each with a
        store of its own, the mean is TRAK's (Park et al. 2023).

        Args:
            influence: of the module whose parameters the store was made of.
            test: as in `Influence.scores`.
            of: as in `Influence.scores`.
            damping: None for the identity in A's place.
            unit: divide by the lengths of A^-1/2 g_t and A^-1/2 g_i (TrackStar, Chang et al. 2024).
            out: as in `Influence.scores`.

        Raises:
            ValueError: other parameters, an empty store, or damping below 0.
        """
        asked = self._asked(influence, test, of)
        target = open_output(out, (len(asked), self.rows), influence.operator.dtype)
        for tests, rows, scores in self._blocks(asked, damping, unit):
            target[tests, rows] = scores
        return target

    def top_k(
        self,
        influence: Influence,
        test: Any,
        k: int = 10,
        of: str | LossFunction | None = None,
        *,
        damping: float | None = 0.1,
        unit: bool = False,
    ) -> Ranking:
        """Return the k most helpful and most harmful samples of each test point; arguments as in `scores`."""
        asked = self._asked(influence, test, of)
        if isinstance(k, bool) or k not in range(1, self.rows + 1):
            raise ValueError(f"expected a whole k from 1 to {self.rows}, got {k!r}")
        best: dict[int, Best] = {}
        for tests, rows, scores in self._blocks(asked, damping, unit):
            held = best.setdefault(tests.start, Best(k, scores.shape[0]))
            held.add(scores, rows)
        parts = [(*held.helpful, held.harmful[0], -held.harmful[1]) for held in best.values()]
        return Ranking(*(np.concatenate(part) for part in zip(*parts, strict=True)))

    def position_scores(
        self,
        influence: Influence,
        test: Any,
        rows: ArrayLike | None = None,
        of: str | LossFunction | None = None,
        *,
        damping: float | None = 0.1,
    ) -> Array:
        """Return what each position, such as a token, of training samples adds to their scores.

        Their sum over a sample's positions is its score, but for what the files round.

        Args:
            influence: of the module, with the samples that are asked about.
            test: as in `Influence.scores`.
            rows: (k,), those of the Influence's training samples, by default all.
            of: as in `Influence.scores`.
            damping: as in `scores`.

        Returns:
            (m, k, *positions).

        Raises:
            ValueError: as in `scores` and `Influence.position_scores`; a store with a `rank`, whose numbers
                are no sum over positions.
        """
        if self._files.index.rank:
            raise ValueError(f"a store of rank {self._files.index.rank} has no scores of single positions")
        asked = self._asked(influence, test, of)
        influence.loss.check_positions(influence._prepared.outputs)
        solved = np.asarray(solved_rows(asked, self._inverted(damping)), np.float64)
        vectors = self._projection(influence).pulled(solved)
        chosen = check_rows(rows, len(influence.train))
        return -influence._prepared.autograd.position_scores(chosen, vectors)

    def gradients(self, rows: ArrayLike) -> Array:
        """Return the stored numbers (k, columns) of some samples in float32."""
        self._files.refresh()
        chosen = check_rows(rows, self.rows)
        if not len(chosen):
            return np.zeros((0, self._files.index.columns), np.float32)
        units, norms = self._files.maps()
        return np.asarray(self._files.units(units[chosen]) * norms[chosen][:, None])

    def _asked(self, influence: Influence, test: Any, of: str | LossFunction | None) -> NDArray[np.float64]:
        """Return the test gradients' numbers (m, columns)."""
        samples = influence.checked(test)
        self._files.refresh()
        if not self.rows:
            raise ValueError(f"the store in {self.folder.name} holds no samples yet")
        projection = self._projection(influence)
        blocks_of = projection.features(samples, influence._function(of))
        return np.concatenate([np.zeros((0, self._files.index.columns)), *blocks_of])

    def _blocks(
        self, asked: NDArray[np.float64], damping: float | None, unit: bool
    ) -> Iterator[tuple[slice, slice, Array]]:
        """Yield scores of each block of test points with each block of samples."""
        inverted = self._inverted(damping)
        solved, sizes = self._queries(asked, inverted, unit)
        for rows, held, lengths in self._held(inverted, unit):
            for tests in blocks(len(asked), _TESTS):
                yield tests, rows, -(solved[tests] @ held.T) * (sizes[tests] * lengths)

    def _queries(
        self, asked: NDArray[np.float64], inverted: Inverses, unit: bool
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return A^-1 g_t of test points, the largest number of each 1, and those numbers (m, 1)."""
        solved = solved_rows(asked, inverted)
        if unit:
            solved = divided(solved, np.einsum("ij,ij->i", solved, asked))
        sizes = np.abs(solved).max(axis=1, initial=0, keepdims=True)  # single precision has no larger ones
        return (solved / np.where(sizes > 0, sizes, 1)).astype(np.float32), sizes

    def _held(self, inverted: Inverses, unit: bool) -> Iterator[tuple[slice, Array, Array]]:
        """Yield blocks of rows, their numbers of unit length, and what these are multiplied by."""
        units, norms = self._files.maps()
        for rows in blocks(len(norms), ROWS_READ):
            held = self._files.units(units[rows])
            lengths = norms[rows].astype(np.float64)
            if unit:
                squares = np.einsum("ij,ij->i", solved_rows(held.astype(np.float64), inverted), held)
                lengths = 1 / np.sqrt(np.where(squares > 0, squares, 1))  # rows of 0 stay
            yield rows, held, lengths

    def _inverted(self, damping: float | None) -> Inverses:
        """Return A^-1 of each layer, None for the identity."""
        _check_damping(damping)
        if damping is None:
            return None
        few = self._files.index.directions
        return (
            inverses_of_few(self._files.directions(), damping)
            if few
            else inverses(self._files.moments(), damping)
        )

    def _projection(self, influence: Influence, first: bool = False) -> Projection:
        """Return the store's projection for a module, once its parameters are those of the store.

        The first that are appended are taken as such.
        """
        if not isinstance(influence, Influence):
            raise TypeError(f"expected an Influence, got {type(influence).__name__}")
        index = self._files.index
        name: Any = index.projection
        projection = projection_of(influence, name, index.size, index.seed, normal=index.sides == "normal")
        digest, precision = parameters_digest(influence), str(influence.operator.dtype)
        loss, widths = influence.loss.described, [a * b for a, b in projection.shapes]
        if first:
            index.parameters, index.precision, index.loss = digest, precision, loss
            index.widths, index.shapes = widths, projection.shapes
        if precision != index.precision:
            raise ValueError(
                f"the store in {self.folder.name} was written for parameters in {index.precision}, "
                f"these are in {precision}"
            )
        if loss != index.loss:
            raise ValueError(
                f"the store in {self.folder.name} holds gradients of the loss {index.loss}, got {loss}"
            )
        if digest != index.parameters or widths != index.widths:
            raise ValueError(
                f"the store in {self.folder.name} was written for other parameters than this module's "
                "(names, shapes or values, frozen ones and buffers included); write one for these"
            )
        return projection

    def __repr__(self) -> str:
        index = self._files.index
        return (
            f"GradientStore({self.rows} samples, {index.columns} numbers each, {index.projection}, "
            f"{index.dtype}{f', rank {index.rank}' if index.rank else ''})"
        )


def _check(projection: Any, size: Any, dtype: Any, seed: Any, rank: Any, directions: Any) -> None:
    if projection not in ("random", "two_sided"):
        raise ValueError(f"expected a projection 'random' or 'two_sided', got {projection!r}")
    if dtype not in ("float32", "float16"):
        raise ValueError(f"expected dtype 'float32' or 'float16', got {dtype!r}")
    if rank is not None and projection != "two_sided":
        raise ValueError(f"rank is for the projection 'two_sided', got {projection!r}")
    for name, value, least in (
        ("size", size, 1),
        ("seed", seed, 0),
        ("rank", 1 if rank is None else rank, 1),
        ("directions", 1 if directions is None else directions, 1),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < least:
            raise ValueError(f"expected {name} as a whole number of at least {least}, got {value!r}")


def _check_damping(damping: Any) -> None:
    if damping is None:
        return
    number = isinstance(damping, (int, float, np.number)) and not isinstance(damping, bool)
    if not number or not 0 <= damping < float("inf"):
        raise ValueError(f"expected damping of at least 0, or None, got {damping!r}")
