"""Gradients of layers anywhere in a module, in the factors that K-FAC is made of."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from divulge.influence.layer_calls import Call, gram, in_strips, recorded
from divulge.influence.layer_check import calibrate
from divulge.influence.layer_groups import LayerGroup, layer_groups
from divulge.influence.layer_products import Directions, Turn, layer_matrix, mixed_factors, put
from divulge.influence.layer_rules import is_elementwise
from divulge.influence.operators import Array, Factors
from divulge.influence.parts import rows_of
from divulge.influence.patches import strip_order
from divulge.influence.seen import Rows, Seen, outer
from divulge.influence.snapshot import Snapshot

__all__ = ["Batches", "LayerGradients"]

# Inputs (k, *shape), and from the outputs on them to cotangents (k, ...), those of each label of their size.
Batches = Iterable[tuple[Any, Callable[[Tensor], Tensor]]]
Floats = list[NDArray[np.float64]]
# In a layer's gradients of a batch on a device.
_NUMBERS = 1 << 24
# In a layer's gradients of a batch: fewer calls than of half as many, less memory than of twice as many.
_TOGETHER = 1 << 21
# In what all layers see and return for a batch, patches whole: 128 MB of single precision.
_MOST_SEEN = 1 << 25
# Samples in a batch where a layer is large: of one alone a layer of 784 x 1024 takes three times as long.
_FEWEST_TOGETHER = 8
# Delta (k, T, h); of a table that is multiplied by, also what that saw (k, T, h) and its delta (k, T, d).
Returned = tuple[Tensor, tuple[Tensor, Tensor] | None]
# What comes back of each group for each label.
Passes = Iterator[list[Returned]]


class LayerGradients:
    """A layer's gradient for one sample is the sum over its T positions of delta_t (a_t, 1)'.

    Positions are those of an image that a convolution visits (a_t is the patch there), the other axes of a
    Linear's input, the calls of a layer, and the layers that share its weight. The factors are those of K-FAC
    for convolutions (Grosse & Martens 2016): the mean over samples of sum_t (a_t, 1)(a_t, 1)', and of the
    mean over t of delta_t delta_t'. Which axis of an input is that of the samples is found out on a few of
    them, whose gradients are compared with autograd's. A table that rows are looked up in and that is
    multiplied by, as in a tied output, has both products in its gradient.

    Args:
        snapshot: the module and the parameters in question.
        run: from inputs to outputs.
        probe: inputs (k, *shape) of a few samples.

    Attributes:
        places: of the layers' parameters.
        together: samples in a batch at most, for speed.
        together_in_sums: the same for `factors`, which keep no patches.

    Raises:
        ValueError: a parameter that belongs to a layer without a rule, see `layer_groups`; gradients that are
            not such sums.
    """

    def __init__(self, snapshot: Snapshot, run: Callable[[Any], Tensor], probe: Any) -> None:
        self._run = run
        self._groups = layer_groups(snapshot.module, snapshot.names, snapshot.tensors)
        self.places = [group.place for group in self._groups]
        largest = max(h * (d + 1) for h, d, *_ in self.places)
        numbers = _TOGETHER if snapshot.device.type == "cpu" else _NUMBERS
        found = calibrate(self._groups, snapshot, run, probe) if rows_of(probe) else ([], 1, 1)
        self._axes, *held = found
        self.together, self.together_in_sums = (
            max(_FEWEST_TOGETHER, min(numbers // largest, _MOST_SEEN // seen)) for seen in held
        )
        self._orders = {
            i: strip_order(group.layers[0], bias=group.place.bias is not None)
            for i, group in enumerate(self._groups)
            if group.kind == "convolution"
        }
        pairs = zip(self._groups, self._axes, strict=False)  # of no samples there are no axes
        self._strips = {i for i, pair in enumerate(pairs) if in_strips(*pair)}

    def factors(self, batches: Batches, rows: int) -> Factors:
        """Return K-FAC's factors of each layer.

        Args:
            batches: see `Batches`.
            rows: n, all samples.
        """
        inner = [np.zeros((d + (b is not None),) * 2) for _, d, _, b, _ in self.places]
        outer = [np.zeros((h, h)) for h, *_ in self.places]
        tables = {
            i: (np.zeros((d, d)), np.zeros((h, h)))
            for i, (group, (h, d, *_)) in enumerate(zip(self._groups, self.places, strict=True))
            if group.kind == "embedding"
        }
        for calls, k, _, passes in self._called(batches, sums=True):
            for total, group, made in zip(inner, self._groups, calls, strict=True):
                for call in _looked_up(group, made):
                    total += _double(call.gram(k))
            for number, returned in enumerate(passes):
                for total, (delta, _) in zip(outer, returned, strict=True):
                    total += _double(gram(delta)) / delta.shape[1]
                for i, (back, seen) in tables.items():
                    head = returned[i][1]
                    if head is not None:
                        back += _double(gram(head[1]))
                        seen += _double(gram(head[0])) / head[0].shape[1] if number == 0 else 0.0
        for i, order in self._orders.items():
            back = order.argsort().numpy()
            inner[i] = inner[i][back[:, None], back]
        n = max(rows, 1)
        for total in (*inner, *outer):
            total /= n
        factors = list(zip(inner, outer, strict=True))
        for i, (back, seen) in tables.items():
            factors[i] = mixed_factors(factors[i], (back / n, seen / n))
        return factors

    def eigenvalues(
        self, batches: Batches, rows: int, inner: Sequence[Array], outer: Sequence[Array]
    ) -> Floats:
        """Return the mean over samples of the sum over labels of (U' G V)^2 of each layer."""
        totals = [np.zeros((len(u), len(v))) for u, v in zip(outer, inner, strict=True)]
        for turned in self.turned(batches, inner, outer):
            for total, part in zip(totals, turned, strict=True):
                total += part.square_().sum(0).double().cpu().numpy()
        return [total / max(rows, 1) for total in totals]

    def quadratic(
        self, batches: Batches, inner: Sequence[Array], outer: Sequence[Array], weights: Sequence[Array]
    ) -> NDArray[np.float64]:
        """Return (n,): the sum over layers of weights (U' G V)^2, G the gradients along the cotangents."""
        parts = [np.zeros(0)]
        held = [torch.from_numpy(np.asarray(weight)).flatten() for weight in weights]
        for turned in self.turned(batches, inner, outer):
            sums = [
                part.flatten(1).double().cpu().square_() @ weight
                for part, weight in zip(turned, held, strict=True)
            ]
            parts.append(torch.stack(sums).sum(0).numpy())
        return np.concatenate(parts)

    def write(self, batches: Batches, out: Tensor) -> None:
        """Write the batches' gradients along their cotangents to out (n, P), on the processor."""
        begin = 0
        for inputs, _, passes in self._passes(batches):
            for returned in passes:
                stop = begin + len(returned[0][0])
                for i, (delta, head) in enumerate(returned):
                    matrix = outer(inputs[i], delta)
                    if i in self._strips:
                        matrix = matrix[:, :, self._orders[i].argsort().to(matrix.device)]
                    whole = matrix if head is None else matrix + head[0].mT @ head[1]
                    put(out[begin:stop], self.places[i], whole)
                begin = stop

    def products(self, batches: Batches, vectors: Tensor) -> Iterator[Tensor]:
        """Yield G . v (m, k) for vectors (m, P) and each batch's gradients along its cotangents."""
        held: list[Directions] = []
        heads: dict[int, Directions] = {}
        for inputs, _, passes in self._passes(batches):
            if not held:
                held, heads = self._directions(vectors.to(inputs[0].like), inputs)
            for returned in passes:
                total = vectors.new_zeros(())
                for i, (delta, head) in enumerate(returned):
                    total = total + held[i].along(delta, inputs[i])
                    if head is not None:
                        total = total + heads[i].along(head[0], Rows(head[1]))
                yield total.T

    def _directions(
        self, vectors: Tensor, seen: list[Seen]
    ) -> tuple[list[Directions], dict[int, Directions]]:
        """Return each layer's part of vectors (m, P), and that of a table as it is multiplied by."""
        held, heads = [], {}
        for i, place in enumerate(self.places):
            part = layer_matrix(vectors, place)
            held.append(Directions(self._as_seen(i, part.mT).mT, bias=seen[i].bias))
            if self._groups[i].kind == "embedding":
                heads[i] = Directions(part, bias=False)
        return held, heads

    def turned(
        self, batches: Batches, inner: Sequence[Array], outer: Sequence[Array]
    ) -> Iterator[Iterator[Tensor]]:
        """Yield U' G V of each layer, one by one, for each batch and label; U (h, ...) and V (d + 1, ...)."""
        bases: list[tuple[Tensor, Tensor]] = []
        for inputs, labels, passes in self._passes(batches):
            bases = bases or [
                (torch.as_tensor(u).to(a.like), self._as_seen(i, torch.as_tensor(v).to(a.like)))
                for i, (a, u, v) in enumerate(zip(inputs, outer, inner, strict=True))
            ]
            turns = [Turn(a, *base, labels) for a, base in zip(inputs, bases, strict=True)]
            for returned in passes:
                yield (turn.of(*back) for turn, back in zip(turns, returned, strict=True))

    def _as_seen(self, i: int, v: Tensor) -> Tensor:
        """Return v (..., d + 1, m) of a group in the order in which it holds what it saw."""
        return v.index_select(-2, self._orders[i].to(v.device)) if i in self._strips else v

    def _passes(self, batches: Batches) -> Iterator[tuple[list[Seen], int, Passes]]:
        """Yield each batch's (a, 1) of each layer, its labels, and what comes back for each."""
        for calls, k, labels, passes in self._called(batches, sums=False):
            yield (
                [_seen(group, made, k) for group, made in zip(self._groups, calls, strict=True)],
                labels,
                passes,
            )

    def _called(self, batches: Batches, *, sums: bool) -> Iterator[tuple[list[list[Call]], int, int, Passes]]:
        """Yield each batch's calls of each group, how many samples and labels it has, and what comes back."""
        for inputs, cotangents_of in batches:
            k = rows_of(inputs)
            with recorded(self._groups, k, self._axes, sums=sums) as calls:
                outputs = self._run(inputs)
            for group, axes, made in zip(self._groups, self._axes, calls, strict=True):
                if len(made) != len(axes):
                    raise ValueError(
                        "kfac and ekfac need a layer to be called as often for each batch, "
                        f"{group.names[0]!r} was called {len(made)} times and {len(axes)} times before"
                    )
            cotangents = cotangents_of(outputs.detach())
            labels = cotangents.shape[1] // outputs[0].numel()
            yield calls, k, labels, self._deltas(outputs, cotangents, calls, k)

    def _deltas(
        self, outputs: Tensor, cotangents: Tensor, calls: list[list[Call]], k: int
    ) -> Iterator[list[Returned]]:
        edges: Any = [call.edge for made in calls for call in made]
        labels = torch.split(cotangents, outputs[0].numel(), dim=1)
        for number, label in enumerate(labels, 1):
            along, kept = label.reshape(outputs.shape), number < len(labels)
            grads = iter(torch.autograd.grad(outputs, edges, along, retain_graph=kept, allow_unused=True))
            yield [
                _returned(group, [(call, call.delta_rows(next(grads), k)) for call in made], k)
                for group, made in zip(self._groups, calls, strict=True)
            ]


def _returned(group: LayerGroup, made: list[tuple[Call, Tensor]], k: int) -> Returned:
    """Return delta of a group's calls; of a table that is multiplied by, too, what it saw and its delta."""
    looked = [delta for call, delta in made if not call.as_head]
    heads = [(call.rows_seen(k), delta) for call, delta in made if call.as_head]
    pair = [_joined(list(parts), group) for parts in zip(*heads, strict=True)] if heads else None
    return _joined(looked, group), None if pair is None else (pair[0], pair[1])


def _looked_up(group: LayerGroup, made: list[Call]) -> list[Call]:
    """Return the calls whose inputs the second factor is of; of a scale or a shift any one."""
    looked = [call for call in made if not call.as_head]
    return looked[:1] if is_elementwise(group.kind) else looked


def _seen(group: LayerGroup, made: list[Call], k: int) -> Seen:
    """Return what the layers of a group saw, the calls one behind the other."""
    calls = _looked_up(group, made)
    return calls[0].in_products(k) if len(calls) == 1 else Rows(_joined([c.inner(k) for c in calls], group))


def _joined(parts: list[Tensor], group: LayerGroup) -> Tensor:
    """Return (k, T, d) of several calls as the positions of one; of a scale or shift the sum of all."""
    if is_elementwise(group.kind) and len(parts) > 1:
        return torch.stack(parts).sum(0)
    return parts[0] if len(parts) == 1 else torch.cat(parts, dim=1)


def _double(x: Tensor) -> NDArray[np.float64]:
    found: NDArray[np.float64] = x.double().cpu().numpy()
    return found
