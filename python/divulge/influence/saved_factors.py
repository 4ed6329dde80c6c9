"""K-FAC's and EK-FAC's factors on disk: fitted a block of samples at a time, and gone on with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.conventions import OnProgress
from divulge.datasets.npy import read_npz_names
from divulge.files import reading, replacing
from divulge.influence.combined import ShardedOperator
from divulge.influence.influence import Influence
from divulge.influence.kronecker import KroneckerCurvature, decomposed, fit_kronecker
from divulge.influence.operators import Array, Factors, Labels, LayerPlace, blocks
from divulge.influence.saved import data_digest, parameters_digest

__all__ = ["fit_factors"]

Floating = NDArray[np.float64]
Floats = list[Floating]
# How `label_cotangents` draws, renamed whenever it draws otherwise: sums over both are of no labels at all.
_LABELS = "signs, others for eigenvalues"


def fit_factors(
    influence: Influence, path: str | Path, *, block: int = 4096, progress: OnProgress | None = None
) -> None:
    """Fit the factors of an Influence with the curvature "kfac" or "ekfac", or read them where they are.

    They are in a .npz file after each block of samples, so that the same call goes on after an interruption;
    once they are whole it reads them. Damping and weight decay are no part of them. They are those that
    `Influence` fits by itself; of tied tables, whose factors are mixed block by block, near to them.

    Of sharded data every process makes the call: each sums over its share, into a file of its own beside the
    others' (`factors.0-of-2.npz`), the sums are added up, and each decomposes the factors of some layers.

    Args:
        influence: whose later calls use the factors, until its module is changed.
        path: of the file.
        block: samples at a time.
        progress: called after each block of each pass, one for "kfac" and two for "ekfac".

    Raises:
        ValueError: another curvature; a path with another suffix; a file with the factors of other
            parameters, data, labels or blocks; files of processes of which one is refused, or that were begun
            apart.
        UnreadableFile: the file is something else.
    """
    if not isinstance(influence, Influence):
        raise TypeError(f"expected an Influence, got {type(influence).__name__}")
    if influence.curvature not in ("kfac", "ekfac"):
        raise ValueError(f"expected the curvature kfac or ekfac, got {influence.curvature!r}")
    if Path(path).suffix != ".npz":
        raise ValueError(f"expected a file named *.npz, got {Path(path).name}")
    if isinstance(block, bool) or not isinstance(block, (int, np.integer)) or block < 1:
        raise ValueError(f"expected block as a whole number of at least 1, got {block!r}")
    influence._follow()
    options, shared = influence._inverse.options, influence.operator
    held = _opened(Path(path), influence, block)
    shift, corrected = options.damping + options.weight_decay, influence.curvature == "ekfac"
    operator: Any = _InBlocks(shared, held, int(block), progress, 1 + corrected)
    fitted = fit_kronecker(operator, influence.loss, shift, corrected, options.seed)
    influence._inverse.__dict__["kronecker"] = operator.as_held(fitted) if corrected else fitted


def _opened(path: Path, influence: Influence, block: int) -> _Held:
    """Return what is held in the file; where one process's is refused, all refuse and none waits for it."""
    shared, data = influence.operator, data_digest(influence.train)
    if not isinstance(shared, ShardedOperator):
        return _Held(path, _about(influence, data, block))
    # Labels of a share depend on how many samples lie before it and on how many there are.
    about = _about(influence, " ".join(shared.gathered(data)), block)
    held, refused = None, None
    try:
        held = _Held(shared.named(path), about)
    except (ValueError, OSError) as error:
        refused = error
    reasons = [reason for reason in shared.gathered(None if refused is None else str(refused)) if reason]
    if refused is not None:
        raise refused
    if held is None or reasons:
        raise ValueError(f"another process refuses its file: {reasons[0]}")
    return held


def _about(influence: Influence, data: str, block: int) -> str:
    seed = influence._inverse.options.seed
    what = parameters_digest(influence), data, influence.loss.described, _LABELS, seed, block
    return " ".join(map(str, what))


