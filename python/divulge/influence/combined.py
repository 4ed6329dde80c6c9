"""Training data in parts: blocks that are converted as they are read, and shards of several processes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.chain import DenseChain
from divulge.influence.losses import Loss, LossFunction
from divulge.influence.native import NativeOperator
from divulge.influence.operators import Array, CurvatureName, Factors, Labels, LayerPlace, Operator, blocks
from divulge.influence.samples import Samples

__all__ = ["BlockwiseOperator", "ShardedOperator"]

# Samples that are converted at a time.
_ROWS = 4096

Means = Callable[[Operator], list[Array]]
Floating = NDArray[np.float64]


class _Combined(ABC):
    """An operator whose samples are those of several: means are weighted, what is a sample's is joined."""

    path: str
    parameters: int
    rows: int
    dtype: np.dtype[Any]
    device: torch.device

    @abstractmethod
    def _means(self, of: Means) -> list[NDArray[np.float64]]:
        """Return the means of arrays over the parts, each weighted with its number of samples."""

    @abstractmethod
    def _joined(self, of: Callable[[Operator], Array]) -> Array:
        """Return arrays (..., n of the part) of the parts, one behind the other."""

    @abstractmethod
    def products(self, kind: CurvatureName, vectors: Tensor) -> Tensor:
        """Return C v (m, P) for vectors (m, P)."""

    def scores(self, vectors: Array) -> Array:
        """Return grad L(z_i) . v_j (m, n) for vectors (m, P)."""
        return self._joined(lambda part: part.scores(vectors))

    def kronecker_factors(self, labels: Labels) -> Factors:
        """Return K-FAC's factors of each layer."""
        flat = self._means(lambda part: [f for pair in part.kronecker_factors(labels) for f in pair])
        return list(zip(flat[::2], flat[1::2], strict=True))

    def kronecker_eigenvalues(
        self, labels: Labels, inner: Sequence[Array], outer: Sequence[Array]
    ) -> list[NDArray[np.float64]]:
        """Return the mean squares (h, d + 1) of each layer's gradients in a basis."""
        return self._means(lambda part: list(part.kronecker_eigenvalues(labels, inner, outer)))

    def kronecker_quadratic(
        self, inner: Sequence[Array], outer: Sequence[Array], weights: Sequence[Array]
    ) -> NDArray[np.float64]:
        """Return the weighted squares (n,) of the losses' gradients in a basis."""
        return self._joined(lambda part: part.kronecker_quadratic(inner, outer, weights)).astype(np.float64)


class BlockwiseOperator(_Combined):
    """A dense chain on the compiled core, whose inputs are converted block by block at each call.

    For inputs in a memory-mapped file in another precision than the module's, bytes for instance. Nothing is
    kept between calls: at any time 4,096 samples are in memory.
    """

    path, device = "native", torch.device("cpu")

    def __init__(self, chain: DenseChain, loss: Loss, samples: Samples) -> None:
        self._chain, self._loss, self._samples = chain, loss, samples
        self._empty = NativeOperator(chain, loss, samples.take(np.zeros(0, np.int64)))
        self.parameters, self.dtype, self.rows = self._empty.parameters, self._empty.dtype, len(samples)
        self.first = 0  # the number of the first sample, where they are a part of the training data

    @property
    def layers(self) -> list[LayerPlace]:
        """The layers, and where their parameters begin."""
        return self._empty.layers

    def products(self, kind: CurvatureName, vectors: Tensor) -> Tensor:
        """Return C v (m, P) for vectors (m, P)."""
        (mean,) = self._means(lambda part: [part.products(kind, vectors).numpy()])
        return torch.from_numpy(mean.astype(self.dtype)).double()

    def gradients(self, samples: Samples, function: LossFunction) -> Array:
        """Return the gradients (k, P) of a function of (outputs, targets) at k samples."""
        return self._empty.gradients(samples, function)

    def loss_gradients(self, rows: NDArray[np.int64]) -> Array:
        """Return the gradients (k, P) of the losses of some of the samples."""
        return self._empty.gradients(self._samples.take(rows), self._loss.function)

    def subset(self, rows: NDArray[np.int64]) -> Operator:
        """Return the operator of some of the samples."""
        return NativeOperator(self._chain, self._loss, self._samples.take(rows))

    def _parts(self) -> Iterator[NativeOperator]:
        for rows in blocks(self.rows, _ROWS):
            part = Samples(self._samples.inputs[rows], self._samples.targets[rows])
            yield NativeOperator(self._chain, self._loss, part, self.first + rows.start)

    def _means(self, of: Means) -> list[NDArray[np.float64]]:
        totals: list[NDArray[np.float64]] = []
        for part in self._parts():
            means = [np.asarray(mean, np.float64) * (part.rows / self.rows) for mean in of(part)]
            totals = [a + b for a, b in zip(totals, means, strict=True)] if totals else means
        return totals

    def _joined(self, of: Callable[[Operator], Array]) -> Array:
        return np.concatenate([of(part) for part in self._parts()], axis=-1)


