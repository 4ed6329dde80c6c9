"""Active sides of the last known layer, its pooling, and the kernel behind it, from kinks of the next layer.

At a kink of the next layer the jump is a combination of the features that are on. With a channel turned the
wrong way, or the wrong pooling, no combination fits; with all right one does, to rounding. Nothing is asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from divulge.arrays import Array, Index
from divulge.reconstruction.convolutional.geometry import unit_box
from divulge.reconstruction.convolutional.layers import ConvLayer, Pool, Prefix
from divulge.reconstruction.convolutional.linearised import Moving, activated, convolved, moving, turned_over
from divulge.reconstruction.convolutional.patches import box_of
from divulge.reconstruction.convolutional.walk import Kink
from divulge.reconstruction.convolutional.window import Origin, Shown, pixels, shown
from divulge.reconstruction.settings import CONV_POOLING, CONV_SIDES, TINY


@dataclass(frozen=True)
class Frame:
    """What is behind a layer, as it is supposed.

    Attributes:
        pool: of the layer.
        kernel: of the next layer, over pooled features.
        whole: whether that covers all of them: the next layer is dense.
    """

    pool: Pool | None
    kernel: tuple[int, int]
    whole: bool = False


@dataclass(frozen=True)
class Sides:
    """What was read.

    Attributes:
        layer: the last known layer, its sides and pooling set.
        frame: what is behind it.
        residual: of the kinks used.
    """

    layer: ConvLayer
    frame: Frame
    residual: float


def both_sides(prefix: Prefix, layer: ConvLayer, point: Array, some: Index | None = None) -> Moving:
    """Return the features (2c, H', W') at a point (d,) of the last layer turned either way.

    Args:
        prefix: all layers.
        layer: the last one, as it is supposed.
        point: an input.
        some: numbers of it that change, all where None.
    """
    z = convolved(layer, moving(prefix, point, len(prefix.layers) - 1, some))
    up, down = activated(layer, z), activated(layer, turned_over(layer, z))
    return Moving(torch.cat([up.maps, down.maps]), torch.cat([up.slopes, down.slopes], 1))


def frames(prefix: Prefix, extents: tuple[int, int]) -> list[Frame]:
    """Return what may be behind the last layer whose units are seen together in windows of so many."""
    layer, (_, height, width) = prefix.layers[-1], prefix.unit_shape(len(prefix.layers) - 1)
    pools: list[Pool | None] = [layer.pool]
    if layer.pool is None:
        pools = [Pool("avg", size, stride) for size, stride in CONV_POOLING.average_windows] + [None]
    found = []
    for pool in pools:
        size, stride = (1, 1) if pool is None else (pool.size, pool.stride)
        steps = [extent - size for extent in extents]
        if min(steps) >= 0 and not any(step % stride for step in steps):
            kernel = (steps[0] // stride + 1, steps[1] // stride + 1)
            maps = (height, width) if pool is None else (pool.out(height), pool.out(width))
            found.append(Frame(pool, kernel, kernel == maps))
    return found


def extents_of(prefix: Prefix, kinks: Sequence[Kink]) -> list[tuple[int, int]]:
    """Return how many units, rows and columns, the kinks of the next layer see, the likeliest first.

    Features that are off hide parts of a window, so that among sizes seen often the largest counts; what is
    seen seldom is two kinks in one.
    """
    counts: Counter[tuple[int, int]] = Counter()
    for kink in kinks:
        (top, bottom), (left, right) = unit_box(prefix, len(prefix.layers), box_of(kink, prefix.shape))
        counts[(int(bottom - top) + 1, int(right - left) + 1)] += 1
    least = max(CONV_SIDES.twice, CONV_SIDES.often * max(counts.values(), default=0))
    often = [size for size, count in counts.items() if count >= least and min(size) > 0]
    return sorted(often, key=lambda size: (-size[0] * size[1], -counts[size]))


def origin_of(prefix: Prefix, depth: int, frame: Frame, kink: Kink) -> Origin | None:
    """Return where the window begins of which a kink shows all, or None where it shows a part."""
    size, stride = (1, 1) if frame.pool is None else (frame.pool.size, frame.pool.stride)
    found = []
    box = unit_box(prefix, depth, box_of(kink, prefix.shape))
    for (first, last), kernel in zip(box, frame.kernel, strict=True):
        if last - first != (kernel - 1) * stride + size - 1 or first % stride:
            return None
        found.append(int(first) // stride)
    return Origin(*found)


def origins_around(prefix: Prefix, depth: int, frame: Frame, kink: Kink) -> list[Origin]:
    """Return where windows may begin of which a kink shows a part, windows over padding among them."""
    size, step = (1, 1) if frame.pool is None else (frame.pool.size, frame.pool.stride)
    maps = prefix.map_shape(depth)[1:]
    sides = []
    box = unit_box(prefix, depth, box_of(kink, prefix.shape))
    for (first, last), kernel, length in zip(box, frame.kernel, maps, strict=True):
        lowest = int(np.ceil((last - size + 1) / step)) - kernel + 1
        highest = int(np.floor(first / step))
        sides.append(range(max(lowest, 1 - kernel), min(highest, length - 1) + 1))
    return [Origin(row, column) for row in sides[0] for column in sides[1]]


def origin_at_edge(prefix: Prefix, depth: int, frame: Frame, kink: Kink) -> Origin | None:
    """Return where the window begins of which a kink shows all that lies in the map, by the layer's grid."""
    size, step = (1, 1) if frame.pool is None else (frame.pool.size, frame.pool.stride)
    layer, maps = prefix.layers[depth], prefix.map_shape(depth)[1:]
    found = []
    box = unit_box(prefix, depth, box_of(kink, prefix.shape))
    for seen, kernel, length, stride, padding in zip(
        box, frame.kernel, maps, layer.stride, layer.padding, strict=True
    ):
        fitting = []
        for origin in range(-padding, length + padding - kernel + 1, stride):
            first, last = max(origin, 0), min(origin + kernel, length) - 1
            if seen == (first * step, last * step + size - 1):
                fitting.append(origin)
        if len(fitting) != 1:
            return None
        found += fitting
    return Origin(*found)