class _Held:
    """Sums over the first samples, by name, in a file.

    Args:
        path: of the file.
        about: what they are of.

    Raises:
        ValueError: those in the file are of something else.
    """

    def __init__(self, path: Path, about: str) -> None:
        self.path, self.about = path, about
        self.arrays: dict[str, NDArray[Any]] = {}
        if not path.exists():
            return
        with reading(path, "factors of K-FAC"):
            arrays = read_npz_names(path)
            found = str(arrays.pop("about"))
            self.rows("factors", arrays)
            if not all(np.isfinite(array).all() for array in arrays.values()):
                raise ValueError("expected finite numbers, got a NaN or an infinity")
        if found != about:
            raise ValueError(
                f"the factors in {path.name} are those of other parameters, data, labels or blocks; give "
                "another name"
            )
        self.arrays = arrays

    def rows(self, stage: str, arrays: dict[str, NDArray[Any]] | None = None) -> int:
        """Return how many samples a stage has seen."""
        rows = int((self.arrays if arrays is None else arrays).get(f"{stage} rows", 0))
        if rows < 0:
            raise ValueError(f"expected rows of at least 0, got {rows}")
        return rows

    def get(self, stage: str) -> Floats:
        """Return a stage's arrays in their order."""
        found: Floats = []
        while (name := f"{stage} {len(found)}") in self.arrays:
            found.append(self.arrays[name])
        return found

    def put(self, stage: str, arrays: Sequence[Any], rows: int = 0) -> None:
        """Write a stage's arrays, whole or not at all."""
        self.arrays |= {f"{stage} {i}": np.asarray(array) for i, array in enumerate(arrays)}
        self.arrays[f"{stage} rows"] = np.asarray(rows)
        with replacing(self.path) as file:
            np.savez(file, about=np.asarray(self.about), **self.arrays)  # type: ignore[arg-type]


class _InBlocks:
    """An operator whose sums for Kronecker factors are taken block by block, and held."""

    def __init__(
        self, operator: Any, held: _Held, block: int, progress: OnProgress | None, passes: int
    ) -> None:
        self._shared = operator if isinstance(operator, ShardedOperator) else None
        self._operator = operator if self._shared is None else self._shared.local
        self._held, self._block, self._passes, self._progress = held, block, passes, progress
        self.rows, self.parameters, self.dtype = operator.rows, operator.parameters, operator.dtype
        self.path = operator.path

    @property
    def layers(self) -> list[LayerPlace]:
        places: list[LayerPlace] = self._operator.layers
        return places

    def kronecker_factors(self, labels: Labels) -> Factors:
        """Return K-FAC's factors of each layer."""

        def of(part: Any) -> Floats:
            return [factor for pair in part.kronecker_factors(labels) for factor in pair]

        flat = self._means("factors", of, 0)
        return list(zip(flat[::2], flat[1::2], strict=True))

    def kronecker_eigenvalues(self, labels: Labels, inner: Sequence[Array], outer: Sequence[Array]) -> Floats:
        """Return the mean squares of each layer's gradients, in the bases that are held where some are."""
        if not self._held.get("outer"):  # which are written last
            self._held.put("inner", inner)
            self._held.put("outer", outer)
        bases = self._held.get("inner"), self._held.get("outer")
        if self._shared is not None and not self._shared.is_alike([*bases[0], *bases[1]]):
            raise ValueError(
                f"the processes' files beside {self._held.path.name} were begun apart; remove them all"
            )
        return self._means("values", lambda part: part.kronecker_eigenvalues(labels, *bases), 1)

    def decomposed(self, matrices: Sequence[Floating]) -> list[tuple[Floating, Floating]]:
        """Return eigenvalues and eigenvectors, which several processes share out."""
        return decomposed(matrices) if self._shared is None else self._shared.decomposed(matrices)

    def as_held(self, fitted: KroneckerCurvature) -> KroneckerCurvature:
        """Return EK-FAC's curvature in the bases that its values are of."""
        inner, outer = self._held.get("inner"), self._held.get("outer")
        return KroneckerCurvature(outer, inner, fitted.values, fitted.places, fitted.shift)

    def _means(self, stage: str, of: Callable[[Any], Floats], number: int) -> Floats:
        """Return the means over all samples of what `of` returns for some, weighted with how many."""
        local, begin = self._operator, self._held.rows(stage)
        parts = blocks(local.rows, self._block) or [slice(0, 0)]
        for i, rows in enumerate(parts):
            if rows.stop <= begin and self._held.get(stage):
                continue
            part = local.subset(np.arange(rows.start, rows.stop))
            part.first = rows.start + (0 if self._shared is None else local.first)
            sums = [np.asarray(mean, np.float64) * (rows.stop - rows.start) for mean in of(part)]
            before = self._held.get(stage)
            total = [a + b for a, b in zip(before, sums, strict=True)] if before else sums
            self._held.put(stage, total, rows.stop)
            if self._progress is not None:
                self._progress(number * len(parts) + i + 1, self._passes * len(parts))
        sums = self._held.get(stage)
        if self._shared is not None:
            sums = [self._shared.summed(part) for part in sums]
        return [total / max(self.rows, 1) for total in sums]
