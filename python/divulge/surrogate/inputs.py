"""What a copy's maker asks about."""

from __future__ import annotations

import torch
from torch import Tensor

from divulge.datasets import Dataset
from divulge.names import QUERIES

_BASIS = 2000  # inputs whose combinations stand for the data's covariance
_SPREAD_OF = 6000  # inputs of which those that are spread are chosen
_SPREAD = 1000  # as many are spread at most; the others are drawn at random
_AXES = 30  # principal axes along which distances are taken
_ROUNDS = 30  # of Lloyd's iteration


class Inputs:
    """Draws queries: the data themselves, Gaussian inputs like them, or by turns one and the other.

    Few data drawn at random leave gaps; "spread" takes by turns Gaussian inputs and those of the data that
    are nearest to the centres of k-means with as many centres, along the data's principal axes.

    A Gaussian input is mean + sum_i e_i (x_i - mean) / sqrt(m) over m of the data, e standard normal: normal
    with the data's mean and covariance. It lies between and beyond the images of several classes, where the
    top logit is not the one it would be for an image, so that its gradients show more.

    Args:
        data: shape (n, d), or None: Gaussian inputs are standard normal then.
        input_size: d.
        kind: "data", "gaussian", "mixed" or "spread".
        box: None, or (low, high), each of shape (d,): inputs are clipped to it.
        generator: of every draw.
        table: whose rows inputs are brought to; what may not change keeps the values of a row.

    Raises:
        ValueError: there is no such kind, or no data where they are needed.
    """

    def __init__(
        self,
        data: Tensor | None,
        input_size: int,
        kind: str,
        box: tuple[Tensor, Tensor] | None,
        generator: torch.Generator,
        table: Dataset | None = None,
    ) -> None:
        if kind not in QUERIES:
            raise ValueError(f"expected inputs of the kind {', '.join(QUERIES)}, got {kind!r}")
        if data is None and kind != "gaussian":
            raise ValueError(f'queries of the kind "{kind}" need data=, inputs like those the victim is for')
        self.data = data
        self.input_size = input_size
        self.kind = kind
        self.box = box
        self.generator = generator
        self.table = table
        columns = () if table is None else table.columns
        self._fixed = [i for i, column in enumerate(columns) if not column.may_change]
        self._order = torch.zeros(0, dtype=torch.long)
        if data is not None:
            chosen = data[self._shuffled()[:_BASIS]]
            self._mean = chosen.mean(dim=0)
            self._basis = (chosen - self._mean) / len(chosen) ** 0.5

    def draw(self, n: int) -> Tensor:
        """Return the next n queries, shape (n, d)."""
        if self.kind == "data":
            points = self._images(n)
        elif self.kind == "gaussian":
            points = self._gaussian(n)
        else:
            half = n - n // 2
            few = self.data is not None and half <= min(_SPREAD, len(self.data))
            images = self._spread(half) if self.kind == "spread" and few else self._images(half)
            points = torch.stack([self._gaussian(half), images], dim=1)
            points = points.reshape(-1, self.input_size)[:n]
        if self.table is not None:
            points = torch.from_numpy(self.table.snap(points.numpy()))
        return points if self.box is None else torch.clamp(points, *self.box)

    def _images(self, n: int) -> Tensor:
        """Return the next n of the data in random order; when all were had, in another order again."""
        assert self.data is not None
        while len(self._order) < n:
            self._order = torch.cat([self._order, self._shuffled()])
        chosen, self._order = self._order[:n], self._order[n:]
        return self.data[chosen]

    def _spread(self, n: int) -> Tensor:
        """Return n of the data, the nearest to each centre of k-means, in random order."""
        assert self.data is not None
        some = self.data[self._shuffled()[: max(n, _SPREAD_OF)]]
        axes = torch.linalg.svd(self._basis, full_matrices=False)[2][:_AXES]
        places = (some - self._mean) @ axes.T
        centres = places[:n].clone()  # they are in random order
        for _ in range(_ROUNDS):
            nearest = torch.cdist(places, centres).argmin(dim=1)
            sums = torch.zeros_like(centres).index_add_(0, nearest, places)
            members = torch.bincount(nearest, minlength=n)[:, None]
            centres = torch.where(members > 0, sums / members.clamp(min=1), centres)
        return some[torch.cdist(centres, places).argmin(dim=1)]

    def _gaussian(self, n: int) -> Tensor:
        """Return n inputs with the data's mean and covariance."""
        if self.data is None:
            return torch.randn(n, self.input_size, generator=self.generator, dtype=torch.float64)
        noise = torch.randn(n, len(self._basis), generator=self.generator, dtype=self._basis.dtype)
        points = torch.addmm(self._mean, noise, self._basis)
        if self._fixed:
            rows = torch.randint(len(self.data), (n,), generator=self.generator)
            points[:, self._fixed] = self.data[rows][:, self._fixed]
        return points

    def _shuffled(self) -> Tensor:
        """The numbers of all data in random order."""
        assert self.data is not None
        return torch.randperm(len(self.data), generator=self.generator)