class SideSearch:
    """Sides of channels under one supposition of what is behind them."""

    def __init__(self, prefix: Prefix, frame: Frame, kinks: Sequence[Kink]) -> None:
        self.layer = replace(prefix.layers[-1], pool=frame.pool)
        self.frame = frame
        depth, all_of_it = len(prefix.layers), Origin(0, 0)
        origins = [
            (kink, all_of_it if frame.whole else origin_of(prefix, depth, frame, kink)) for kink in kinks
        ]
        self.prefix = prefix
        self.usable = [(kink, origin) for kink, origin in origins if origin is not None]
        self.blocks: list[tuple[Array, Array]] = []
        self.slope = 0.0
        self.memory: dict[tuple[float, bytes], tuple[Array, Array]] = {}
        self._takes_more()

    @property
    def either_way(self) -> bool:
        """Whether channels that are cut off above explain the same turned over: not if the largest counts."""
        return self.layer.pool is None or self.layer.pool.kind == "avg"

    def _takes_more(self) -> bool:
        """Take some more of the kinks; False where none are left, or enough were taken."""
        taken = len(self.blocks)
        more = self.usable[: CONV_SIDES.most][taken : taken + CONV_SIDES.at_once]
        for kink, origin in more:
            both = both_sides(self.prefix, self.layer, kink.point)
            self.blocks.append(self._block(shown(both, kink, origin, self.frame.kernel)))
        self.memory = {}
        return bool(more)

    def _block(self, view: Shown) -> tuple[Array, Array]:
        """Gradients (2, c, window, pixels) of features turned either way, and the kink's normal (pixels,)."""
        at = pixels(view.rows, view.kink)
        rows = view.rows[:, at].reshape(2, len(self.layer), -1, len(at))
        return rows, view.kink.jump[at] / np.linalg.norm(view.kink.jump)

    def residuals(self, signs: Array) -> tuple[Array, Array]:
        """Return every kink's residual, and its equations more than unknowns, shape (m,) each."""
        key = self.slope, (signs > 0).tobytes()
        if key not in self.memory:
            found = [residual(rows, normal, signs, self.slope) for rows, normal in self.blocks]
            left = np.array([np.linalg.norm(rest) for rest, _ in found])
            self.memory[key] = left, np.array([margin for _, margin in found])
        return self.memory[key]

    def refine(self, signs: Array) -> None:
        """Take the slope of leaky units that leaves least of the kinks, by Gauss and Newton's steps."""
        pooled = self.layer.pool is not None and self.layer.pool.kind == "max"
        left = self.residuals(signs)[0]
        single = [
            self.blocks[i] for i in np.argsort(left)[: len(left) // 2 + 1]
        ]  # two kinks in one fit worse
        for _ in range(0 if pooled else CONV_SIDES.newton):
            here, there = (
                np.concatenate([residual(rows, normal, signs, slope)[0] for rows, normal in single])
                for slope in (self.slope, self.slope + CONV_SIDES.difference)
            )
            change = (there - here) / CONV_SIDES.difference
            step = float(here @ change) / max(float(change @ change), TINY)
            self.slope = float(np.clip(self.slope - step, 0.0, CONV_SIDES.steepest))
            if abs(step) <= CONV_SIDES.difference**2:
                break

    def cost(self, signs: Array) -> float:
        """Sum of squares of the residuals."""
        return float((self.residuals(signs)[0] ** 2).sum())

    def descend(self, signs: Array, rng: np.random.Generator) -> Array:
        """Turn channels one by one while that lowers the cost."""
        best, better = self.cost(signs), True
        while better:
            better = False
            for channel in rng.permutation(len(signs)):
                turned = np.where(np.arange(len(signs)) == channel, -signs, signs)
                cost = self.cost(turned)
                if cost < best:
                    signs, best, better = turned, cost, True
        return signs

    def run(self, rng: np.random.Generator, tolerance: float) -> Sides | None:
        """Return sides under which kinks are explained, each of them needed; None where there are none.

        More kinks are taken where these are explained, but need not all sides: a depthwise one needs one.
        """
        if len(self.blocks) < CONV_SIDES.twice:
            return None
        for _ in range(CONV_SIDES.starts):
            self.slope = 0.0
            signs = self.descend(rng.choice([-1.0, 1.0], len(self.layer)), rng)
            if not self.explain(signs, tolerance):
                self.refine(signs)
            while self.explain(signs, tolerance) and not self.proven(signs, tolerance) and self._takes_more():
                signs = self.descend(signs, rng)
            if self.proven(signs, tolerance):
                slope = self.slope if self.slope > tolerance else 0.0
                signs = np.where(self.layer.ended & self.either_way, self.layer.nearer, signs)
                layer = replace(self.layer, signs=signs, slope=slope)
                return Sides(layer, self.frame, float(np.median(self.residuals(signs)[0])))
        return None

    def explain(self, signs: Array, tolerance: float) -> bool:
        """Whether sides explain most kinks."""
        left, margins = self.residuals(signs)
        return bool(2 * ((left <= tolerance) & (margins > 0)).sum() > len(left))

    def proven(self, signs: Array, tolerance: float) -> bool:
        """Whether most kinks are explained, by more than chance, and not with any one channel turned."""
        left, margins = self.residuals(signs)
        good = left <= tolerance
        if 2 * good.sum() <= len(left) or margins[good].sum() < len(signs) + CONV_SIDES.margin:
            return False
        for channel in np.flatnonzero(~(self.layer.ended & self.either_way)):
            turned = np.where(np.arange(len(signs)) == channel, -signs, signs)
            if self.residuals(turned)[0][good].max() <= tolerance:
                return False
        return True


def residual(rows: Array, normal: Array, signs: Array, slope: float) -> tuple[Array, int]:
    """What active features leave of a normal (p,), and how many equations there are more than unknowns.

    Args:
        rows: gradients of features turned up and down, shape (2, c, window, p).
        normal: of norm 1.
        signs: of the channels.
        slope: of leaky units, max(z, 0) - slope max(-z, 0).
    """
    up, channels = np.where(signs > 0, 0, 1), np.arange(len(signs))
    active = (rows[up, channels] - slope * rows[1 - up, channels]).reshape(-1, len(normal))
    sizes = np.linalg.norm(active, axis=1)
    active = active[sizes > 0] / sizes[sizes > 0, None]
    margin = len(normal) - len(active)
    if margin <= 2:
        return np.zeros(len(normal)), 0
    basis, _ = np.linalg.qr(active.T)
    return np.asarray(normal - basis @ (basis.T @ normal)), margin


def read_sides(
    prefix: Prefix, kinks: Sequence[Kink], rng: np.random.Generator, tolerance: float
) -> Sides | None:
    """Try every supposition of what is behind the last layer; None where no kinks decide for one."""
    for extents in extents_of(prefix, kinks):
        for frame in frames(prefix, extents):
            found = SideSearch(prefix, frame, kinks).run(rng, tolerance)
            if found is not None:
                return found
    return None