class ShardedOperator(_Combined):
    """The samples of all processes of torch.distributed's group, of which each holds a share.

    Args:
        local: of this process's share; its `first` becomes the number of samples of the ranks before.

    Attributes:
        local: as given.

    Raises:
        ValueError: torch.distributed is not initialised.
    """

    def __init__(self, local: Any) -> None:
        if not (dist.is_available() and dist.is_initialized()):
            raise ValueError(
                "sharded=True needs torch.distributed; call torch.distributed.init_process_group('gloo') "
                "under torchrun first"
            )
        counts: list[int] = [0] * dist.get_world_size()
        dist.all_gather_object(counts, local.rows)
        self._set(local, counts)

    def _set(self, local: Any, counts: list[int]) -> None:
        """Take the samples of one process, given how many each has."""
        self.local, self._counts, self.rows = local, counts, sum(counts)
        self.path, self.parameters, self.dtype = local.path, local.parameters, local.dtype
        self.device = local.device
        self._first = local.first = sum(counts[: dist.get_rank()])

    @property
    def layers(self) -> list[LayerPlace]:
        """The layers, and where their parameters begin."""
        places: list[LayerPlace] = self.local.layers
        return places

    def products(self, kind: CurvatureName, vectors: Tensor) -> Tensor:
        """Return C v (m, P) for vectors (m, P), summed over the processes where they are."""
        total: Tensor = self.local.products(kind, vectors) * (self.local.rows / max(self.rows, 1))
        dist.all_reduce(total)
        precision = torch.float32 if self.dtype == np.float32 else torch.float64
        return total.to(precision).double()

    def gradients(self, samples: Samples, function: LossFunction) -> Array:
        """Return the gradients (k, P) of a function of (outputs, targets) at k samples."""
        gradients: Array = self.local.gradients(samples, function)
        return gradients

    def loss_gradients(self, rows: NDArray[np.int64]) -> Array:
        """Return the gradients (k, P) of the losses of some of the samples, of whichever process."""
        return self._gathered(rows, self.local.loss_gradients, 0)

    def input_gradients(self, rows: NDArray[np.int64], vectors: Array) -> Array:
        """Return d/dx (v_j . grad_theta L(x_i)) (m, k, *shape) at k samples, for vectors (m, P)."""
        return self._gathered(rows, lambda mine: self.local.input_gradients(mine, vectors), 1)

    def position_scores(self, rows: NDArray[np.int64], vectors: Array) -> Array:
        """Return grad L_t(z_i) . v_j (m, k, *positions) at k samples, for vectors (m, P)."""
        return self._gathered(rows, lambda mine: self.local.position_scores(mine, vectors), 1)

    def subset(self, rows: NDArray[np.int64]) -> ShardedOperator:
        """Return the operator of some of the samples."""
        mine = rows[self._is_mine(rows)]
        owners = np.searchsorted(np.cumsum(self._counts), rows, side="right")
        part: ShardedOperator = object.__new__(ShardedOperator)
        part._set(
            self.local.subset(mine - self._first),
            np.bincount(owners, minlength=len(self._counts)).tolist(),
        )
        return part

    def decomposed(self, matrices: Sequence[Floating]) -> list[tuple[Floating, Floating]]:
        """Return the eigenvalues and eigenvectors of symmetric matrices, of which each process takes some."""
        found = []
        for i, matrix in enumerate(matrices):
            own = i % len(self._counts) == dist.get_rank()
            values, vectors = (
                np.linalg.eigh(matrix) if own else (np.zeros(len(matrix)), np.zeros_like(matrix))
            )
            found.append((values, vectors))
        return [(_summed(values), _summed(vectors)) for values, vectors in found]

    def summed(self, array: Floating) -> Floating:
        """Return an array's sum over the processes."""
        return np.asarray(_summed(array), np.float64)

    def dense_hessian(self) -> Floating | None:
        """Return the whole Hessian (P, P), valid in its lower triangle, where it is that of one layer."""
        if not isinstance(self.local, NativeOperator) or self.local.depth != 1:
            return None
        return self.summed(self.local.core.dense_hessian() * (self.local.rows / max(self.rows, 1)))

    def is_alike(self, arrays: Sequence[Array]) -> bool:
        """Whether all processes hold the same numbers."""
        digest = sha256(b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)).hexdigest()
        return len(set(self.gathered(digest))) == 1

    def gathered(self, value: Any) -> list[Any]:
        """Return what each process gives, in the order of their ranks."""
        held: list[Any] = [None] * len(self._counts)
        dist.all_gather_object(held, value)
        return held

    def named(self, path: Path) -> Path:
        """Return the name of this process's file beside those of the others."""
        return path.with_suffix(f".{dist.get_rank()}-of-{len(self._counts)}{path.suffix}")

    def _is_mine(self, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
        mine: NDArray[np.bool_] = (rows >= self._first) & (rows < self._first + self.local.rows)
        return mine

    def _gathered(
        self, rows: NDArray[np.int64], of: Callable[[NDArray[np.int64]], Array], axis: int
    ) -> Array:
        """Return what `of` returns for each row, from the process that holds it."""
        mine = self._is_mine(rows)
        part = of(rows[mine] - self._first)
        shape = (*part.shape[:axis], len(rows), *part.shape[axis + 1 :])
        out = np.zeros(shape, part.dtype)
        out[(slice(None),) * axis + (mine,)] = part
        return np.asarray(_summed(out))

    def _means(self, of: Means) -> list[NDArray[np.float64]]:
        share = self.local.rows / max(self.rows, 1)
        return [_summed(np.asarray(mean, np.float64) * share) for mean in of(self.local)]

    def _joined(self, of: Callable[[Operator], Array]) -> Array:
        local = of(self.local)
        own = np.zeros((*local.shape[:-1], max(self._counts)), local.dtype)
        own[..., : self.local.rows] = local
        tensor = torch.from_numpy(own)
        parts = [torch.empty_like(tensor) for _ in self._counts]
        dist.all_gather(parts, tensor)
        pairs = zip(parts, self._counts, strict=True)
        return np.concatenate([part.numpy()[..., :count] for part, count in pairs], axis=-1)


def _summed(array: Any) -> Any:
    """Return the sum over the processes, the same in each."""
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    dist.all_reduce(tensor)
    return tensor.numpy()
