"""A store's rows in an index of FAISS, asked for those of largest score."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from divulge.influence.gradient_store import GradientStore
from divulge.influence.influence import Influence
from divulge.influence.losses import LossFunction
from divulge.influence.operators import Array
from divulge.influence.ranking import Ranking

__all__ = ["NearestRows"]


class NearestRows:
    """What `GradientStore.top_k` returns, from an index of FAISS that holds the store's rows.

    Scores are inner products, -(A^-1 g_t)' g_i, so that those of largest influence are the nearest neighbours
    of A^-1 g_t and of its negative.

    Args:
        store: whose rows are added, in single precision and in memory.
        damping: as in `GradientStore.scores`.
        unit: likewise.
        index: an empty index of FAISS for inner products, trained on the rows where it asks for that; by
            default IndexFlatIP, which compares with all rows and is exact. One that searches in a part, as
            IndexIVFFlat does, may miss some.

    Attributes:
        index: of FAISS, with the store's rows.

    Raises:
        ImportError: FAISS is not installed.
        ValueError: an empty store, damping below 0, or an index of another width or metric, or that is not
            empty.
    """

    def __init__(
        self, store: GradientStore, *, damping: float | None = 0.1, unit: bool = False, index: Any = None
    ) -> None:
        try:
            import faiss
        except ImportError as error:
            raise ImportError("an index of FAISS needs it: pip install 'divulge[faiss]'") from error
        if not isinstance(store, GradientStore):
            raise TypeError(f"expected a GradientStore, got {type(store).__name__}")
        store._files.refresh()
        if not store.rows:
            raise ValueError(f"the store in {store.folder.name} holds no samples yet")
        self._store, self._inverted, self._unit = store, store._inverted(damping), unit
        width = store._files.index.columns
        self.index = faiss.IndexFlatIP(width) if index is None else index
        if self.index.d != width or self.index.metric_type != faiss.METRIC_INNER_PRODUCT or self.index.ntotal:
            raise ValueError(
                f"expected an empty index for inner products of {width} numbers, got one of {self.index.d} "
                f"with {self.index.ntotal} rows and the metric {self.index.metric_type}"
            )
        self._fill()

    def _fill(self) -> None:
        if not self.index.is_trained:
            self.index.train(np.concatenate(list(self._rows())))
        for rows in self._rows():
            self.index.add(rows)

    def _rows(self) -> Any:
        for _, held, lengths in self._store._held(self._inverted, self._unit):
            yield np.ascontiguousarray(held * lengths[:, None], np.float32)

    def top_k(
        self, influence: Influence, test: Any, k: int = 10, of: str | LossFunction | None = None
    ) -> Ranking:
        """Return the k most helpful and most harmful samples of each test point that the index finds.

        Raises:
            ValueError: as `GradientStore.top_k`; samples were appended since; an index that finds fewer
                than k.
        """
        asked = self._store._asked(influence, test, of)
        if self._store.rows != self.index.ntotal:
            raise ValueError(
                f"the store has {self._store.rows} samples, its index {self.index.ntotal}; make it anew"
            )
        if isinstance(k, bool) or k not in range(1, self.index.ntotal + 1):
            raise ValueError(f"expected a whole k from 1 to {self.index.ntotal}, got {k!r}")
        queries, sizes = self._store._queries(asked, self._inverted, self._unit)
        helpful, harmful = self._found(queries, k), self._found(-queries, k)
        return Ranking(helpful[0], -helpful[1] * sizes, harmful[0], harmful[1] * sizes)

    def _found(self, queries: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], Array]:
        """Return rows (m, k) with the largest inner products, and these."""
        products, rows = self.index.search(queries, k)
        if (rows < 0).any():
            raise ValueError(
                f"the index finds fewer than {k} samples for some test points; let it search in more lists "
                "(nprobe), or ask for fewer"
            )
        return rows, products
