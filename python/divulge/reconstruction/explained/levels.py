"""How far from the baseline every unit switches, read from the share of the way that lies behind its kink."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from divulge.arrays import Array, Mask
from divulge.reconstruction.asking.lines import Lines
from divulge.reconstruction.asking.pieces import Transcript
from divulge.reconstruction.explained.way import Way
from divulge.reconstruction.network.fit import Fit
from divulge.reconstruction.network.units import Units
from divulge.reconstruction.settings import MEAN_GRADIENTS, TINY


class Levels:
    """The levels D_j . u of all units, which are chosen for all at once, D being independent.

    Args:
        transcript: whom to ask, near the origin.
        far: jumps D, sides and base.

    Attributes:
        towards: on which side of the origin each unit's kink lies, +1 or -1, shape (h,).

    Raises:
        Stopped: the oracle can be asked no further.
    """

    def __init__(self, transcript: Transcript, far: Fit) -> None:
        self.transcript, self.far = transcript, far
        self.jumps, self.sides = far.units.jumps[:, :-1], far.units.sides
        self.inverse = np.asarray(np.linalg.pinv(self.jumps), np.float64)
        self.sizes = np.linalg.norm(self.jumps, axis=1)
        self.towards = self.sides
        self.on_at_start = np.zeros(len(self), bool)
        _, on, _ = self.asked(np.full(len(self), MEAN_GRADIENTS.near))
        self.on_at_start = on > 0.5
        self.towards = np.where(self.on_at_start, -self.sides, self.sides)

    def __len__(self) -> int:
        return len(self.jumps)

    def asked(self, wanted: Array) -> tuple[Array, Array, float]:
        """Ask where |D_j . u| is as wanted, (h,).

        Returns:
            The levels that were asked, the share of the way behind each kink (h,), and the length of u.
        """
        row = self.transcript.ask((self.inverse @ (self.towards * wanted))[None])[0]
        point = self.transcript.points[row, :-1]
        told = self.transcript.pieces[row, :-1]
        share = np.asarray((told - self.far.base[:-1]) @ self.inverse)
        size = np.linalg.norm(told) + np.linalg.norm(self.far.base[:-1]) + np.linalg.norm(self.jumps)
        self.blur = (
            MEAN_GRADIENTS.counted * self.transcript.noise * size * np.linalg.norm(self.inverse, axis=0)
        )
        level = np.maximum(self.jumps @ point * self.towards, TINY)
        return level, np.where(self.on_at_start, 1 - share, share), float(np.linalg.norm(point))

    def fit(self, kinks: Array) -> Fit:
        """Return the units that switch at levels (h,)."""
        return Fit(
            Units(np.column_stack([self.jumps, -self.towards * kinks]), self.sides), self.far.base, 0.0
        )


def with_levels(transcript: Transcript, far: Fit, way: Way, lines: Lines) -> tuple[Fit, Way] | None:
    """Return the fit with every unit's offset, and the way; None where no way explains what is told.

    Of several parallel units some are on before the others: no single kink explains their shares.

    Args:
        transcript: whom to ask, near the origin.
        far: jumps D, sides and base.
        way: that is said to be taken; where it does not explain the shares they tell another one.
        lines: what draws.

    Raises:
        Stopped: the oracle can be asked no further.
    """
    levels = Levels(transcript, far)
    kinks = kinks_of(levels, way)
    if kinks is None:
        way = way_of(levels, lines)
        kinks = kinks_of(levels, way)
    return None if kinks is None else (levels.fit(kinks), way)


def kinks_of(levels: Levels, way: Way) -> Array | None:
    """Return the levels (h,) at which units switch, or None where they do not explain the shares."""
    return _between_all(levels) if way.everywhere else _between_steps(levels, way.alphas)


@dataclass
class _Brackets:
    """Levels |D_j . u| below and above each kink, shape (h,)."""

    low: Array
    high: Array

    def next(self) -> Array:
        """Return where to ask next: in the middle, or twice as far out, shape (h,)."""
        found = np.isfinite(self.high)
        middle = (self.low + np.where(found, self.high, 0.0)) / 2
        return np.where(found, middle, np.maximum(MEAN_GRADIENTS.first, 2 * self.low))


def _between_steps(levels: Levels, alphas: Array) -> Array | None:
    """An answer at u shows at how many of the places a u every unit is on: the last halves a bracket."""
    steps, brackets = len(alphas), _Brackets(np.zeros(len(levels)), np.full(len(levels), np.inf))
    common = steps  # divisor of all counts: 5 where 10 steps are taken for 50
    places = np.concatenate([[0.0], alphas, [np.inf]])
    for _ in range(MEAN_GRADIENTS.most_queries):
        level, passed, length = levels.asked(brackets.next() / alphas[-1])
        counts = np.rint(steps * passed)
        if (np.abs(steps * passed - counts) > np.minimum(steps * levels.blur, MEAN_GRADIENTS.step)).any():
            return None
        first = steps - np.clip(counts, 0, steps).astype(np.intp)  # steps before the kink
        common = int(np.gcd.reduce(first, initial=common))
        brackets.low = np.maximum(brackets.low, places[first] * level)
        brackets.high = np.minimum(brackets.high, places[first + 1] * level)
        rounding = MEAN_GRADIENTS.rounding * levels.transcript.noise * levels.sizes * length
        if (brackets.low - brackets.high > MEAN_GRADIENTS.counted * rounding).any():
            return None  # other steps than these
        if not (brackets.high - brackets.low > rounding).any():
            break
    kinks = (brackets.low + brackets.high) / 2
    shown = common == 1 and (levels.transcript.tells_values or _steps_stand(levels, alphas, kinks))
    return kinks if shown else None


def _steps_stand(levels: Levels, alphas: Array, kinks: Array) -> bool:
    """Whether other steps than the last, by which kinks were found, pass them where they should."""
    for step in sorted({int(share * len(alphas)) for share in MEAN_GRADIENTS.steps_tried}):
        for side in (-1.0, 1.0):
            wanted = kinks / alphas[step] * (1 + side * MEAN_GRADIENTS.beside_step)
            level, passed, _ = levels.asked(np.maximum(wanted, MEAN_GRADIENTS.near))
            foretold = (alphas[:, None] * level > kinks).sum(axis=0)
            if (np.abs(len(alphas) * passed - foretold) > MEAN_GRADIENTS.step).any():
                return False
    return True


def _between_all(levels: Levels) -> Array | None:
    """A share 1 - k / L behind a kink at k tells it from any level L beyond; others, nearer, check it."""
    found = _first_kinks(levels)
    if found is None:
        return None
    kinks, errors = found
    for share in (1.0, *MEAN_GRADIENTS.beside):
        for side in (1.0, -1.0):
            size = np.maximum(kinks, np.median(kinks))
            level, passed, _ = levels.asked(np.maximum(kinks + side * share * size, MEAN_GRADIENTS.near))
            off = np.abs(passed - np.maximum(1 - kinks / level, 0.0))
            if (off > 2 * (levels.blur + errors / level)).any():
                return None
            if side > 0 and share == 1.0:
                kinks, errors = np.maximum((1 - passed) * level, 0.0), levels.blur * level
    return kinks


def _first_kinks(levels: Levels) -> tuple[Array, Array] | None:
    """Kinks (h,) and their errors, each from the first answer well beyond; None where there is none."""
    kinks, errors = np.full((2, len(levels)), np.nan)
    wanted = np.full(len(levels), MEAN_GRADIENTS.first)
    for _ in range(MEAN_GRADIENTS.most_queries):
        level, passed, _ = levels.asked(wanted)
        fresh = np.isnan(kinks) & (passed > MEAN_GRADIENTS.behind)
        kinks[fresh] = (1 - np.minimum(passed[fresh], 1.0)) * level[fresh]
        errors[fresh] = levels.blur[fresh] * level[fresh]
        if not np.isnan(kinks).any():
            return kinks, errors
        wanted = np.where(np.isnan(kinks), 2 * wanted, wanted)
    return None


def way_of(levels: Levels, lines: Lines) -> Way:
    """Return the steps of which shares are whole numbers, the fewest; where there are none, the whole way."""
    shares, blurs = [], []
    for _ in range(MEAN_GRADIENTS.draws):
        wanted = 2.0 ** lines.rng.uniform(*MEAN_GRADIENTS.drawn, len(levels))
        _, passed, _ = levels.asked(wanted)
        inside: Mask = (passed > levels.blur) & (passed < 1 - levels.blur)
        shares.append(passed[inside])
        blurs.append(levels.blur[inside])
    told, blur = np.concatenate(shares), np.concatenate(blurs)
    for steps in range(1, MEAN_GRADIENTS.most_steps + 1):
        off = np.abs(steps * told - np.rint(steps * told))
        if (off <= np.minimum(steps * blur, MEAN_GRADIENTS.whole)).all():
            return Way.of_steps(steps)
    return Way.of_steps(None)
